import {
  EBUSY,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
} from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { FakeKernel } from '../../test/fake-kernel.ts';
import { openKvm } from '../kvm/kvm.ts';
import { GUEST_SERVICES, limitServices } from './services.ts';
import type { GuestService } from './services.ts';

const BITMAPS = [
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
];

function limit(allowed: readonly GuestService[], kernel = new FakeKernel()): bigint[] {
  kernel.newVcpu = ({ regs }) => {
    for (const [n, value] of [1n, 1n, 3n, 0n].entries()) regs.set(BITMAPS[n]!, value);
  };
  using kvm = openKvm(kernel, kernel.process);
  using vm = kvm.createVm();
  using vcpu = vm.createVcpu(0);
  limitServices(vcpu, allowed);
  return BITMAPS.map((bitmap) => kernel.vcpus.at(-1)?.regs.get(bitmap) ?? -1n);
}

test('takes away what is not allowed, and adds nothing', () => {
  expect(limit([])).toEqual([0n, 0n, 0n, 0n]);
  expect(limit(['trng', 'ptp'])).toEqual([1n, 0n, 2n, 0n]);
  expect(limit(GUEST_SERVICES)).toEqual([1n, 1n, 3n, 0n]);
});

test('is content with a kernel that lacks a bitmap, and with no other refusal', () => {
  const old = new FakeKernel();
  for (const bitmap of BITMAPS.slice(0, 2)) old.missingRegs.add(bitmap);
  expect(limit([], old).slice(2)).toEqual([0n, 0n]);
  const late = new FakeKernel();
  late.refusedRegs.set(KVM_REG_ARM_STD_BMAP, -EBUSY);
  expect(() => limit([], late)).toThrow('EBUSY');
});
