/**
 * Dirty pages: a bitmap for each logged memslot, and a ring for each vCPU if user space asked for rings.
 *
 * Guest code marks a page when it fills a TLB entry for stores (mmu/walk.ts), so the first store after a flush is the
 * one that counts. With rings, the bitmap says which pages some ring has already; what user space reads as a bitmap
 * then is the second one behind it.
 */
import { KVM_DIRTY_GFN_F_DIRTY, PAGE_SIZE, kvmDirtyGfn } from '@vkvm/uapi';

import type { Block } from './block.ts';
import { DIRTY_INDEX, DIRTY_RESET_INDEX, DIRTY_RING, DIRTY_RING_ENTRIES } from './control.ts';
import { findMemslot } from './memslots.ts';
import { DIRTY_RING_SIZE } from './vm-control.ts';
import { MEMSLOT_DIRTY_BITMAP, MEMSLOT_GPA, MEMSLOT_ID, MEMSLOT_LENGTH } from './vm-state.ts';

/** Entries kept back, so that what one exit dirties still fits. Source: Linux include/linux/kvm_dirty_ring.h. */
export const RESERVED_ENTRIES = 64;

/** Bytes of one bitmap: a bit a page, in words of 64. */
export const dirtyBitmapSize = (pages: number): number => Math.ceil(pages / 64) * 8;

/** How many pages a vCPU may still dirty before its ring overflows; Infinity without a ring. */
export function ringRoom(vcpu: Block): number {
  if (vcpu.get32(DIRTY_RING) === 0) return Infinity;
  return vcpu.get32(DIRTY_RING_ENTRIES) - ((vcpu.get32(DIRTY_INDEX) - vcpu.get32(DIRTY_RESET_INDEX)) >>> 0);
}

/** Has a secure runtime's vCPU fill the ring of the vCPU that calls it, until {@link takeRingBack}. */
export function lendRing(caller: Block, secure: Block): void {
  for (const word of [DIRTY_RING, DIRTY_RING_ENTRIES, DIRTY_INDEX, DIRTY_RESET_INDEX]) {
    secure.set32(word, caller.get32(word));
  }
}

export function takeRingBack(caller: Block, secure: Block): void {
  caller.set32(DIRTY_INDEX, secure.get32(DIRTY_INDEX));
  secure.set32(DIRTY_RING, 0);
}

/** Whether the vCPU has a ring. */
export const hasRing = (vcpu: Block): boolean => vcpu.get32(DIRTY_RING) !== 0;

/** Whether user space must take entries out before the vCPU runs on. */
export function isRingFull(vcpu: Block): boolean {
  return ringRoom(vcpu) <= RESERVED_ENTRIES;
}

/** Marks the page of a guest-physical address, which the kernel has written for this vCPU. */
export function markDirty(vcpu: Block, vm: Block, gpa: number): void {
  const entry = findMemslot(vm, gpa);
  const bitmap = entry < 0 ? 0 : vm.get32(entry + MEMSLOT_DIRTY_BITMAP);
  if (bitmap === 0) return;
  const page = Math.floor((gpa - vm.getNumber(entry + MEMSLOT_GPA)) / PAGE_SIZE);
  const bit = 1 << (page & 31);
  const before = Atomics.or(vm.words.i32, (bitmap >>> 2) + (page >>> 5), bit);
  if ((before & bit) === 0 && vcpu.get32(DIRTY_RING) !== 0) push(vcpu, vm.get32(entry + MEMSLOT_ID), page);
}

/** Marks the page of a guest-physical address that a device has written: no vCPU's ring tells of it, only the bitmap. */
export function markDirtyByDevice(vm: Block, gpa: number): void {
  const entry = findMemslot(vm, gpa);
  const bitmap = entry < 0 ? 0 : vm.get32(entry + MEMSLOT_DIRTY_BITMAP);
  if (bitmap === 0) return;
  const page = Math.floor((gpa - vm.getNumber(entry + MEMSLOT_GPA)) / PAGE_SIZE);
  const pages = vm.getNumber(entry + MEMSLOT_LENGTH) / PAGE_SIZE;
  const visible = vm.get32(DIRTY_RING_SIZE) === 0 ? bitmap : bitmap + dirtyBitmapSize(pages);
  Atomics.or(vm.words.i32, (visible >>> 2) + (page >>> 5), 1 << (page & 31));
}

const { flags: FLAGS, slot: SLOT, offset: OFFSET } = kvmDirtyGfn.offsets;

function push(vcpu: Block, slot: number, page: number): void {
  const { words } = vcpu;
  const index = vcpu.get32(DIRTY_INDEX);
  const entry = vcpu.get32(DIRTY_RING) + (index & (vcpu.get32(DIRTY_RING_ENTRIES) - 1)) * kvmDirtyGfn.size;
  words.set32(entry + SLOT, slot);
  words.setNumber(entry + OFFSET, page);
  // The entry is whole before it is seen. Pairs with user space's load of `flags`.
  Atomics.store(words.u32, (entry + FLAGS) >>> 2, KVM_DIRTY_GFN_F_DIRTY);
  vcpu.set32(DIRTY_INDEX, index + 1);
}
