/** A hostile VMM: random system calls at a kernel, and what must hold whatever it answers. */
import {
  IOCTLS,
  KVM_ARM_GET_REG_WRITABLE_MASKS,
  KVM_CLEAR_DIRTY_LOG,
  KVM_CREATE_DEVICE,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
  KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
  KVM_GET_DEVICE_ATTR,
  KVM_GET_DIRTY_LOG,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_HAS_DEVICE_ATTR,
  KVM_REG_ARM64,
  KVM_RUN,
  KVM_SET_DEVICE_ATTR,
  KVM_SIGNAL_MSI,
  iocSize,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmMsi,
  sysregId,
} from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';

import {
  COLLECTION_TABLE,
  DEVICE_TABLE,
  FIRST_LPI,
  GICD,
  GICR,
  GITS,
  ITT,
  ItsMachine,
  MAPC,
  MAPD,
  MAPTI,
  QUEUE,
} from './its-machine.ts';
import { RAM, TestProcess, TestVcpu, TestVm, prot } from './machine.ts';
import type { MachineOptions } from './machine.ts';

const AREA_SIZE = 0x1000;
const CANARY_SIZE = 0x1_0000;
const PATTERN = 0xa5;
/** Below it nothing is ever mapped. */
const LOW_END = 0x10_0000;
/** The kernel keeps every descriptor it gave; past this many, the fuzzer takes no more of them to heart. */
const MAX_FILES = 24;
/** Instructions of a KVM_RUN. */
const SLICE = 500;

/** mulberry32: a seed in a failure's message is enough to see it again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Requests that write where a struct points to, or run a guest. */
const WRITES_ELSEWHERE: ReadonlySet<number> = new Set([
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_GET_DEVICE_ATTR,
  KVM_GET_DIRTY_LOG,
  KVM_CLEAR_DIRTY_LOG,
  KVM_ARM_GET_REG_WRITABLE_MASKS,
  KVM_CREATE_DEVICE,
  KVM_RUN,
]);

/** Extents of a range, as a VMM could get them wrong. */
const LENGTHS = [0, 1, 0x800, 0x1000, 0x3000, 0x20_0000, 2 ** 32, -1, Number.NaN, 0.5];

/**
 * Makes random system calls: good and broken descriptors, requests, sizes, pointers past the end, overlapping slots,
 * register ids, guests of random words.
 *
 * @returns what was wrong, with the number of the call; `undefined` if all went well
 */
export function fuzz(seed: number, calls: number, profile?: ProfileName): string | undefined {
  const next = random(seed);
  const pick = <T>(items: readonly T[]): T => items[next() % items.length]!;
  const reports: string[] = [];
  const options = {
    size: 400,
    host: { report: (message: string) => void reports.push(message), wait: () => false },
    ...(profile && { profile }),
  };
  // Every other round starts with an ITS that is at work already.
  const its = seed % 2 === 0 && profile !== 'rfc-2013' ? busyIts(options) : undefined;
  const vm = its?.vm ?? new TestVm(new TestProcess(options));
  const { process } = vm;
  vm.slice(SLICE);
  vm.load(Array.from({ length: 256 }, next));
  const vcpu = its?.vcpus[0] ?? new TestVcpu(vm).start();
  const { syscalls, memory } = process;
  const area = syscalls.mmap(-1, AREA_SIZE, prot, 0);
  const canary = syscalls.mmap(-1, CANARY_SIZE, prot, 0);
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(PATTERN, canary, canary + CANARY_SIZE);
  const data = new DataView(memory.buffer);

  const files = [process.kvm, vm.fd, vcpu.fd, -1, 77, ...(its ? [its.its, its.gic] : [])];
  const addresses: number[] = [area, vm.ram, 0, 0x1000, -1, Number.NaN, 2 ** 40];
  const numbers = [...IOCTLS.map(({ number }) => number), KVM_RUN, 0, 0xae55, 0xffff_ffff];
  const values = [
    0n,
    1n,
    2n,
    5n,
    0x1000n,
    0xffff_ffff_ffff_ffffn,
    BigInt(RAM),
    BigInt(area),
    KVM_REG_ARM64,
    ...[0xc080, 0xdf19, 0xc020, 0x8000].map(sysregId),
  ];

  const ioctl = (): string | undefined => {
    const request = pick(numbers);
    const arg = pick([
      0,
      1,
      8,
      0x1000,
      area,
      area,
      area,
      area + 8,
      area + AREA_SIZE - 4,
      2 ** 40,
      -1,
      Number.NaN,
    ]);
    for (let at = 0; at < 64; at += 8) {
      const value = (next() & 3) === 0 ? BigInt(next()) * BigInt(next()) : pick(values);
      data.setBigUint64(area + at, value, true);
    }
    const before = bytes.slice(area, area + AREA_SIZE);
    const result = syscalls.ioctl(pick(files), request, arg);
    if (!Number.isInteger(result)) return `ioctl 0x${request.toString(16)} answered ${result}`;
    if (result >= 3 && files.length < MAX_FILES && request !== 0xae03) files.push(result);
    if (WRITES_ELSEWHERE.has(request)) return undefined;
    const start = Number.isInteger(arg) && arg >= area ? arg - area : 0;
    const changed = changedOutside(
      before,
      bytes.subarray(area, area + AREA_SIZE),
      start,
      start + iocSize(request),
    );
    return changed < 0
      ? undefined
      : `ioctl 0x${request.toString(16)} wrote byte ${changed} beside its struct`;
  };
  /** Interrupt controllers, near enough to what they take that some of it works. */
  const interrupts = (): string | undefined => {
    const device = pick([its?.its ?? -1, its?.its ?? -1, its?.gic ?? -1, pick(files)]);
    const [group, attrs] = pick<readonly [number, readonly number[]]>([
      [KVM_DEV_ARM_VGIC_GRP_ADDR, [2, 3, 4, 5]],
      [KVM_DEV_ARM_VGIC_GRP_CTRL, [0, 1, 1, 2, 2, 3, 4, 7]],
      [KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, [0, 0x70, 0x78, 0x7c, 0xa0, 0xb0]],
      [KVM_DEV_ARM_VGIC_GRP_ITS_REGS, [0, 4, 0x80, 0x88, 0x88, 0x88, 0x88, 0x90, 0x100, 0x108, 0xffe8]],
      [KVM_DEV_ARM_VGIC_GRP_ITS_REGS, [0x88]],
      [next() & 15, [next()]],
    ]);
    const message = { address_lo: pick([GITS + 0x1_0040, GITS, 0]), data: pick([0, 3, 8192, next()]) };
    const address = BigInt(pick([GICD, GITS, GICR, RAM, RAM + 0x1_0000]));
    data.setBigUint64(
      area + 64,
      pick([0n, 1n, 1n, BigInt(next()), BigInt(next() & 0xfe0), address, address | (1n << 63n)]),
      true,
    );
    const attribute = { group, attr: BigInt(pick(attrs)), addr: area + 64 };
    const request = pick([
      KVM_SET_DEVICE_ATTR,
      KVM_SET_DEVICE_ATTR,
      KVM_GET_DEVICE_ATTR,
      KVM_HAS_DEVICE_ATTR,
    ]);
    const results = [
      process.call(vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, {
        type: pick([5, 7, 8, 8]),
        flags: pick([0, 1]),
      }),
    ];
    const { fd } = kvmCreateDevice.read(memory, process.arg);
    if (results[0] === 0 && fd > 2 && !files.includes(fd) && files.length < MAX_FILES) files.push(fd);
    // Commands and tables, or what looks like them.
    const command = pick([1, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15]);
    const words = [
      BigInt(command) | (BigInt(next() & 7) << 32n),
      BigInt(next() & 7) | (BigInt(8192 + (next() & 7)) << 32n),
      BigInt(next() & 3) | pick([0n, 1n << 63n, (1n << 63n) | address, BigInt(next()) << 32n]),
      0n,
    ];
    const place =
      vm.ram + pick([QUEUE, QUEUE, QUEUE, DEVICE_TABLE, COLLECTION_TABLE, ITT]) + (next() & 0xfe0);
    words.forEach((word, n) => data.setBigUint64(place + 8 * n, word, true));
    results.push(
      process.call(device, request, kvmDeviceAttr, attribute),
      process.call(vm.fd, KVM_SIGNAL_MSI, kvmMsi, { ...message, flags: 1, devid: next() & 7 }),
    );
    return results.every((result) => typeof result === 'string' || Number.isInteger(result))
      ? undefined
      : `devices answered ${results}`;
  };
  const mmap = (): string | undefined => {
    const address = syscalls.mmap(
      pick(files),
      pick(LENGTHS),
      pick([0, 1, 3, 7, -1]),
      pick([0, 0x1000, 1, 2 ** 41]),
    );
    if (!Number.isInteger(address)) return `mmap answered ${address}`;
    if (address > 0 && addresses.length < MAX_FILES) addresses.push(address);
    return undefined;
  };
  /** Not what the fuzzer itself stands on. */
  const munmap = (): string | undefined => {
    const address = pick(addresses);
    const length = pick([1, 0x1000, 0x2000, 0x3000, 0]);
    const touches = [area, canary].some((mine) => address <= mine + CANARY_SIZE && mine <= address + length);
    const result = touches ? 0 : syscalls.munmap(address, length);
    return Number.isInteger(result) ? undefined : `munmap answered ${result}`;
  };
  const other = (): string | undefined => {
    const length = pick([0, 4, 8, 24, 64, 2 ** 33, -1]);
    const results = [
      syscalls.eventfd(pick([0, 1, -1, 2 ** 40, 0.5]), pick([0, 1, 0x800, 0x8_0000, -1])),
      syscalls.read(pick(files), pick([area, area + AREA_SIZE - 4, 8, -1]), length),
      syscalls.write(pick(files), pick([area, area + AREA_SIZE - 4, 8, -1]), length),
      (next() & 31) === 0 ? syscalls.close(pick([-1, 77, 2 ** 33, ...files.slice(3)])) : 0,
    ];
    if (results[0]! >= 3 && files.length < MAX_FILES) files.push(results[0]!);
    return results.every(Number.isInteger) ? undefined : `eventfd, read, write, close answered ${results}`;
  };
  const kinds = [ioctl, ioctl, ioctl, ioctl, ioctl, ioctl, interrupts, interrupts, mmap, munmap, other];

  for (let n = 0; n < calls; n++) {
    const wrong = pick(kinds)() ?? (reports.length > 0 ? reports.join('; ') : undefined);
    if (wrong !== undefined && !wrong.startsWith('unimplemented instruction')) {
      return `seed ${seed}, call ${n}: ${wrong}`;
    }
    reports.length = 0;
  }
  if (!bytes.subarray(canary, canary + CANARY_SIZE).every((byte) => byte === PATTERN)) {
    return `seed ${seed}: memory was written that no call named`;
  }
  if (!bytes.subarray(0, LOW_END).every((byte) => byte === 0)) {
    return `seed ${seed}: memory below 1 MiB was written`;
  }
  return undefined;
}

/** A machine whose ITS has devices 0 to 7 with an event each. */
function busyIts(options: MachineOptions): ItsMachine {
  const machine = new ItsMachine(options).enable();
  machine.send(MAPC(0, 0));
  for (let n = 0; n < 8; n++) machine.send(MAPD(n, RAM + ITT + 0x100 * n, 3), MAPTI(n, n, FIRST_LPI + n, 0));
  return machine;
}

/** @returns the first byte outside of [start, end) that differs, or -1 */
function changedOutside(before: Uint8Array, after: Uint8Array, start: number, end: number): number {
  for (let at = 0; at < before.length; at++) {
    if (before[at] !== after[at] && (at < start || at >= end)) return at;
  }
  return -1;
}
