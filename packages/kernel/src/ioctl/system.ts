/** Requests of `/dev/kvm`. */
import { EINVAL, ENOMEM, KVM_API_VERSION, KVM_VM_TYPE_ARM_IPA_SIZE_MASK } from '@vkvm/uapi';

import { FILE_VM, openFile } from '../fd-table.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import { withLock } from '../state/lock.ts';
import { DEFAULT_IPA_BITS, MAX_IPA_BITS, MIN_IPA_BITS } from '../vm/features.ts';
import { VCPU_FILE_SIZE, createVm, discardVm } from '../vm/vm.ts';
import { checkExtension } from './capabilities.ts';
import type { IoctlCall, IoctlEntry } from './handler.ts';

/** For requests that take no argument, and say so. */
const withoutArgument =
  (value: number) =>
  ({ arg }: IoctlCall): number =>
    arg === 0 ? value : -EINVAL;

/** Bits of the type that are not the IPA size are refused: no VM is protected here. */
function createVmFile({ arg, thread: { words, host } }: IoctlCall): number {
  if (!Number.isInteger(arg) || arg < 0 || arg > KVM_VM_TYPE_ARM_IPA_SIZE_MASK) return -EINVAL;
  const bits = arg === 0 ? DEFAULT_IPA_BITS : arg;
  if (bits < MIN_IPA_BITS || bits > MAX_IPA_BITS) return -EINVAL;
  return withLock(words, PROCESS_LOCK, host, () => {
    const vm = createVm(words, bits);
    if (!vm) return -ENOMEM;
    const fd = openFile(words, FILE_VM, vm.base);
    if (fd < 0) discardVm(vm);
    return fd;
  });
}

export const systemIoctls: readonly IoctlEntry[] = [
  { name: 'KVM_GET_API_VERSION', handle: withoutArgument(KVM_API_VERSION) },
  { name: 'KVM_CREATE_VM', handle: createVmFile },
  { name: 'KVM_CHECK_EXTENSION', handle: ({ arg, thread: { words } }) => checkExtension(words, arg) },
  { name: 'KVM_GET_VCPU_MMAP_SIZE', handle: withoutArgument(VCPU_FILE_SIZE) },
];
