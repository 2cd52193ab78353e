/** Requests of the file of a secure runtime: the registers of its vCPU, whose mutex is held. */
import { EINVAL, ENOENT, KVM_ARM_TARGET_GENERIC_V8, kvmVcpuInit } from '@vkvm/uapi';

import { FILE_SECURE, openFile } from '../fd-table.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { SECURE_VCPU } from '../state/vm-state.ts';
import { resetSecure } from '../vcpu/secure.ts';
import { vmOf } from '../vm/vcpus.ts';
import { retainVm } from '../vm/vm.ts';
import type { IoctlCall, IoctlEntry } from './handler.ts';
import { registerIoctls } from './vcpu.ts';

/** VKVM_SECURE_VCPU. The VM lock is held. @returns a descriptor; -EINVAL: an argument; -ENOENT: no runtime; -EMFILE */
export function openSecure({ block: vm, arg, thread: { words, host } }: IoctlCall): number {
  if (arg !== 0) return -EINVAL;
  const vcpu = vm.get32(SECURE_VCPU);
  if (vcpu === 0) return -ENOENT;
  return withLock(words, PROCESS_LOCK, host, () => {
    const fd = openFile(words, FILE_SECURE, vcpu);
    if (fd >= 0) retainVm(vmOf(new Block(words, vcpu)));
    return fd;
  });
}

/** Resets. A runtime has no optional features. */
function init({ block: vcpu, thread: { host, argument } }: IoctlCall): number {
  const { target, features } = kvmVcpuInit.read(argument, 0);
  if (target !== KVM_ARM_TARGET_GENERIC_V8 || features.some((word) => word !== 0)) return -EINVAL;
  resetSecure(vcpu, host);
  return 0;
}

export const secureIoctls: readonly IoctlEntry[] = [
  ...registerIoctls,
  { name: 'KVM_ARM_VCPU_INIT', handle: init },
];
