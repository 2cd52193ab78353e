/** `/dev/kvm`. */
import {
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  KVM_GET_VCPU_MMAP_SIZE,
  PAGE_SIZE,
} from '@vkvm/uapi';
import type { Process, Syscalls, UserAddress } from '@vkvm/uapi';
import { KvmError } from './error.ts';
import { KvmFile } from './file.ts';
import { UserSpace } from './process.ts';
import { Vm } from './vm.ts';

/**
 * The system descriptor: asks what the kernel can do, and creates VMs. Made by {@link openKvm}. Close it after the VMs
 * it created: they share its page for arguments.
 */
export class Kvm extends KvmFile {
  /** @param fd - what `open('/dev/kvm')` answered */
  constructor(user: UserSpace, fd: number) {
    super(user, fd, 'system');
  }

  protected override release(): void {
    this.user.unmap(this.scratch, PAGE_SIZE);
  }

  apiVersion(): number {
    return this.ioctl(KVM_GET_API_VERSION);
  }

  /**
   * @param cap - `KVM_CAP_*`
   * @returns 0 where the kernel does not have it, else 1 or the number it stands for
   * @throws {KvmError} `EINVAL` the capability must be asked of a VM
   */
  checkExtension(cap: number): number {
    return this.ioctl(KVM_CHECK_EXTENSION, cap);
  }

  /**
   * @param type - size of guest-physical addresses in bits, 32 to the host's limit; 0 = 40
   * @throws {KvmError} `EINVAL` a size the host does not have; `ENOMEM`; `EMFILE`
   */
  createVm(type: number = 0): Vm {
    return new Vm(this.user, this.ioctl(KVM_CREATE_VM, type), this.ioctl(KVM_GET_VCPU_MMAP_SIZE));
  }

  /**
   * Maps zeroed memory for a memslot.
   *
   * @param length - bytes
   * @throws {KvmError} `ENOMEM` the address space is full
   */
  mapMemory(length: number): UserAddress {
    return this.user.map(length);
  }
}

/**
 * Opens `/dev/kvm`.
 *
 * @example
 * ```ts
 * const process = createProcess({ size: 256 * 1024 * 1024, shared: false });
 * using kvm = openKvm(createKernel().attach(process), process);
 * using vm = kvm.createVm();
 * ```
 *
 * @param syscalls - the kernel's side of the boundary for this thread
 * @param process - the memory that `syscalls` was made for
 * @throws {KvmError} there is no such device
 */
export function openKvm(syscalls: Syscalls, process: Process): Kvm {
  const fd = syscalls.open('/dev/kvm');
  if (fd < 0) throw new KvmError('open /dev/kvm', fd);
  return new Kvm(new UserSpace(syscalls, process), fd);
}
