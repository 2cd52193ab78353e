/** A hostile VMM: random system calls at a kernel, and what must hold whatever it answers. */
import {
  IOCTLS,
  KVM_ARM_GET_REG_WRITABLE_MASKS,
  KVM_CLEAR_DIRTY_LOG,
  KVM_CREATE_DEVICE,
  KVM_GET_DEVICE_ATTR,
  KVM_GET_DIRTY_LOG,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_REG_ARM64,
  KVM_RUN,
  iocSize,
  sysregId,
} from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';

import { RAM, TestProcess, TestVcpu, TestVm, prot } from './machine.ts';

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
  const process = new TestProcess({
    size: 400,
    host: { report: (message) => void reports.push(message), wait: () => false },
    ...(profile && { profile }),
  });
  const vm = new TestVm(process);
  vm.slice(SLICE);
  vm.load(Array.from({ length: 256 }, next));
  const vcpu = new TestVcpu(vm).start();
  const { syscalls, memory } = process;
  const area = syscalls.mmap(-1, AREA_SIZE, prot, 0);
  const canary = syscalls.mmap(-1, CANARY_SIZE, prot, 0);
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(PATTERN, canary, canary + CANARY_SIZE);
  const data = new DataView(memory.buffer);

  const files = [process.kvm, vm.fd, vcpu.fd, -1, 77];
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
  const kinds = [ioctl, ioctl, ioctl, ioctl, ioctl, ioctl, ioctl, mmap, munmap, other];

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

/** @returns the first byte outside of [start, end) that differs, or -1 */
function changedOutside(before: Uint8Array, after: Uint8Array, start: number, end: number): number {
  for (let at = 0; at < before.length; at++) {
    if (before[at] !== after[at] && (at < start || at >= end)) return at;
  }
  return -1;
}
