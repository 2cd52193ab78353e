/** Which code is compiled is found by samples: all of a guest's time is open to them, however user space runs it. */
import { VKVM_EXIT_IDLE, VKVM_GET_ENGINE_STATS, vkvmEngineStats } from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { TestProcess, TestVcpu, TestVm } from './machine.ts';

const WFI = 0xd503_207f;

/** A vCPU with the slice given, and its code. */
function machine(slice: number, ...pages: readonly (readonly number[])[]): TestVcpu {
  const vm = new TestVm(new TestProcess({ tier: 'hot' }));
  for (const [n, words] of pages.entries()) vm.load(words, 0x1000 * n);
  vm.slice(slice);
  return new TestVcpu(vm).start();
}

/** VKVM_GET_ENGINE_STATS. */
function statsOf({ fd, vm: { process } }: TestVcpu) {
  expect(process.call(fd, VKVM_GET_ENGINE_STATS, vkvmEngineStats, {})).toBe(0);
  return vkvmEngineStats.read(process.memory.buffer, process.arg);
}

test.each([10_000, 1e9])('KVM_RUN takes %d instructions at most: both loops are compiled', (slice) => {
  const loop = [
    0xd281_2000, // mov  x0, #0x900
    0xf2a0_01e0, // movk x0, #15, lsl #16: about a million
    0xf100_0400, // subs x0, x0, #1
    0x54ff_ffe1, // b.ne .-4
  ];
  // When the second one begins, in the next page, samples have become rare.
  const next = 0x1400_03fc; // b .+0xff0
  const vcpu = machine(slice, [...loop, next], [...loop, WFI]);
  do vcpu.run();
  while (vcpu.exitReason !== VKVM_EXIT_IDLE);
  const stats = statsOf(vcpu);
  expect(stats.instructions).toBeGreaterThan(3.9e6);
  expect(stats.instructions - stats.compiled_instructions).toBeLessThan(0.1 * stats.instructions);
});

test('where compiled code branches back to what is no loop, no other region is made', () => {
  const vcpu = machine(2_000_000, [
    0xd289_85a2, // mov  x2, #0x4c2d
    0xd282_80a3, // mov  x3, #0x1405
    0x9b02_0c00, // loop: madd x0, x0, x2, x3: as good as random
    0xf25c_0c1f, // tst  x0, #0xf000000000
    0x5400_0080, // b.eq aside
    0xf100_043f, // back: cmp x1, #1
    0x54ff_ff81, // b.ne loop
    0xd65f_03c0, // ret
    0x9100_0484, // aside: add x4, x4, #1
    0x17ff_fffc, // b    back
  ]);
  vcpu.run();
  const { regions } = statsOf(vcpu);
  expect(regions).toBeGreaterThan(0);
  for (let n = 0; n < 50; n++) vcpu.run();
  expect(statsOf(vcpu).regions).toBe(regions);
});
