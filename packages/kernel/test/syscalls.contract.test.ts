/** What each system call answers, and in which order it checks: Linux 7.3 on arm64. */
import {
  ABI_REVISION,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  IOCTLS,
  KVM_API_VERSION,
  KVM_ARM_PREFERRED_TARGET,
  KVM_ARM_VCPU_FINALIZE,
  KVM_ARM_VCPU_INIT,
  KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED,
  KVM_CAP_ARM_NISV_TO_USER,
  KVM_CAP_ARM_VM_IPA_SIZE,
  KVM_CAP_ARM_WRITABLE_IMP_ID_REGS,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP,
  KVM_CAP_HALT_POLL,
  KVM_CAP_MAX_VCPUS,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_DEVICE,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_TYPE_ARM_VGIC_V2,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_ENABLE_CAP,
  KVM_GET_API_VERSION,
  KVM_GET_MP_STATE,
  KVM_GET_ONE_REG,
  KVM_GET_REGS,
  KVM_GET_REG_LIST,
  KVM_GET_VCPU_EVENTS,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_IRQ_LINE,
  KVM_MEM_READONLY,
  KVM_RUN,
  KVM_SET_DEVICE_ATTR,
  KVM_SET_MP_STATE,
  KVM_SET_ONE_REG,
  KVM_SET_REGS,
  KVM_SET_SIGNAL_MASK,
  VKVM_CAP_ABI_REVISION,
  VKVM_CAP_PROFILE,
  VKVM_CAP_SLICE,
  VKVM_FLUSH_ICACHE,
  encodeIrq,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmEnableCap,
  kvmIrqLevel,
  kvmMpState,
  kvmOneReg,
  kvmRegList,
  kvmVcpuInit,
  vkvmFlushIcache,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { RAM, TestProcess, TestVcpu, TestVm, named, prot } from './machine.ts';

const NULL = 0;

describe('/dev/kvm', () => {
  const process = new TestProcess();
  const ask = (request: number, arg = 0): number | string => process.ioctl(process.kvm, request, arg);

  test('tells the API version and the size of a vCPU file, and refuses an argument', () => {
    expect(ask(KVM_GET_API_VERSION)).toBe(KVM_API_VERSION);
    expect(ask(KVM_GET_API_VERSION, 1)).toBe('EINVAL');
    expect(ask(KVM_GET_VCPU_MMAP_SIZE)).toBe(8192);
    expect(ask(KVM_GET_VCPU_MMAP_SIZE, 5)).toBe('EINVAL');
  });

  test.each([
    [KVM_CAP_MAX_VCPUS, 512],
    [KVM_CAP_ARM_VM_IPA_SIZE, 48],
    [KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED, 'EINVAL'],
    [VKVM_CAP_ABI_REVISION, ABI_REVISION],
    [VKVM_CAP_PROFILE, 0x7_0003],
    [0xffff_ffff, 0],
    [0x1_0000_0000, 0],
  ])('answers capability %i with %s', (cap, value) => {
    expect(ask(KVM_CHECK_EXTENSION, cap)).toBe(value);
  });

  test.each([
    [0, 'ok'],
    [31, 'EINVAL'],
    [32, 'ok'],
    [48, 'ok'],
    [49, 'EINVAL'],
    [0x100, 'EINVAL'],
    [0x8000_0000, 'EINVAL'],
    [-1, 'EINVAL'],
    [Number.NaN, 'EINVAL'],
  ])('makes a VM of type %i: %s', (type, expected) => {
    const result = ask(KVM_CREATE_VM, type);
    expect(typeof result === 'number' ? 'ok' : result).toBe(expected);
    if (typeof result === 'number') process.syscalls.close(result);
  });

  test('refuses requests of other files', () => {
    for (const { number, files, name } of IOCTLS) {
      if (files.some((file) => file === 'system')) continue;
      expect(ask(number), name).toBe('EINVAL');
    }
  });
});

describe('a VM', () => {
  const process = new TestProcess();
  const vm = new TestVm(process);
  const vcpu = new TestVcpu(vm);

  test('makes vCPUs of distinct ids below the limit', () => {
    expect(process.ioctl(vm.fd, KVM_CREATE_VCPU, 0)).toBe('EEXIST');
    expect(process.ioctl(vm.fd, KVM_CREATE_VCPU, 512)).toBe('EINVAL');
    expect(vcpu.fd).toBeGreaterThan(0);
  });

  test.each([
    ['linux-6.1', 'EBUSY'],
    ['linux-6.12', 'EBUSY'],
    ['linux-7.3', 'EEXIST'],
  ] as const)('asks where its release does whether an id is taken: %s', (profile, expected) => {
    const other = new TestVm(new TestProcess({ profile }));
    const mine = other.process;
    expect(mine.ioctl(other.fd, KVM_CREATE_VCPU, 0)).toBeGreaterThan(0);
    mine.call(other.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: KVM_DEV_TYPE_ARM_VGIC_V3 });
    const { fd } = kvmCreateDevice.read(mine.memory, mine.arg);
    const initialise = { group: KVM_DEV_ARM_VGIC_GRP_CTRL, attr: BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT) };
    expect(mine.call(fd, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, initialise)).toBe(0);
    expect(mine.ioctl(other.fd, KVM_CREATE_VCPU, 0)).toBe(expected);
  });

  test('prefers the generic target without features', () => {
    kvmVcpuInit.write(process.memory, process.arg, { target: 99, features: [1, 2, 3] });
    expect(process.ioctl(vm.fd, KVM_ARM_PREFERRED_TARGET, process.arg)).toBe(0);
    expect(kvmVcpuInit.read(process.memory, process.arg)).toEqual({
      target: 5,
      features: [0, 0, 0, 0, 0, 0, 0],
    });
  });

  test.each([
    ['an unknown flag', 1, RAM + 0x100_0000, 0x1000, 0, 8, 'EINVAL'],
    ['a size of no page', 1, RAM + 0x100_0000, 0x800, 0, 0, 'EINVAL'],
    ['an address within a page', 1, RAM + 0x100_0800, 0x1000, 0, 0, 'EINVAL'],
    ['a user address within a page', 1, RAM + 0x100_0000, 0x1000, 0x800, 0, 'EINVAL'],
    ['a slot beyond the last', 32767, RAM + 0x100_0000, 0x1000, 0, 0, 'EINVAL'],
    ['another address space', 0x1_0000, RAM + 0x100_0000, 0x1000, 0, 0, 'EINVAL'],
    ['deleting what is not there', 1, RAM, 0, 0, 0, 'EINVAL'],
    ['an overlap', 1, RAM + 0x1f_f000, 0x2000, 0, 0, 'EEXIST'],
    ['an end beyond the IPA size', 1, 2 ** 40 - 0x1000, 0x2000, 0, 0, 'EFAULT'],
    ['an overlap and a bad end: the overlap first', 1, RAM, 2 ** 40, 0, 0, 'EEXIST'],
    ['an end that wraps', 1, 2 ** 64 - 0x1000, 0x1000, 0, 0, 'EINVAL'],
    ['an end just below', 1, 2 ** 64 - 0x2000, 0x1000, 0, 0, 'EFAULT'],
    ['more than all pages', 1, 2 ** 32, 2 ** 43, 0, 0, 'EINVAL'],
    ['another user address for the slot', 0, RAM, 0x20_0000, 0x1000, 0, 'EINVAL'],
    ['another size for the slot', 0, RAM, 0x10_0000, -1, 0, 'EINVAL'],
    ['read-only where it was not', 0, RAM, 0x20_0000, -1, KVM_MEM_READONLY, 'EINVAL'],
    ['the same again', 0, RAM, 0x20_0000, -1, 0, 0],
  ])('a memslot: %s', (_, slot, gpa, size, user, flags, expected) => {
    expect(vm.setMemory(slot, gpa, size, user < 0 ? vm.ram : user, flags)).toBe(expected);
  });

  test('a memslot can be moved, and its old place reused', () => {
    const user = process.mapMemory(0x1000);
    expect(vm.setMemory(1, 0x1_0000, 0x1000, user)).toBe(0);
    expect(vm.setMemory(1, 0x2_0000, 0x1000, user)).toBe(0);
    expect(vm.setMemory(2, 0x1_0000, 0x1000, user)).toBe(0);
    expect(vm.setMemory(1, 0x1_0000, 0x1000, user)).toBe('EEXIST');
    expect(vm.setMemory(1, 0, 0, 0)).toBe(0);
    expect(vm.setMemory(2, 0, 0, 0)).toBe(0);
    expect(vm.setMemory(2, 0, 0, 0)).toBe('EINVAL');
  });

  test('enables what can be enabled', () => {
    const enable = (cap: number, flags = 0, ...args: bigint[]): number | string =>
      process.call(vm.fd, KVM_ENABLE_CAP, kvmEnableCap, { cap, flags, args });
    expect(enable(KVM_CAP_ARM_NISV_TO_USER)).toBe(0);
    expect(enable(KVM_CAP_ARM_NISV_TO_USER, 1)).toBe('EINVAL');
    expect(enable(999)).toBe('EINVAL');
    expect(enable(KVM_CAP_HALT_POLL, 0, 2n ** 32n - 1n)).toBe(0);
    expect(enable(KVM_CAP_HALT_POLL, 0, 2n ** 32n)).toBe('EINVAL');
    // A vCPU exists already.
    expect(enable(KVM_CAP_ARM_WRITABLE_IMP_ID_REGS)).toBe('EINVAL');
    expect(enable(VKVM_CAP_SLICE, 0, 1000n)).toBe(0);
    expect(enable(VKVM_CAP_SLICE, 0, 1000n, 1n)).toBe('EINVAL');
    expect(enable(VKVM_CAP_SLICE, 0, 2n ** 53n)).toBe('EINVAL');
  });

  test('looks at no flags of dirty rings', () => {
    const vmOfRings = process.syscalls.ioctl(process.kvm, KVM_CREATE_VM, 0);
    const enable = (cap: number, args: readonly bigint[]): number | string =>
      process.call(vmOfRings, KVM_ENABLE_CAP, kvmEnableCap, { cap, flags: 1, args });
    expect(enable(KVM_CAP_DIRTY_LOG_RING_ACQ_REL, [0x1_0000n])).toBe(0);
    expect(enable(KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, [])).toBe('EINVAL');
  });

  test('raises only the lines of its own interrupt controller', () => {
    const raise = (type: number, id: number, number: number): number | string =>
      process.call(vm.fd, KVM_IRQ_LINE, kvmIrqLevel, { irq: encodeIrq(type, id, number), level: 1 });
    expect(raise(0, 0, 0)).toBe(0);
    expect(raise(0, 0, 2)).toBe('EINVAL');
    expect(raise(0, 1, 0)).toBe('EINVAL');
    expect(raise(1, 0, 40)).toBe('ENXIO');
    expect(raise(2, 0, 16)).toBe('ENXIO');
    expect(raise(3, 0, 0)).toBe('EINVAL');
  });

  test('makes devices of the types it has, once', () => {
    const other = new TestVm(process);
    const create = (type: number, flags = 0): number | string =>
      process.call(other.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type, flags });
    expect(create(99)).toBe('ENODEV');
    expect(create(KVM_DEV_TYPE_ARM_VGIC_V2, 1)).toBe(0);
    expect(create(KVM_DEV_TYPE_ARM_VGIC_V3, 1)).toBe(0);
    expect(create(KVM_DEV_TYPE_ARM_VGIC_V3)).toBe(0);
    const gic = kvmCreateDevice.read(process.memory, process.arg).fd;
    expect(create(KVM_DEV_TYPE_ARM_VGIC_V3)).toBe('EEXIST');
    expect(create(KVM_DEV_TYPE_ARM_VGIC_V2)).toBe('EEXIST');
    expect(process.ioctl(other.fd, KVM_CREATE_IRQCHIP)).toBe('EEXIST');
    expect(process.ioctl(gic, KVM_RUN)).toBe('ENOTTY');
    expect(process.call(gic, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, { group: 77 })).toBe('ENXIO');
  });

  test('reports changed code only inside of user memory', () => {
    const flush = (user_addr: number, len: number): number | string =>
      process.call(vm.fd, VKVM_FLUSH_ICACHE, vkvmFlushIcache, { user_addr, len });
    expect(flush(vm.ram, 0x1000)).toBe(0);
    expect(flush(0x1000, 0x1000)).toBe('EFAULT');
  });

  test('answers EIO once it is dead', () => {
    const dead = new TestVm(process);
    const cpu = new TestVcpu(dead);
    cpu.start();
    process.call(dead.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: KVM_DEV_TYPE_ARM_VGIC_V3 });
    expect(cpu.run()).toBe('ENXIO');
    expect(cpu.run()).toBe('EIO');
    expect(process.ioctl(dead.fd, KVM_CREATE_VCPU, 1)).toBe('EIO');
    expect(process.ioctl(dead.fd, 12345)).toBe('EIO');
  });
});

describe('a vCPU', () => {
  const process = new TestProcess();
  const vm = new TestVm(process);
  const vcpu = new TestVcpu(vm);

  test('that is not initialised answers ENOEXEC before it looks at the argument', () => {
    for (const request of [
      KVM_GET_ONE_REG,
      KVM_SET_ONE_REG,
      KVM_GET_REG_LIST,
      KVM_GET_VCPU_EVENTS,
      KVM_ARM_VCPU_FINALIZE,
    ]) {
      expect(process.ioctl(vcpu.fd, request, NULL)).toBe('ENOEXEC');
    }
    expect(vcpu.run()).toBe('ENOEXEC');
    expect(process.ioctl(vcpu.fd, KVM_GET_MP_STATE, NULL)).toBe('EFAULT');
    expect(process.ioctl(vcpu.fd, KVM_SET_REGS, NULL)).toBe('EFAULT');
    expect(process.ioctl(vcpu.fd, KVM_GET_REGS, NULL)).toBe('EINVAL');
    expect(process.ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, NULL)).toBe(0);
  });

  test.each([
    ['another target', 0, [0x4], 'EINVAL'],
    ['a feature nobody knows', 5, [0x400], 'ENOENT'],
    ['a feature in a later word', 5, [0, 1], 'ENOENT'],
    ['an unknown target before an unknown feature', 0, [0x400], 'EINVAL'],
    ['a feature the CPU does not have', 5, [0x10], 'EINVAL'],
    ['PSCI 0.2', 5, [0x4], 0],
    ['PSCI 0.2, powered off', 5, [0x5], 0],
    ['other features than the first time', 5, [0], 'EINVAL'],
  ])('is initialised with %s: %s', (_, target, features, expected) => {
    expect(process.call(vcpu.fd, KVM_ARM_VCPU_INIT, kvmVcpuInit, { target, features })).toBe(expected);
  });

  test('knows the power states of arm64', () => {
    vcpu.init();
    const set = (mp_state: number): number | string =>
      process.call(vcpu.fd, KVM_SET_MP_STATE, kvmMpState, { mp_state });
    expect([0, 1, 3, 5, 10, 11].map(set)).toEqual([0, 'EINVAL', 'EINVAL', 0, 0, 'EINVAL']);
    expect(process.ioctl(vcpu.fd, KVM_GET_MP_STATE, process.arg)).toBe(0);
    expect(kvmMpState.read(process.memory, process.arg).mp_state).toBe(10);
    set(0);
  });

  test.each([
    ['another architecture', 0x7030_0000_0010_0000n, 'EINVAL'],
    ['bits that must be zero', 0x6030_0001_0010_0000n, 'EINVAL'],
    ['a core register of another size', 0x6020_0000_0010_0000n, 'EINVAL'],
    ['a hole between core registers', 0x6030_0000_0010_0001n, 'EINVAL'],
    ['beyond the core registers', 0x6030_0000_0010_00d8n, 'ENOENT'],
    ['a system register nobody has', 0x6030_0000_0013_ffffn, 'ENOENT'],
    ['a system register of 32 bits', 0x6020_0000_0013_c080n, 'ENOENT'],
    ['a cache that is not there', 0x6020_0000_0011_000en, 'ENOENT'],
    ['firmware nobody has', 0x6030_0000_0014_0009n, 'ENOENT'],
    ['SVE', 0x6080_0000_0015_0000n, 'ENOENT'],
    ['an unknown class', 0x6030_0000_0017_0000n, 'ENOENT'],
  ])('has no register for %s', (_, id, expected) => {
    expect(vcpu.get(id)).toBe(expected);
    expect(vcpu.set(id, 0n)).toBe(expected);
  });

  test.each([
    ['linux-5.10', 'ENOENT'],
    ['linux-6.1', 'EFAULT'],
    ['linux-7.3', 'EFAULT'],
  ] as const)('reads the value of a system register first since 6.0: %s', (profile, expected) => {
    const one = new TestVcpu(new TestVm(new TestProcess({ profile }))).start();
    const set = (id: bigint): number | string =>
      one.vm.process.call(one.fd, KVM_SET_ONE_REG, kvmOneReg, { id, addr: NULL });
    expect(set(0x6030_0000_0013_ffffn)).toBe(expected);
    expect(set(0x6030_0000_0013_c080n)).toBe('EFAULT');
    expect(set(0x6030_0000_0016_0000n)).toBe(expected);
    expect(set(0x6030_0000_0014_0009n)).toBe('EFAULT');
    expect(set(0x6030_0000_0010_00d8n)).toBe('ENOENT');
  });

  test('lists its registers, and says how many before it refuses', () => {
    const list = (n: number): number | string => process.call(vcpu.fd, KVM_GET_REG_LIST, kvmRegList, { n });
    expect(list(3)).toBe('E2BIG');
    const { n } = kvmRegList.read(process.memory, process.arg);
    expect(n).toBe(257);
    expect(list(n)).toBe(0);
    const ids = new BigUint64Array(process.memory.buffer, process.arg + 8, n).slice();
    expect(new Set(ids).size).toBe(n);
    for (const id of ids) expect(typeof vcpu.get(id) === 'bigint', id.toString(16)).toBe(true);
    // In the order of Linux: core, firmware, system, caches; the two exchanged timer ids stand at each other's place.
    expect(ids[0]).toBe(0x6030_0000_0010_0000n);
    expect(ids[75]).toBe(0x6030_0000_0014_0000n);
    expect(ids.indexOf(0x6030_0000_0013_df1an)).toBe(ids.indexOf(0x6030_0000_0013_df01n) + 1);
    expect(ids[256]).toBe(0x6020_0000_0011_000dn);
  });

  test('has the reset values of KVM', () => {
    vcpu.init();
    expect(vcpu.get(0x6030_0000_0010_0042n)).toBe(0x3c5n);
    expect(vcpu.get(0x6030_0000_0013_c080n)).toBe(0xc5_0078n);
    expect(vcpu.get(0x6030_0000_0013_c100n)).toBe(0x1de7_ec7e_dbad_c0den);
    expect(vcpu.get(0x6030_0000_0013_c005n)).toBe(0x8000_0000n);
    expect(vcpu.get(0x6030_0000_0014_0000n)).toBe(0x1_0003n);
  });

  test('takes a PSTATE only with a mode it has', () => {
    const PSTATE = 0x6030_0000_0010_0042n;
    expect(vcpu.set(PSTATE, 0x3c9n)).toBe('EINVAL');
    expect(vcpu.set(PSTATE, 0x1d3n)).toBe('EINVAL');
    expect(vcpu.set(PSTATE, 0x6000_0000n)).toBe(0);
    expect(vcpu.get(PSTATE)).toBe(0x6000_0000n);
  });

  test('lets its ID registers say less, never more', () => {
    const ISAR0 = 0x6030_0000_0013_c030n;
    expect(vcpu.set(ISAR0, 0x0020_1001_1021_2120n)).toBe(0);
    expect(vcpu.set(ISAR0, 0x0020_1001_1021_2121n)).toBe('EINVAL');
    expect(vcpu.set(ISAR0, 0x0020_1001_1021_2130n)).toBe('EINVAL');
    expect(vcpu.set(ISAR0, 0x0001_1120n)).toBe(0);
    expect(vcpu.set(0x6030_0000_0013_c000n, 0n)).toBe('EINVAL');
  });

  test('refuses an argument of KVM_RUN', () => {
    expect(process.ioctl(vcpu.fd, KVM_RUN, 1)).toBe('EINVAL');
  });
});

describe('descriptors and mappings', () => {
  test('what is no descriptor is EBADF everywhere', () => {
    const { syscalls } = new TestProcess();
    for (const fd of [-1, 0, 2, 99, 5000, 1.5, Number.NaN]) {
      expect(named(syscalls.ioctl(fd, KVM_RUN, 0))).toBe('EBADF');
      expect(named(syscalls.close(fd))).toBe('EBADF');
      expect(named(syscalls.read(fd, 0, 8))).toBe('EBADF');
      if (fd !== -1) expect(named(syscalls.mmap(fd, 4096, prot, 0))).toBe('EBADF');
    }
  });

  test('memory is zeroed, also where it was used before', () => {
    const process = new TestProcess();
    const address = process.mapMemory(0x1_0000);
    const bytes = new Uint8Array(process.memory.buffer, address, 0x1_0000);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    bytes.fill(7);
    expect(process.syscalls.munmap(address, 0x1_0000)).toBe(0);
    expect(process.mapMemory(0x1_0000)).toBe(address);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('a mapping is unmapped whole or in parts, and unmapping nothing is fine', () => {
    const { syscalls } = new TestProcess();
    const address = syscalls.mmap(-1, 0x3000, prot, 0);
    expect(named(syscalls.munmap(address, 0x1000))).toBe(0);
    expect(named(syscalls.munmap(address, 0x3000))).toBe(0);
    expect(named(syscalls.munmap(address, 0x3000))).toBe(0);
    expect(named(syscalls.munmap(address + 1, 0x3000))).toBe('EINVAL');
  });

  test('there is an end of memory', () => {
    const { syscalls } = new TestProcess({ size: 8 });
    expect(named(syscalls.mmap(-1, 16 << 20, prot, 0))).toBe('ENOMEM');
    const kvm = syscalls.open('/dev/kvm');
    const vm = syscalls.ioctl(kvm, KVM_CREATE_VM, 0);
    expect(named(syscalls.ioctl(vm, KVM_CREATE_VCPU, 0))).toBe('ENOMEM');
  });

  test('a VM lives as long as something of it is open or mapped, and its memory comes back', () => {
    const process = new TestProcess({ size: 160 });
    for (let round = 0; round < 3; round++) {
      const vm = new TestVm(process);
      const vcpu = new TestVcpu(vm);
      vcpu.start();
      expect(process.syscalls.close(vm.fd)).toBe(0);
      expect(vcpu.get(0x6030_0000_0010_0042n)).toBe(0x3c5n);
      expect(process.syscalls.close(vcpu.fd)).toBe(0);
      expect(process.syscalls.munmap(vcpu.page, 0x2000)).toBe(0);
      expect(process.syscalls.munmap(vm.ram, 0x20_0000)).toBe(0);
    }
  });

  test('memory under a memslot stays reserved until the memslot is gone', () => {
    const process = new TestProcess();
    const vm = new TestVm(process);
    expect(process.syscalls.munmap(vm.ram, 0x20_0000)).toBe(0);
    const next = process.mapMemory(0x20_0000);
    expect(next + 0x20_0000 <= vm.ram || next >= vm.ram + 0x20_0000).toBe(true);
    vm.setMemory(0, 0, 0, 0);
    expect(process.mapMemory(0x20_0000)).toBe(vm.ram);
  });

  test('a vCPU file is one place in memory, however often it is mapped', () => {
    const process = new TestProcess();
    const vcpu = new TestVcpu(new TestVm(process));
    expect(process.syscalls.mmap(vcpu.fd, 0x1000, prot, 0)).toBe(vcpu.page);
    expect(process.syscalls.mmap(vcpu.fd, 0x1000, prot, 0x1000)).toBe(vcpu.page + 0x1000);
    expect(named(process.syscalls.mmap(vcpu.fd, 0x1000, prot, 0x2000))).toBe('EINVAL');
    expect(named(process.syscalls.mmap(process.kvm, 0x1000, prot, 0))).toBe('ENODEV');
  });

  test('a struct must lie in memory that may be read, or written', () => {
    const process = new TestProcess();
    const vm = new TestVm(process);
    const readOnly = process.mapMemory(0x1000, 1);
    const target = (address: number): number | string =>
      process.ioctl(vm.fd, KVM_ARM_PREFERRED_TARGET, address);
    expect(target(0x1000)).toBe('EFAULT');
    expect(target(readOnly)).toBe('EFAULT');
    expect(target(process.memory.buffer.byteLength - 8)).toBe('EFAULT');
    expect(target(Number.NaN)).toBe('EFAULT');
    expect(target(2 ** 60)).toBe('EFAULT');
    // Read, and then refused: there is no vCPU.
    expect(process.ioctl(vm.fd, KVM_IRQ_LINE, readOnly)).toBe('EINVAL');
  });
});

describe('eventfd', () => {
  test('counts, and gives all or one at a time', () => {
    const process = new TestProcess();
    const { syscalls, arg, data } = process;
    const read = (fd: number): bigint | string => {
      const result = named(syscalls.read(fd, arg, 8));
      return typeof result === 'string' ? result : data.getBigUint64(arg, true);
    };
    const write = (fd: number, value: bigint): number | string => {
      data.setBigUint64(arg, value, true);
      return named(syscalls.write(fd, arg, 8));
    };
    const all = syscalls.eventfd(3, EFD_NONBLOCK);
    expect(write(all, 4n)).toBe(8);
    expect(read(all)).toBe(7n);
    expect(read(all)).toBe('EAGAIN');
    expect(write(all, 0xffff_ffff_ffff_ffffn)).toBe('EINVAL');
    const one = syscalls.eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    expect([read(one), read(one), read(one)]).toEqual([1n, 1n, 'EAGAIN']);
    expect(named(syscalls.read(one, arg, 4))).toBe('EINVAL');
    expect(named(syscalls.eventfd(0, 0x4000_0000))).toBe('EINVAL');
    expect(process.ioctl(one, KVM_RUN)).toBe('ENOTTY');
  });
});
