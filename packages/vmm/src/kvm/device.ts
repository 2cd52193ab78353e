/** A device inside the kernel, such as the GIC. */
import { AttributeFile } from './attributes.ts';
import type { UserSpace } from './process.ts';

/** A device descriptor. */
export class KvmDevice extends AttributeFile {
  /** @param fd - what `KVM_CREATE_DEVICE` filled in */
  constructor(user: UserSpace, fd: number) {
    super(user, fd, 'device');
  }
}
