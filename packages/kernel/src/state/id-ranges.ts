/** Ranges of function ids, each with a word of its own, as words of a VM block: the SMCCC filter, the routes of PSCI. */
import type { Block } from './block.ts';
import type { Words } from './words.ts';

/** Where a table lies: offsets from the start of the VM block. Its writers hold the state lock. */
export interface IdRanges {
  /** Number of entries, u32. */
  readonly count: number;
  readonly entries: number;
  readonly capacity: number;
}

/** An entry: first and last function id, value. */
export const ID_RANGE_SIZE = 12;
const FIRST = 0;
const LAST = 4;
const VALUE = 8;

/** Whether an entry has ids in common with `first` to `last`. */
export function overlapsRange(vm: Block, table: IdRanges, first: number, last: number): boolean {
  const count = vm.get32(table.count);
  for (let n = 0; n < count; n++) {
    const entry = table.entries + n * ID_RANGE_SIZE;
    if (first <= vm.get32(entry + LAST) && vm.get32(entry + FIRST) <= last) return true;
  }
  return false;
}

/** @returns whether there was room */
export function addRange(vm: Block, table: IdRanges, first: number, last: number, value: number): boolean {
  const count = vm.get32(table.count);
  if (count === table.capacity) return false;
  const entry = table.entries + count * ID_RANGE_SIZE;
  vm.set32(entry + FIRST, first);
  vm.set32(entry + LAST, last);
  vm.set32(entry + VALUE, value);
  vm.set32(table.count, count + 1);
  return true;
}

/**
 * Looks an id up. Tables are fixed once a vCPU runs, so guest code needs no lock.
 * @param vm - address of the VM block
 * @returns the value of the entry that has the id; -1 if none has
 */
export function findRange(words: Words, vm: number, table: IdRanges, id: number): number {
  const count = words.get32(vm + table.count);
  for (let n = 0; n < count; n++) {
    const entry = vm + table.entries + n * ID_RANGE_SIZE;
    if (id >= words.get32(entry + FIRST) && id <= words.get32(entry + LAST))
      return words.get32(entry + VALUE);
  }
  return -1;
}
