/** Words of a VM's SMCCC services, from VM_SMCCC; the PSCI version lies at its start. Written under the state lock. */
import { VM_SMCCC } from '../state/vm-state.ts';

/** Firmware bitmaps, 64 bits each in the order of their ids, xor what they are by default. */
export const BITMAPS = VM_SMCCC + 0x10;
/** Ranges of the filter: a count, then entries. */
export const FILTER_COUNT = VM_SMCCC + 0x40;
/** Stolen time: guest-physical address of each vCPU's structure by VCPU_INDEX, 64 bits, plus 1; 0 = not set. */
export const STOLEN_TIME = VM_SMCCC + 0x1000;
export const FILTER = VM_SMCCC + 0x2000;
export const FILTER_END = VM_SMCCC + 0x1_0000;
