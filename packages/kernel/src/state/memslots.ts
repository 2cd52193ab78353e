/** Looks up memslots: guest-physical address → user address. Changing them is vm/memslots.ts. */
import type { Block } from './block.ts';
import {
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_GPA,
  MEMSLOT_LENGTH,
  MEMSLOT_SIZE,
  MEMSLOT_USER_ADDRESS,
} from './vm-state.ts';

/** @returns offset in the VM's block of the entry that holds an address, or -1 */
export function findMemslot(vm: Block, gpa: number): number {
  let low = 0;
  let high = vm.get32(MEMSLOT_COUNT);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (vm.getNumber(MEMSLOTS + middle * MEMSLOT_SIZE + MEMSLOT_GPA) <= gpa) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return -1;
  const entry = MEMSLOTS + (low - 1) * MEMSLOT_SIZE;
  return gpa < vm.getNumber(entry + MEMSLOT_GPA) + vm.getNumber(entry + MEMSLOT_LENGTH) ? entry : -1;
}

/** @returns where the byte at a guest-physical address lies in the process memory, or -1 */
export function userAddressOf(vm: Block, gpa: number): number {
  const entry = findMemslot(vm, gpa);
  if (entry < 0) return -1;
  return vm.get32(entry + MEMSLOT_USER_ADDRESS) + (gpa - vm.getNumber(entry + MEMSLOT_GPA));
}
