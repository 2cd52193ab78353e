import { KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE, KVM_CHECK_EXTENSION } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { TestProcess, TestVm } from '../../test/machine.ts';

describe('the chunk size of eager splitting', () => {
  test('is that of a block, chosen before there are memslots', () => {
    const vm = new TestVm(new TestProcess());
    const choose = (size: bigint) => vm.enableCap(KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE, size);
    expect(choose(0x20_0000n)).toBe('EINVAL');
    vm.setMemory(0, 0, 0, 0);
    expect([0x1000n, 0x4000_0000n, 0n, 0x20_0000n].map(choose)).toEqual([0, 0, 0, 0]);
    expect([0x2000n, 0x20_1000n, 1n << 40n].map(choose)).toEqual(['EINVAL', 'EINVAL', 'EINVAL']);
    expect(vm.process.ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE)).toBe(0x20_0000);
  });
});
