/** The syndrome and address of each fault that a guest takes, against what QEMU recorded of the same guest. */
import { KVM_EXIT_MMIO, KVM_REG_PC, kvmRunMmio } from '@vkvm/uapi';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readGuest } from './guest/guest.ts';
import { RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

const PL011 = 0x0900_0000;
/** Where tools/faults.ts puts it, too; the last half MiB of RAM. */
const OFFSET = 0x18_0000;

/** Runs a guest until it powers off. @returns what it wrote to the PL011 */
function printed(name: string): string {
  const vm = new TestVm(new TestProcess());
  vm.load(readGuest(name).words, OFFSET);
  vm.slice(1_000_000);
  const vcpu = new TestVcpu(vm).start();
  vcpu.set(KVM_REG_PC, BigInt(RAM + OFFSET));
  let text = '';
  while (vcpu.run() === 0 && vcpu.exitReason === KVM_EXIT_MMIO) {
    const { phys_addr, data } = vcpu.exit(kvmRunMmio);
    expect(phys_addr).toBe(PL011);
    text += String.fromCodePoint(data[0]!);
  }
  return text;
}

test('every fault is reported as QEMU reports it', () => {
  const recorded = readFileSync(new URL('guest/faults.txt', import.meta.url), 'utf8');
  const lines = printed('faults')
    .split('\n')
    .map((line) => line.trimEnd());
  expect(lines).toEqual(recorded.split('\n'));
});
