/** Words of a VM's PSCI, at the start of VM_SMCCC. Written under the state lock. */
import { ID_RANGE_SIZE } from '../state/id-ranges.ts';
import type { IdRanges } from '../state/id-ranges.ts';
import { VM_SMCCC } from '../state/vm-state.ts';

/** The version of guests that have PSCI 0.2: the newest of the profile, until user space chooses. */
export const VERSION = VM_SMCCC + 0x00;
/** A VKVM_PSCI_OWNER_*, plus 1; 0 = that of the profile. Fixed at the first run. */
export const OWNER = VM_SMCCC + 0x04;
const ROUTE_COUNT = VM_SMCCC + 0x08;
const ROUTES_START = VM_SMCCC + 0x100;
const ROUTES_END = VM_SMCCC + 0x1000;

/** Functions with another owner than OWNER says: a VKVM_PSCI_ROUTE_TO_*. Fixed at the first run. */
export const ROUTES: IdRanges = {
  count: ROUTE_COUNT,
  entries: ROUTES_START,
  capacity: Math.floor((ROUTES_END - ROUTES_START) / ID_RANGE_SIZE),
};
