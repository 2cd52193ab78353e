/** A descriptor with registers: a vCPU, or a secure runtime. */
import {
  KVM_ARM_VCPU_INIT,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_SET_ONE_REG,
  kvmOneReg,
  kvmRegList,
  kvmVcpuInit,
  regSize,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import { AttributeFile } from './attributes.ts';
import type { UserSpace } from './process.ts';

/** Distance from a request's struct to the value it points to, in the scratch page. */
const VALUE = 64;

/** Registers by one_reg; a secure runtime has no attributes. Its methods belong to the thread that runs the vCPU. */
export class RegisterFile extends AttributeFile {
  constructor(user: UserSpace, fd: number) {
    super(user, fd, 'vcpu');
  }

  /**
   * Resets the vCPU and fixes its features; may be repeated.
   *
   * @param target - from {@link Vm.preferredTarget}
   * @param features - `KVM_ARM_VCPU_*` bit numbers
   * @throws {KvmError} `ENOENT` an unknown feature; `EINVAL` one this kernel lacks, or other than the VM's first set
   */
  init(target: number, features: readonly number[]): void {
    const word = features.reduce((bits, feature) => bits | (1 << feature), 0) >>> 0;
    kvmVcpuInit.write(this.user.memory, this.scratch, { target, features: [word] });
    this.ioctl(KVM_ARM_VCPU_INIT, this.scratch);
  }

  /**
   * Reads a register of up to 8 bytes.
   *
   * @throws {KvmError} `ENOENT` no such register; `ENOEXEC` the vCPU is not initialised
   */
  getReg(id: RegId): bigint {
    new DataView(this.user.memory.buffer).setBigUint64(this.scratch + VALUE, 0n, true);
    this.#oneReg(KVM_GET_ONE_REG, id);
    return new DataView(this.user.memory.buffer).getBigUint64(this.scratch + VALUE, true);
  }

  /**
   * Writes a register of up to 8 bytes.
   *
   * @throws {KvmError} `ENOENT` no such register; `EINVAL` a value it cannot hold; `EBUSY` it is frozen since the VM ran
   */
  setReg(id: RegId, value: bigint): void {
    new DataView(this.user.memory.buffer).setBigUint64(this.scratch + VALUE, value, true);
    this.#oneReg(KVM_SET_ONE_REG, id);
  }

  /** Reads a register of any size. @throws {KvmError} as {@link getReg} */
  getRegBytes(id: RegId): Uint8Array {
    this.#oneReg(KVM_GET_ONE_REG, id);
    return this.user.bytes(this.scratch + VALUE, regSize(id)).slice();
  }

  /** Writes a register of any size. @throws {KvmError} as {@link setReg} */
  setRegBytes(id: RegId, value: Uint8Array): void {
    this.user.bytes(this.scratch + VALUE, regSize(id)).set(value);
    this.#oneReg(KVM_SET_ONE_REG, id);
  }

  /** Ids of all registers. @throws {KvmError} `ENOEXEC` not initialised */
  regList(): RegId[] {
    const { memory, syscalls } = this.user;
    kvmRegList.write(memory, this.scratch, { n: 0 });
    syscalls.ioctl(this.fd, KVM_GET_REG_LIST, this.scratch); // answers E2BIG, and the true count
    const { n } = kvmRegList.view(memory, this.scratch);
    const length = kvmRegList.size + 8 * n;
    const list = this.user.map(length);
    try {
      kvmRegList.write(memory, list, { n });
      this.ioctl(KVM_GET_REG_LIST, list);
      return [...new BigUint64Array(memory.buffer, list + kvmRegList.size, n)];
    } finally {
      this.user.unmap(list, length);
    }
  }

  #oneReg(request: number, id: RegId): void {
    kvmOneReg.write(this.user.memory, this.scratch, { id, addr: this.scratch + VALUE });
    this.ioctl(request, this.scratch);
  }
}
