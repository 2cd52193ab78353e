/** VKVM_CAP_DETERMINISTIC: what a guest finds out of time and chance follows from its instructions, in every tier. */
import {
  VKVM_CAP_DETERMINISTIC,
  VKVM_CLOCK,
  VKVM_GET_ENGINE_STATS,
  vkvmClock,
  vkvmEngineStats,
  vkvmRunIdle,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import type { Tier } from '../src/engine/engine.ts';
import { TestProcess, TestVcpu, TestVm } from './machine.ts';

const TICK = 16n;
const TURNS = 800n;
/** Reads the counter, loops, reads it again, asks for random numbers, and waits. */
const PROGRAM = [
  0xd53b_e053, // mrs  x19, cntvct_el0
  0xd280_6402, // mov  x2, #800
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ffe1, // b.ne .-4
  0xd53b_e054, // mrs  x20, cntvct_el0
  0x5280_0a60, // mov  w0, #0x53
  0x72b8_8000, // movk w0, #0xc400, lsl #16: TRNG_RND64
  0xd280_1801, // mov  x1, #192
  0xd400_0002, // hvc  #0
  0xd503_207f, // wfi
];

/** A host that is another one at every look. */
let looks = 1;
const host = {
  now: () => (looks += 1_234_567),
  realTime: () => BigInt((looks += 7)),
  random: (bytes: Uint8Array) => void bytes.fill((looks += 3)),
};

function machine(tier: Tier = 'none') {
  const vm = new TestVm(new TestProcess({ host, tier }));
  expect(vm.enableCap(VKVM_CAP_DETERMINISTIC, 5_000_000_000n)).toBe(0);
  vm.load(PROGRAM);
  vm.slice(1_000_000);
  return { vm, vcpu: new TestVcpu(vm).start() };
}

/** VKVM_CLOCK. */
function clock({ process, fd }: TestVm, now = 0): number | string {
  const result = process.call(fd, VKVM_CLOCK, vkvmClock, { now });
  return result === 0 ? vkvmClock.view(process.memory, process.arg).now : result;
}

/** VKVM_GET_ENGINE_STATS. */
function statsOf({ fd, vm: { process } }: TestVcpu) {
  expect(process.call(fd, VKVM_GET_ENGINE_STATS, vkvmEngineStats, {})).toBe(0);
  return vkvmEngineStats.read(process.memory.buffer, process.arg);
}

/** Runs the program to its end. */
function observe(tier: Tier) {
  const { vm, vcpu } = machine(tier);
  expect(vcpu.run()).toBe(0);
  const { deadline_ns: deadline } = vcpu.exit(vkvmRunIdle);
  const registers = [0, 1, 2, 3, 19, 20].map((n) => vcpu.get(xRegId(n)));
  return { registers, deadline, clock: clock(vm), retired: statsOf(vcpu).instructions };
}

describe('a deterministic VM', () => {
  test('counts a nanosecond for each instruction, exactly, in the middle of a run', () => {
    const { registers, clock: end } = observe('none');
    const [, , , , first, second] = registers as bigint[];
    // The first MRS is the first instruction; before the second one it, MOV and the loop have retired.
    expect([first, second]).toEqual([0n, (2n + 2n * TURNS) / TICK]);
    expect(end).toBe(PROGRAM.length - 2 + 2 * Number(TURNS));
  });

  test.each(['none', 'hot', 'all', 'evict'] as const)('is the same each time: tier %s', (tier) => {
    expect(observe(tier)).toEqual(observe('none'));
  });

  test('tells how many instructions were compiled', () => {
    const [interpreted, compiled] = (['none', 'all'] as const).map((tier) => {
      const { vcpu } = machine(tier);
      vcpu.run();
      return statsOf(vcpu);
    });
    expect(interpreted).toMatchObject({ regions: 0, compiled_instructions: 0, code_bytes: 0, compile_ns: 0 });
    expect(compiled!.compiled_instructions).toBeGreaterThanOrEqual(2 * Number(TURNS));
    expect(compiled!.compiled_instructions).toBeLessThanOrEqual(compiled!.instructions);
    expect(compiled!.region_instructions).toBeGreaterThanOrEqual(compiled!.regions);
    expect(compiled!.compile_ns).toBeGreaterThan(0);
  });

  test('lets time pass as user space says, and never back', () => {
    const { vm, vcpu } = machine();
    vcpu.run();
    const end = clock(vm) as number;
    expect(clock(vm, end + 1000)).toBe(end + 1000);
    expect(clock(vm, end)).toBe(end + 1000);
    expect(clock(vm, 2 ** 53)).toBe('EINVAL');
  });

  test('is made before its vCPUs; others have no clock', () => {
    const { vm } = machine();
    expect(vm.enableCap(VKVM_CAP_DETERMINISTIC, 0n)).toBe('EBUSY');
    expect(vm.enableCap(VKVM_CAP_DETERMINISTIC, 0n, 1n)).toBe('EINVAL');
    expect(clock(new TestVm(vm.process))).toBe('EINVAL');
  });
});
