/** The SMCCC filter: ranges of function ids that user space denies or takes over. Source: Linux api.rst, VM attributes. */
import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOMEM,
  KVM_SMCCC_FILTER_FWD_TO_USER,
  KVM_SMCCC_FILTER_HANDLE,
  kvmSmcccFilter,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { argumentLow } from '../state/call-registers.ts';
import { addRange, findRange, overlapsRange } from '../state/id-ranges.ts';
import { withLock } from '../state/lock.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { STATE_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import { copyFromUser } from '../uaccess.ts';
import { FILTER } from './state.ts';

/** Architecture calls stay the kernel's: workarounds must work whatever user space thinks. */
const RESERVED = [
  { first: 0x8000_0000, last: 0x8000_ffff },
  { first: 0xc000_0000, last: 0xc000_ffff },
];

const isReserved = (first: number, last: number): boolean =>
  RESERVED.some((range) => first <= range.last && range.first <= last);

/**
 * KVM_ARM_VM_SMCCC_FILTER: adds a range.
 * @param userAddress - of a `kvm_smccc_filter`
 * @returns 0 or -errno, in this order: EFAULT; EINVAL pads, an empty or wrapping range, an unknown action; EBUSY a vCPU
 *   has run; EEXIST overlap, also with the architecture's calls; ENOMEM
 */
export function addFilter(vm: Block, userAddress: number, host: Host): number {
  const bytes = new Uint8Array(kvmSmcccFilter.size);
  const error = copyFromUser(vm.words, userAddress, bytes);
  if (error !== 0) return -EFAULT;
  const { base, nr_functions, action, pad } = kvmSmcccFilter.read(bytes.buffer, 0);
  // Linux computes the end in 32 bits: no functions from id 0 on are all of them.
  const last = (base + nr_functions - 1) >>> 0;
  if (pad.some((byte) => byte !== 0)) return -EINVAL;
  if (last < base || action > KVM_SMCCC_FILTER_FWD_TO_USER) return -EINVAL;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
    if (isReserved(base, last) || overlapsRange(vm, FILTER, base, last)) return -EEXIST;
    return addRange(vm, FILTER, base, last, action) ? 0 : -ENOMEM;
  });
}

/** Whether user space has denied or taken over anything. */
export const hasFilter = (vm: Block): boolean => vm.get32(FILTER.count) !== 0;

/** The action for the call that a vCPU makes: a KVM_SMCCC_FILTER_*. */
export function filterAction(vcpu: Block): number {
  const action = findRange(vcpu.words, vcpu.get32(VM_BLOCK), FILTER, argumentLow(vcpu, 0));
  return action < 0 ? KVM_SMCCC_FILTER_HANDLE : action;
}
