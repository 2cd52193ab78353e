import { createKernel } from '@vkvm/kernel';
import { ENOMEM, KVM_CREATE_VCPU, KVM_CREATE_VM } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

const MIB = 0x10_0000;

/** How many vCPUs one VM can have in a process memory of this size. */
function vcpusIn(size: number): number {
  const memory = new WebAssembly.Memory({ initial: size / 0x1_0000, maximum: size / 0x1_0000 });
  const syscalls = createKernel().attach({ memory });
  const vm = syscalls.ioctl(syscalls.open('/dev/kvm'), KVM_CREATE_VM, 0);
  for (let id = 0; ; id++) {
    const fd = syscalls.ioctl(vm, KVM_CREATE_VCPU, id);
    if (fd >= 0) continue;
    expect(fd).toBe(-ENOMEM);
    return id;
  }
}

describe('the process memory', () => {
  test('gives each of the first four vCPUs 65 MiB, and says ENOMEM when it is full', () => {
    expect(vcpusIn((4 + 2 * 65) * MIB)).toBe(2);
    expect(vcpusIn((4 + 2 * 65 - 8) * MIB)).toBe(1);
  });

  test('gives the others 45 MiB, so that sixteen fit into 816', () => {
    expect(vcpusIn((16 + 4 * 65 + 12 * 45) * MIB)).toBe(16);
  });
});
