import {
  KVM_CREATE_GUEST_MEMFD,
  KVM_EXIT_MMIO,
  KVM_MEM_GUEST_MEMFD,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  KVM_SET_USER_MEMORY_REGION,
  KVM_SET_USER_MEMORY_REGION2,
  kvmCreateGuestMemfd,
  kvmUserspaceMemoryRegion,
  kvmUserspaceMemoryRegion2,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { DEVICE, TestProcess, TestVcpu, TestVm, named, prot } from '../../test/machine.ts';

const GPA = 0x6000_0000;
const SIZE = 0x4000;
const MMAP = 1n;
const INIT_SHARED = 2n;

function setUp(flags = MMAP | INIT_SHARED) {
  const process = new TestProcess();
  const vm = new TestVm(process);
  const create = (size: number, given = flags) =>
    process.call(vm.fd, KVM_CREATE_GUEST_MEMFD, kvmCreateGuestMemfd, { size, flags: given });
  const fd = create(SIZE) as number;
  const place = (
    values: Partial<{
      slot: number;
      flags: number;
      offset: number;
      size: number;
      fd: number;
      gpa: number;
    }> = {},
  ) =>
    process.call(vm.fd, KVM_SET_USER_MEMORY_REGION2, kvmUserspaceMemoryRegion2, {
      slot: values.slot ?? 1,
      flags: values.flags ?? KVM_MEM_GUEST_MEMFD,
      guest_phys_addr: values.gpa ?? GPA,
      memory_size: values.size ?? 0x2000,
      guest_memfd: values.fd ?? fd,
      guest_memfd_offset: values.offset ?? 0,
    });
  return { process, vm, fd, create, place };
}

describe('guest memory', () => {
  test('is what the guest has, and user space sees what it maps', () => {
    const { process, vm, fd, place } = setUp();
    expect(place({ offset: 0x1000 })).toBe(0);
    const address = process.syscalls.mmap(fd, SIZE, prot, 0);
    process.data.setUint32(address + 0x1008, 77, true);
    vm.load([0xb940_0820, 0xb900_0c20, 0xb900_0080]); // ldr w0, [x1, 8]; str w0, [x1, 12]; str w0, [x4]
    const vcpu = new TestVcpu(vm).start();
    vcpu.set(xRegId(1), BigInt(GPA));
    vcpu.set(xRegId(4), BigInt(DEVICE));
    expect(vcpu.run()).toBe(0);
    expect(vcpu.exitReason).toBe(KVM_EXIT_MMIO);
    expect(process.data.getUint32(address + 0x100c, true)).toBe(77);
  });

  test('outlives its mapping and its descriptor in a memslot', () => {
    const { process, fd, place } = setUp();
    const address = process.syscalls.mmap(fd, SIZE, prot, 0);
    place();
    expect(process.syscalls.munmap(address, SIZE)).toBe(0);
    expect(process.syscalls.close(fd)).toBe(0);
    const other = process.mapMemory(SIZE);
    expect(other + SIZE <= address || other >= address + SIZE).toBe(true);
    expect(place({ size: 0, flags: 0 })).toBe(0);
    expect(process.mapMemory(SIZE)).toBe(address);
  });

  test('is not to be mapped, or not to be touched, unless it says so', () => {
    const hidden = setUp(0n);
    expect(named(hidden.process.syscalls.mmap(hidden.fd, SIZE, prot, 0))).toBe('ENODEV');
    const shown = setUp(MMAP);
    const address = shown.process.syscalls.mmap(shown.fd, SIZE, prot, 0);
    expect(shown.vm.setMemory(4, 0x7000_0000, SIZE, address)).toBe(0);
    expect(named(shown.process.syscalls.read(shown.process.syscalls.eventfd(1, 0), address, 8))).toBe(
      'EFAULT',
    );
    expect(named(shown.process.syscalls.mmap(shown.fd, SIZE + 0x1000, prot, 0))).toBe('EINVAL');
  });

  test.each([
    ['nothing', 0, 0n],
    ['part of a page', 0x1001, 0n],
    ['an unknown flag', SIZE, 4n],
  ])('is not made of %s', (_, size, flags) => {
    expect(setUp().create(size, flags)).toBe('EINVAL');
  });

  test.each([
    ['no descriptor', { fd: 999 }, 'EBADF'],
    ['another file', { fd: 1 }, 'EINVAL'],
    ['a logged memslot', { flags: KVM_MEM_GUEST_MEMFD | KVM_MEM_LOG_DIRTY_PAGES }, 'EINVAL'],
    ['a read-only memslot', { flags: KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY }, 'EINVAL'],
    ['a part of a page', { offset: 0x800 }, 'EINVAL'],
    ['more than there is', { offset: 0x3000 }, 'EINVAL'],
  ])('has no memslot of %s', (_, values, answer) => {
    expect(setUp().place(values)).toBe(answer);
  });

  test('is in one memslot at most, which does not change', () => {
    const { process, vm, place } = setUp();
    expect(place()).toBe(0);
    expect(place({ slot: 2, gpa: GPA + 0x10_0000, offset: 0x1000 })).toBe('EEXIST');
    expect(place({ slot: 2, gpa: GPA + 0x10_0000, offset: 0x2000 })).toBe(0);
    expect(place()).toBe('EINVAL');
    expect(place({ flags: 0 })).toBe('EINVAL');
    expect(
      process.call(vm.fd, KVM_SET_USER_MEMORY_REGION, kvmUserspaceMemoryRegion, {
        slot: 3,
        flags: KVM_MEM_GUEST_MEMFD,
        guest_phys_addr: GPA + 0x20_0000,
        memory_size: 0x1000,
      }),
    ).toBe('EINVAL');
  });
});
