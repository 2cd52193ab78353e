/** What devices and vCPUs have in common: attributes. */
import { KVM_GET_DEVICE_ATTR, KVM_HAS_DEVICE_ATTR, KVM_SET_DEVICE_ATTR, kvmDeviceAttr } from '@vkvm/uapi';
import { KvmFile } from './file.ts';

/** Distance from a request's struct to the value it points to, in the scratch page. */
const VALUE = 64;

/** An attribute: group, number within it, and length of its value in bytes (0 = a command). */
export interface Attribute {
  readonly group: number;
  readonly attr: number | bigint;
  readonly size: 0 | 4 | 8;
}

/** A descriptor with attributes. */
export abstract class AttributeFile extends KvmFile {
  hasAttr(attribute: Attribute): boolean {
    return this.user.syscalls.ioctl(this.fd, KVM_HAS_DEVICE_ATTR, this.#prepare(attribute)) >= 0;
  }

  /** @throws {KvmError} `ENXIO` no such attribute; `EBUSY` not now; `EEXIST` set before; `EINVAL` a bad value */
  setAttr(attribute: Attribute, value: bigint = 0n): void {
    const request = this.#prepare(attribute);
    this.#value().setBigUint64(0, value, true);
    this.ioctl(KVM_SET_DEVICE_ATTR, request);
  }

  /** @throws {KvmError} `ENXIO` no such attribute; `EBUSY` not now */
  getAttr(attribute: Attribute): bigint {
    const request = this.#prepare(attribute);
    this.#value().setBigUint64(0, 0n, true);
    this.ioctl(KVM_GET_DEVICE_ATTR, request);
    return this.#value().getBigUint64(0, true);
  }

  #prepare({ group, attr, size }: Attribute): number {
    const addr = size === 0 ? 0 : this.scratch + VALUE;
    kvmDeviceAttr.write(this.user.memory, this.scratch, { group, attr: BigInt(attr), addr });
    return this.scratch;
  }

  #value(): DataView {
    return new DataView(this.user.memory.buffer, this.scratch + VALUE, 8);
  }
}
