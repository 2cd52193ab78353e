import {
  EFAULT,
  EINVAL,
  ENODEV,
  KVM_CAP_NR_MEMSLOTS,
  KVM_CAP_SYSTEM_EVENT_DATA,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_DEVICE,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_VM,
  KVM_DEV_TYPE_ARM_VGIC_V2,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_SET_USER_MEMORY_REGION2,
  PAGE_SIZE,
  PROFILES,
  PROT_READ,
  PROT_WRITE,
  VKVM_CAP_PROFILE,
  kvmCreateDevice,
} from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { adopt, createKernel } from '../src/index.ts';

const memory = (): WebAssembly.Memory =>
  new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true });

function capability(profile: ProfileName, number: number): number {
  const syscalls = createKernel({ profile }).attach({ memory: memory() });
  return syscalls.ioctl(syscalls.open('/dev/kvm'), KVM_CHECK_EXTENSION, number);
}

describe('a profile', () => {
  test.each(PROFILES)('is told by VKVM_CAP_PROFILE: $name', ({ name, number }) => {
    expect(capability(name, VKVM_CAP_PROFILE)).toBe(number);
  });

  test('is the same for whoever adopts the kernel', () => {
    const kernel = createKernel({ profile: 'linux-6.1' });
    kernel.attach({ memory: memory() });
    const syscalls = adopt(kernel.share());
    const answer = syscalls.ioctl(syscalls.open('/dev/kvm'), KVM_CHECK_EXTENSION, VKVM_CAP_PROFILE);
    expect(answer).toBe(0x6_0001);
  });

  test('has the capabilities of its release, with its values', () => {
    expect(capability('linux-5.10', KVM_CAP_SYSTEM_EVENT_DATA)).toBe(0);
    expect(capability('linux-6.1', KVM_CAP_SYSTEM_EVENT_DATA)).toBe(1);
    expect(capability('linux-5.10', KVM_CAP_NR_MEMSLOTS)).toBe(512);
    expect(capability('linux-6.1', KVM_CAP_NR_MEMSLOTS)).toBe(32767);
  });

  test('has the requests of its release: KVM_SET_USER_MEMORY_REGION2 since 6.8', () => {
    const answers = (['linux-6.1', 'linux-6.12'] as const).map((profile) => {
      const syscalls = createKernel({ profile }).attach({ memory: memory() });
      const vm = syscalls.ioctl(syscalls.open('/dev/kvm'), KVM_CREATE_VM, 0);
      return syscalls.ioctl(vm, KVM_SET_USER_MEMORY_REGION2, 0);
    });
    expect(answers).toEqual([-EINVAL, -EFAULT]);
  });

  test('of 2013 makes a GICv2 by the old request, and has no devices', () => {
    const process = { memory: memory() };
    const syscalls = createKernel({ profile: 'rfc-2013' }).attach(process);
    const vm = syscalls.ioctl(syscalls.open('/dev/kvm'), KVM_CREATE_VM, 0);
    const argument = syscalls.mmap(-1, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
    for (const type of [KVM_DEV_TYPE_ARM_VGIC_V2, KVM_DEV_TYPE_ARM_VGIC_V3]) {
      kvmCreateDevice.write(process.memory, argument, { type });
      expect(syscalls.ioctl(vm, KVM_CREATE_DEVICE, argument)).toBe(-ENODEV);
    }
    expect(syscalls.ioctl(vm, KVM_CREATE_IRQCHIP)).toBe(0);
  });

  test('that there is not is refused by name', () => {
    expect(() => createKernel({ profile: 'linux-4.0' as ProfileName })).toThrow(
      'no profile linux-4.0; there are rfc-2013, linux-5.10, linux-6.1, linux-6.12, linux-7.3',
    );
  });
});
