/** One virtual machine. */
import {
  KVM_ARM_PREFERRED_TARGET,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_DEVICE,
  KVM_CREATE_VCPU,
  KVM_ENABLE_CAP,
  KVM_IRQ_LINE,
  KVM_SET_USER_MEMORY_REGION,
  kvmCreateDevice,
  kvmEnableCap,
  kvmIrqLevel,
  kvmUserspaceMemoryRegion,
  kvmVcpuInit,
} from '@vkvm/uapi';
import type { UserAddress } from '@vkvm/uapi';
import { KvmDevice } from './device.ts';
import { KvmFile } from './file.ts';
import type { UserSpace } from './process.ts';
import { Vcpu } from './vcpu.ts';

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
    return new Vcpu(this.user, this.ioctl(KVM_CREATE_VCPU, id), { id, mmapSize: this.#vcpuMmapSize });
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
