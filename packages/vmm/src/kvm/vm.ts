/** One virtual machine. */
import {
  KVM_ARM_PREFERRED_TARGET,
  KVM_ARM_SET_COUNTER_OFFSET,
  KVM_ARM_SET_DEVICE_ADDR,
  KVM_ARM_VM_SMCCC_CTRL,
  KVM_ARM_VM_SMCCC_FILTER,
  KVM_CAP_ARM_PSCI_0_2,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_DEVICE,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_VCPU,
  KVM_ENABLE_CAP,
  KVM_HAS_DEVICE_ATTR,
  KVM_IRQ_LINE,
  KVM_SET_DEVICE_ATTR,
  KVM_SET_USER_MEMORY_REGION,
  VKVM_CLOCK,
  VKVM_PSCI_ROUTE,
  VKVM_SECURE_GRANT_WRITE,
  VKVM_SECURE_LOAD,
  VKVM_SECURE_MAX_GRANTS,
  VKVM_SECURE_VCPU,
  kvmArmCounterOffset,
  kvmArmDeviceAddr,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmEnableCap,
  kvmIrqLevel,
  kvmSmcccFilter,
  kvmUserspaceMemoryRegion,
  kvmVcpuInit,
  vkvmClock,
  vkvmPsciRoute,
  vkvmSecureGrant,
  vkvmSecureLoad,
} from '@vkvm/uapi';
import type { UserAddress } from '@vkvm/uapi';
import { KvmDevice } from './device.ts';
import { KvmFile } from './file.ts';
import type { UserSpace } from './process.ts';
import { RegisterFile } from './register-file.ts';
import { Vcpu } from './vcpu.ts';

/** A secure runtime in user memory. */
export interface SecureLoad {
  /** The runtime's memory, with its code; a multiple of the page size, as the next two. */
  readonly userAddress: UserAddress;
  /** Where the runtime finds it, and its length in bytes. */
  readonly base: number;
  readonly size: number;
  /** Where a call begins. */
  readonly entry: number;
  /** Instructions of one call. */
  readonly budget: number;
  /** SMCCC function ids that it serves; bit 30 does not count. */
  readonly functions: FunctionRange;
  /** Guest memory that it may reach; 16 at most. */
  readonly grants: readonly SecureGrant[];
}

/** Guest memory that a secure runtime may reach, at the guest's own address. It lies in one memslot. */
export interface SecureGrant {
  /** Guest-physical address; a multiple of the page size, as the length. */
  readonly base: number;
  /** Bytes. */
  readonly size: number;
  readonly writable: boolean;
}

/** A guest-physical range backed by user memory. */
export interface Memslot {
  readonly slot: number;
  /** `KVM_MEM_*`. */
  readonly flags?: number;
  /** Guest-physical address; a multiple of the page size, as the other two. */
  readonly base: number;
  /** Bytes; 0 deletes the slot. */
  readonly size: number;
  readonly userAddress: UserAddress;
}

/** Function ids `base` to `base + count - 1`. */
export interface FunctionRange {
  readonly base: number;
  readonly count: number;
}

/** Distance from an attribute's struct to the value it points to, in the scratch page. */
const VALUE = 64;

/** A VM descriptor. Closing it leaves vCPUs and devices alive until they are closed too. */
export class Vm extends KvmFile {
  readonly #vcpuMmapSize: number;

  /** @param vcpuMmapSize - bytes of a vCPU's file, from `KVM_GET_VCPU_MMAP_SIZE` */
  constructor(user: UserSpace, fd: number, vcpuMmapSize: number) {
    super(user, fd, 'vm');
    this.#vcpuMmapSize = vcpuMmapSize;
  }

  checkExtension(cap: number): number {
    return this.ioctl(KVM_CHECK_EXTENSION, cap);
  }

  /**
   * @param cap - `KVM_CAP_*` that can be enabled on a VM
   * @throws {KvmError} `EINVAL` it cannot, or not with this argument, or not any more
   */
  enableCap(cap: number, arg: bigint = 0n): void {
    kvmEnableCap.write(this.user.memory, this.scratch, { cap, args: [arg] });
    this.ioctl(KVM_ENABLE_CAP, this.scratch);
  }

  /**
   * @throws {KvmError} `EINVAL` misaligned, or a change an existing slot does not allow; `EEXIST` overlaps another
   *   slot; `EFAULT` beyond the guest-physical address size; `ENOMEM`
   */
  setMemslot({ slot, flags = 0, base, size, userAddress }: Memslot): void {
    kvmUserspaceMemoryRegion.write(this.user.memory, this.scratch, {
      slot,
      flags,
      guest_phys_addr: base,
      memory_size: size,
      userspace_addr: userAddress,
    });
    this.ioctl(KVM_SET_USER_MEMORY_REGION, this.scratch);
  }

  /**
   * @param id - not used yet; MPIDR_EL1 derives from it
   * @throws {KvmError} `EEXIST` the id is used; `EINVAL` too many; `EBUSY` the GIC is initialised; `ENOMEM`
   */
  createVcpu(id: number): Vcpu {
    // System events came with PSCI 0.2. A kernel that is older and has exit 24 has the one that was proposed.
    const exit24 = this.checkExtension(KVM_CAP_ARM_PSCI_0_2) === 0 ? 'psci' : 'system_event';
    return new Vcpu(this.user, this.ioctl(KVM_CREATE_VCPU, id), { id, mmapSize: this.#vcpuMmapSize, exit24 });
  }

  /**
   * @param type - `KVM_DEV_TYPE_*`
   * @throws {KvmError} `ENODEV` the kernel has no such device; `EEXIST` there is one already
   */
  createDevice(type: number): KvmDevice {
    kvmCreateDevice.write(this.user.memory, this.scratch, { type });
    this.ioctl(KVM_CREATE_DEVICE, this.scratch);
    return new KvmDevice(this.user, kvmCreateDevice.view(this.user.memory, this.scratch).fd);
  }

  /**
   * Creates a GICv2 that is not a device.
   *
   * @throws {KvmError} `EEXIST` there is a GIC, or before Linux 3.14 a vCPU; `ENODEV` the kernel has none
   */
  createIrqchip(): void {
    this.ioctl(KVM_CREATE_IRQCHIP, 0);
  }

  /**
   * Places such a GIC.
   *
   * @param id - the device in bits 31–16, which of its addresses in 15–0
   * @param address - guest-physical
   * @throws {KvmError} `ENODEV` no such device; `EEXIST` it is placed; `EINVAL` misaligned; `E2BIG` out of reach
   */
  setDeviceAddress(id: number, address: number): void {
    kvmArmDeviceAddr.write(this.user.memory, this.scratch, { id: BigInt(id), addr: address });
    this.ioctl(KVM_ARM_SET_DEVICE_ADDR, this.scratch);
  }

  /** Whether calls of the guest can be denied or forwarded by function id: Linux 6.4, with which SMC works too. */
  get hasSmcccFilter(): boolean {
    this.#prepareFilter();
    return this.user.syscalls.ioctl(this.fd, KVM_HAS_DEVICE_ATTR, this.scratch) >= 0;
  }

  /**
   * @param action - `KVM_SMCCC_FILTER_*`
   * @throws {KvmError} `ENXIO` there is no filter; `EEXIST` an id has an action, or is the architecture's; `EBUSY` a vCPU
   *   has run; `EINVAL` an empty range; `ENOMEM`
   */
  filterCalls({ base, count }: FunctionRange, action: number): void {
    this.#prepareFilter();
    kvmSmcccFilter.write(this.user.memory, this.scratch + VALUE, { base, nr_functions: count, action });
    this.ioctl(KVM_SET_DEVICE_ATTR, this.scratch);
  }

  /**
   * Gives PSCI functions an owner of their own.
   *
   * @param owner - `VKVM_PSCI_ROUTE_TO_*`
   * @throws {KvmError} `EINVAL` not PSCI's, or PSCI is all the kernel's; `EEXIST` an id has a route; `EBUSY` a vCPU has
   *   run; `ENOMEM`
   */
  routePsci({ base, count }: FunctionRange, owner: number): void {
    vkvmPsciRoute.write(this.user.memory, this.scratch, { base, count, owner });
    this.ioctl(VKVM_PSCI_ROUTE, this.scratch);
  }

  /** Nanoseconds of the clock of a deterministic VM. @throws {KvmError} `EINVAL` it is not */
  get clock(): number {
    return this.#moveClock(0);
  }

  /** Lets time pass in a deterministic VM. @param to - nanoseconds of its clock @throws {KvmError} `EINVAL` */
  advanceClock(to: number): void {
    this.#moveClock(to);
  }

  #moveClock(now: number): number {
    vkvmClock.write(this.user.memory, this.scratch, { now });
    this.ioctl(VKVM_CLOCK, this.scratch);
    return vkvmClock.view(this.user.memory, this.scratch).now;
  }

  /**
   * Injects a secure runtime.
   *
   * @throws {KvmError} `EBUSY` a vCPU has run; `EEXIST` there is one, or grants overlap; `EINVAL` misaligned, no function
   *   ids, or more grants than there can be; `EFAULT` the memory is not mapped, or a grant is in no memslot; `ENOMEM`
   */
  loadSecure({ userAddress, base, size, entry, budget, functions, grants }: SecureLoad): void {
    const list = this.scratch + vkvmSecureLoad.size;
    grants.slice(0, VKVM_SECURE_MAX_GRANTS).forEach((grant, n) =>
      vkvmSecureGrant.write(this.user.memory, list + n * vkvmSecureGrant.size, {
        gpa: grant.base,
        len: grant.size,
        flags: grant.writable ? VKVM_SECURE_GRANT_WRITE : 0,
      }),
    );
    vkvmSecureLoad.write(this.user.memory, this.scratch, {
      user_addr: userAddress,
      ram_gpa: base,
      ram_len: size,
      entry,
      budget,
      base: functions.base,
      count: functions.count,
      grants: list,
      nr_grants: grants.length,
    });
    this.ioctl(VKVM_SECURE_LOAD, this.scratch);
  }

  /** The registers of the secure runtime. @throws {KvmError} `ENOENT` there is none; `EMFILE` */
  openSecure(): RegisterFile {
    return new RegisterFile(this.user, this.ioctl(VKVM_SECURE_VCPU));
  }

  #prepareFilter(): void {
    kvmDeviceAttr.write(this.user.memory, this.scratch, {
      group: KVM_ARM_VM_SMCCC_CTRL,
      attr: BigInt(KVM_ARM_VM_SMCCC_FILTER),
      addr: this.scratch + VALUE,
    });
  }

  /**
   * Sets both counters of the VM back, for good: setting them by register has no effect any more.
   *
   * @param offset - ticks that are subtracted from the host's counter
   * @throws {KvmError} `EINVAL` a kernel before Linux 6.4; `EBUSY` a vCPU runs
   */
  setCounterOffset(offset: bigint): void {
    kvmArmCounterOffset.write(this.user.memory, this.scratch, { counter_offset: offset });
    this.ioctl(KVM_ARM_SET_COUNTER_OFFSET, this.scratch);
  }

  /** The `target` that {@link Vcpu.init} should be given. */
  preferredTarget(): number {
    this.ioctl(KVM_ARM_PREFERRED_TARGET, this.scratch);
    return kvmVcpuInit.view(this.user.memory, this.scratch).target;
  }

  /**
   * Moves an interrupt line.
   *
   * @param irq - packed by `encodeIrq`
   * @throws {KvmError} `ENXIO` there is no interrupt controller; `EBUSY` it is not initialised; `EINVAL` no such line
   */
  setIrqLine(irq: number, level: boolean): void {
    kvmIrqLevel.write(this.user.memory, this.scratch, { irq, level: level ? 1 : 0 });
    this.ioctl(KVM_IRQ_LINE, this.scratch);
  }
}
