/** Whatever is asked, nothing is thrown and nothing is written that the request does not name. */
import {
  IOCTLS,
  KVM_CREATE_DEVICE,
  KVM_GET_DEVICE_ATTR,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_REG_ARM64,
  KVM_ARM_GET_REG_WRITABLE_MASKS,
  iocSize,
} from '@vkvm/uapi';
import { expect, test } from 'vitest';

import { LEAVE_BUDGET } from '../src/interp/leave.ts';
import { Block } from '../src/state/block.ts';
import { kickIndex } from '../src/state/requests.ts';
import type { VcpuEngine } from '../src/vcpu/vcpu.ts';
import { TestProcess, TestVcpu, TestVm, prot } from './machine.ts';

const CALLS = 20_000;
const ARGUMENT_AREA = 0x1000;
const PATTERN = 0xa5;

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

/** Requests that write where a struct points to. */
const POINTING: ReadonlySet<number> = new Set([
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_GET_DEVICE_ATTR,
  KVM_ARM_GET_REG_WRITABLE_MASKS,
  KVM_CREATE_DEVICE,
]);

test.each([1, 2, 3])('random ioctls, seed %i', (seed) => {
  const next = random(seed);
  const pick = <T>(items: readonly T[]): T => items[next() % items.length]!;
  const reports: string[] = [];
  const process = new TestProcess({
    size: 320,
    host: { report: (message) => void reports.push(message), wait: () => false },
    createEngine: ({ words, vcpu: block }) =>
      idleEngine(() => Atomics.add(words.i32, kickIndex(new Block(words, block)), 1)),
  });
  const vm = new TestVm(process);
  const vcpu = new TestVcpu(vm).start();
  const { syscalls, memory } = process;
  const area = syscalls.mmap(-1, ARGUMENT_AREA, prot, 0);
  const canary = syscalls.mmap(-1, 0x1_0000, prot, 0);
  const bytes = new Uint8Array(memory.buffer);
  const low = bytes.subarray(0, 0x10_0000);
  bytes.fill(PATTERN, canary, canary + 0x1_0000);
  const data = new DataView(memory.buffer);

  const files = [process.kvm, vm.fd, vcpu.fd, -1, 77];
  const numbers = [...IOCTLS.map(({ number }) => number), 0, 0xae55, 0xffff_ffff];
  const values = [0n, 1n, 2n, 5n, 0x1000n, 0x4000_0000n, BigInt(area), 0xffff_ffff_ffff_ffffn, KVM_REG_ARM64];

  for (let n = 0; n < CALLS; n++) {
    const request = pick(numbers);
    const size = iocSize(request);
    const arg = pick([
      0,
      1,
      8,
      0x1000,
      area,
      area + 8,
      area + ARGUMENT_AREA - 4,
      2 ** 40,
      -1,
      Number.NaN,
      0.5,
    ]);
    for (let at = 0; at < 64; at += 8) {
      const value = (next() & 3) === 0 ? BigInt(next()) * BigInt(next()) : pick(values);
      data.setBigUint64(area + at, value, true);
    }
    const before = bytes.slice(area, area + ARGUMENT_AREA);
    const fd = pick(files);
    const result = syscalls.ioctl(fd, request, arg);
    expect(Number.isInteger(result), `call ${n}`).toBe(true);
    if (result >= 3 && files.length < 12 && request !== 0xae03) files.push(result);
    if (POINTING.has(request)) continue;
    const start = Number.isInteger(arg) && arg >= area ? arg - area : 0;
    const changed = changedOutside(before, bytes.subarray(area, area + ARGUMENT_AREA), start, start + size);
    expect(changed, `call ${n}, request 0x${request.toString(16)}`).toBe(-1);
  }
  expect(bytes.subarray(canary, canary + 0x1_0000).every((byte) => byte === PATTERN)).toBe(true);
  expect(low.every((byte) => byte === 0)).toBe(true);
  expect(reports).toEqual([]);
});

/** @returns the first byte outside of [start, end) that differs, or -1 */
function changedOutside(before: Uint8Array, after: Uint8Array, start: number, end: number): number {
  for (let at = 0; at < before.length; at++) {
    if (before[at] !== after[at] && (at < start || at >= end)) return at;
  }
  return -1;
}

/** Guest code of no instructions, which somebody always kicks out of. */
function idleEngine(kick: () => unknown): VcpuEngine {
  const nothing = (): void => undefined;
  return {
    retired: 0,
    format: nothing,
    run() {
      kick();
      return LEAVE_BUDGET;
    },
    contextChanged: nothing,
    regimeChanged: nothing,
    flushTlb: nothing,
    flushTlbNonGlobal: nothing,
    flushTlbVa: nothing,
    flushCode: nothing,
    flushCodeRange: nothing,
    translate: () => ({ syndrome: 0n }),
  };
}
