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
import { withLock } from '../state/lock.ts';
import { STATE_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import type { Words } from '../state/words.ts';
import { copyFromUser } from '../uaccess.ts';
import { FILTER, FILTER_COUNT, FILTER_END } from './state.ts';

/** An entry: first and last function id, action. */
const ENTRY_SIZE = 12;
const FIRST = 0;
const LAST = 4;
const ACTION = 8;
const CAPACITY = Math.floor((FILTER_END - FILTER) / ENTRY_SIZE);

/** Architecture calls stay the kernel's: workarounds must work whatever user space thinks. */
const RESERVED = [
  { first: 0x8000_0000, last: 0x8000_ffff },
  { first: 0xc000_0000, last: 0xc000_ffff },
];

const LAST_ID = 0xffff_ffff;

function overlaps(vm: Block, first: number, last: number): boolean {
  if (RESERVED.some((range) => first <= range.last && range.first <= last)) return true;
  const count = vm.get32(FILTER_COUNT);
  for (let n = 0; n < count; n++) {
    const entry = FILTER + n * ENTRY_SIZE;
    if (first <= vm.get32(entry + LAST) && vm.get32(entry + FIRST) <= last) return true;
  }
  return false;
}

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
  const last = base + nr_functions - 1;
  if (pad.some((byte) => byte !== 0)) return -EINVAL;
  if (nr_functions === 0 || last > LAST_ID || action > KVM_SMCCC_FILTER_FWD_TO_USER) return -EINVAL;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
    if (overlaps(vm, base, last)) return -EEXIST;
    const count = vm.get32(FILTER_COUNT);
    if (count === CAPACITY) return -ENOMEM;
    const entry = FILTER + count * ENTRY_SIZE;
    vm.set32(entry + FIRST, base);
    vm.set32(entry + LAST, last);
    vm.set32(entry + ACTION, action);
    vm.set32(FILTER_COUNT, count + 1);
    return 0;
  });
}

/**
 * The action for a function id: a KVM_SMCCC_FILTER_*. It is fixed once a vCPU runs, so no lock is needed.
 * @param vm - address of the VM block
 */
export function filterAction(words: Words, vm: number, id: number): number {
  const count = words.get32(vm + FILTER_COUNT);
  for (let n = 0; n < count; n++) {
    const entry = vm + FILTER + n * ENTRY_SIZE;
    if (id >= words.get32(entry + FIRST) && id <= words.get32(entry + LAST))
      return words.get32(entry + ACTION);
  }
  return KVM_SMCCC_FILTER_HANDLE;
}
