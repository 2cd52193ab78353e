import {
  EINVAL,
  KVM_ARM_IRQ_TYPE_CPU,
  KVM_ARM_IRQ_TYPE_PPI,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  encodeIrq,
  releaseNumber,
} from '@vkvm/uapi';
import type { LinuxVersion } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import { PROFILE } from '../state/arena.ts';
import { INTERRUPT_LINES } from '../state/vcpu-state.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { claimTimerIntids } from '../timer/attributes.ts';
import { INITIALISED, LINE, bankIndex } from '../vgic/state.ts';
import { setIrqLine } from './irq-line.ts';

/** A VM whose vCPUs were made in another order than that of their ids. */
function machine(version: LinuxVersion = '7.3') {
  const bare = bareVm([5, 0]);
  const { words, vm, vcpus, host } = bare;
  words.set32(PROFILE, releaseNumber(version));
  const raise = (type: number, id: number, number: number): number =>
    setIrqLine(vm, encodeIrq(type, id, number), true, { words, host });
  return { ...bare, raise, linesOf: (index: number) => vcpus[index]!.get32(INTERRUPT_LINES) };
}

describe('KVM_IRQ_LINE', () => {
  test('names a vCPU by its id since 6.7', () => {
    const { raise, linesOf } = machine('6.12');
    expect(raise(KVM_ARM_IRQ_TYPE_CPU, 5, 0)).toBe(0);
    expect([linesOf(0), linesOf(1)]).toEqual([1, 0]);
    expect(raise(KVM_ARM_IRQ_TYPE_CPU, 1, 0)).toBe(-EINVAL);
  });

  test('named it by its place before', () => {
    const { raise, linesOf } = machine('6.1');
    expect(raise(KVM_ARM_IRQ_TYPE_CPU, 1, 0)).toBe(0);
    expect([linesOf(0), linesOf(1)]).toEqual([0, 1]);
    expect(raise(KVM_ARM_IRQ_TYPE_CPU, 5, 0)).toBe(-EINVAL);
  });

  test('leaves the line of a timer alone once the vCPU has run', () => {
    const { words, vm, vcpus, raise } = machine();
    vm.set32(IRQCHIP, KVM_DEV_TYPE_ARM_VGIC_V3);
    vm.set32(INITIALISED, 1);
    const [vcpu] = vcpus;
    const lines = (): number => words.u32[bankIndex(vm.base, vcpu!.base, 0) + (LINE >>> 2)]!;
    expect(raise(KVM_ARM_IRQ_TYPE_PPI, 5, 27)).toBe(0);
    expect(claimTimerIntids(vcpu!, 0)).toBe(0);
    expect(raise(KVM_ARM_IRQ_TYPE_PPI, 5, 30)).toBe(0);
    expect(raise(KVM_ARM_IRQ_TYPE_PPI, 5, 23)).toBe(0);
    expect(lines()).toBe((1 << 27) | (1 << 23));
  });
});
