/** Which code is compiled is found by samples: all of a guest's time is to be open to them, however user space runs it. */
import { VKVM_EXIT_IDLE, VKVM_GET_ENGINE_STATS, vkvmEngineStats } from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { TestProcess, TestVcpu, TestVm } from './machine.ts';

const TURNS = 1_000_000;
const loop = [
  0xd281_2000, // mov  x0, #0x900
  0xf2a0_01e0, // movk x0, #15, lsl #16: about a million
  0xf100_0400, // subs x0, x0, #1
  0x54ff_ffe1, // b.ne .-4
];
/** One loop, and in another page, when samples have become rare, a second one. */
const FIRST = [...loop, 0x1400_03fc]; // b .+0xff0
const SECOND = [...loop, 0xd503_207f]; // wfi
const SECOND_AT = 0x1000;

test.each([10_000, 1e9])('KVM_RUN takes %d instructions at most: both loops are compiled', (slice) => {
  const vm = new TestVm(new TestProcess({ tier: 'hot' }));
  vm.load(FIRST);
  vm.load(SECOND, SECOND_AT);
  vm.slice(slice);
  const vcpu = new TestVcpu(vm).start();
  do vcpu.run();
  while (vcpu.exitReason !== VKVM_EXIT_IDLE);
  const { process } = vm;
  expect(process.call(vcpu.fd, VKVM_GET_ENGINE_STATS, vkvmEngineStats, {})).toBe(0);
  const stats = vkvmEngineStats.read(process.memory.buffer, process.arg);
  expect(stats.instructions).toBeGreaterThan(3.9 * TURNS);
  expect(stats.instructions - stats.compiled_instructions).toBeLessThan(0.1 * stats.instructions);
});
