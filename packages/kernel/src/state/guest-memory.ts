/**
 * Guest memory as the kernel's own devices reach it: little-endian units that are aligned, so that they cross no page.
 * Memslots do not change meanwhile: the VM lock is held, or the caller is where a vCPU of the VM is in guest code.
 */
import { KVM_MEM_READONLY } from '@vkvm/uapi';

import type { Block } from './block.ts';
import { markDirtyByDevice } from './dirty.ts';
import { findMemslot, userAddressOf } from './memslots.ts';
import { MEMSLOT_FLAGS } from './vm-state.ts';

/** Whether there is memory at an address. */
export const hasMemory = (vm: Block, gpa: number): boolean => findMemslot(vm, gpa) >= 0;

/** @returns the byte, or -1: no memory */
export function readGuest8(vm: Block, gpa: number): number {
  const address = userAddressOf(vm, gpa);
  return address < 0 ? -1 : vm.words.u8[address]!;
}

/** @returns the value, or `undefined`: no memory */
export function readGuest64(vm: Block, gpa: number): bigint | undefined {
  const address = userAddressOf(vm, gpa);
  return address < 0 ? undefined : vm.words.get64(address);
}

/** @returns where memory that may be written lies, or -1 */
function writableAddress(vm: Block, gpa: number): number {
  const entry = findMemslot(vm, gpa);
  if (entry < 0 || (vm.get32(entry + MEMSLOT_FLAGS) & KVM_MEM_READONLY) !== 0) return -1;
  return userAddressOf(vm, gpa);
}

/** @returns whether it was written */
export function writeGuest8(vm: Block, gpa: number, value: number): boolean {
  const address = writableAddress(vm, gpa);
  if (address < 0) return false;
  vm.words.u8[address] = value;
  markDirtyByDevice(vm, gpa);
  return true;
}

/** @returns whether it was written */
export function writeGuest64(vm: Block, gpa: number, value: bigint): boolean {
  const address = writableAddress(vm, gpa);
  if (address < 0) return false;
  vm.words.set64(address, value);
  markDirtyByDevice(vm, gpa);
  return true;
}
