/** Words of a VM's SMCCC services, after those of psci/state.ts. Written under the state lock. */
import { ID_RANGE_SIZE } from '../state/id-ranges.ts';
import type { IdRanges } from '../state/id-ranges.ts';
import { VM_SMCCC } from '../state/vm-state.ts';

/** Firmware bitmaps, 64 bits each in the order of their ids, xor what they are by default. */
export const BITMAPS = VM_SMCCC + 0x10;
const FILTER_COUNT = VM_SMCCC + 0x40;
/** Stolen time: guest-physical address of each vCPU's structure by VCPU_INDEX, 64 bits, plus 1; 0 = not set. */
export const STOLEN_TIME = VM_SMCCC + 0x1000;
const FILTER_START = VM_SMCCC + 0x2000;
const FILTER_END = VM_SMCCC + 0x1_0000;

/** The filter: a KVM_SMCCC_FILTER_* for each range. Fixed at the first run. */
export const FILTER: IdRanges = {
  count: FILTER_COUNT,
  entries: FILTER_START,
  capacity: Math.floor((FILTER_END - FILTER_START) / ID_RANGE_SIZE),
};
