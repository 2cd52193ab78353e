/**
 * A GIC that gets its addresses after a first KVM_RUN has failed for want of them. Sources: trace vgic3-run-uninit; Linux
 * 5.10 arch/arm64/kvm/arm.c, where a vCPU tries once to map the frames, and 6.1, where the VM is dead.
 */
import {
  KVM_CREATE_DEVICE,
  KVM_CREATE_IRQCHIP,
  KVM_ARM_SET_DEVICE_ADDR,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_EXIT_MMIO,
  KVM_REG_PC,
  KVM_SET_DEVICE_ATTR,
  KVM_VGIC_V2_ADDR_TYPE_CPU,
  KVM_VGIC_V2_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
  kvmArmDeviceAddr,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmRunMmio,
  xRegId,
} from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

const GICD = 0x0800_0000;
const GICC = 0x0801_0000;
const GICR = 0x080a_0000;
const LDR = 0xb940_0020; // ldr w0, [x1]
const STAY = 0x1400_0000; // b .

/** Two vCPUs, the first of which has run without success. */
function machine(profile: ProfileName, create: (vm: TestVm) => void): readonly [TestVm, TestVcpu, TestVcpu] {
  const vm = new TestVm(new TestProcess({ profile }));
  vm.load([LDR, STAY]);
  vm.slice(16);
  const vcpus = [new TestVcpu(vm, 0).start(), new TestVcpu(vm, 1).start()] as const;
  create(vm);
  expect(vcpus[0].run()).toBe('ENXIO');
  return [vm, ...vcpus];
}

/** Reads a word. @returns where the access came out, or what the guest read */
function load(vcpu: TestVcpu, gpa: number): string {
  vcpu.set(KVM_REG_PC, BigInt(RAM));
  vcpu.set(xRegId(1), BigInt(gpa));
  vcpu.set(xRegId(0), 0xdeadn);
  const result = vcpu.run();
  if (result === 'EINTR') return vcpu.get(xRegId(0)) === 0xdeadn ? 'not run' : 'kernel';
  if (result !== 0 || vcpu.exitReason !== KVM_EXIT_MMIO) return String(result);
  expect(vcpu.exit(kvmRunMmio).phys_addr).toBe(gpa);
  vcpu.run();
  return 'user space';
}

describe('a GICv3 on Linux 5.10', () => {
  let device = 0;
  const setAttr = (vm: TestVm, group: number, attr: number, value = 0n): number | string => {
    const { process } = vm;
    process.data.setBigUint64(process.arg + 64, value, true);
    return process.call(device, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, {
      group,
      attr: BigInt(attr),
      addr: process.arg + 64,
    });
  };
  const create = (vm: TestVm): void => {
    const { process } = vm;
    expect(process.call(vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: KVM_DEV_TYPE_ARM_VGIC_V3 })).toBe(
      0,
    );
    device = kvmCreateDevice.view(process.memory, process.arg).fd;
  };
  const complete = (vm: TestVm): void => {
    const address = (attr: number, at: number): number | string =>
      setAttr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, attr, BigInt(at));
    expect(address(KVM_VGIC_V3_ADDR_TYPE_DIST, GICD)).toBe(0);
    expect(address(KVM_VGIC_V3_ADDR_TYPE_REDIST, GICR)).toBe(0);
    expect(setAttr(vm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT)).toBe(0);
  };

  test('has redistributors and no distributor, until another vCPU runs for the first time', () => {
    const [vm, first, second] = machine('linux-5.10', create);
    complete(vm);
    expect([load(first, GICD + 8), load(first, GICR + 8)]).toEqual(['user space', 'kernel']);
    expect(load(second, GICD + 8)).toBe('kernel');
    expect(load(first, GICD + 8)).toBe('kernel');
  });

  test('is of no use any more in later releases: the VM is dead', () => {
    const [vm, first] = machine('linux-6.1', create);
    expect(setAttr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, BigInt(GICD))).toBe('EIO');
    expect(first.run()).toBe('EIO');
  });
});

test('a GICv2 on Linux 5.10 has neither frame, until another vCPU runs for the first time', () => {
  const [vm, first, second] = machine('linux-5.10', ({ process, fd }) =>
    expect(process.ioctl(fd, KVM_CREATE_IRQCHIP)).toBe(0),
  );
  for (const [id, addr] of [
    [KVM_VGIC_V2_ADDR_TYPE_DIST, GICD],
    [KVM_VGIC_V2_ADDR_TYPE_CPU, GICC],
  ] as const) {
    expect(vm.process.call(vm.fd, KVM_ARM_SET_DEVICE_ADDR, kvmArmDeviceAddr, { id: BigInt(id), addr })).toBe(
      0,
    );
  }
  expect([load(first, GICD + 8), load(first, GICC + 4)]).toEqual(['user space', 'user space']);
  expect([load(second, GICD + 8), load(first, GICC + 4)]).toEqual(['kernel', 'kernel']);
});
