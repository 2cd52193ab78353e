/**
 * Dirty rings: which pages a vCPU has dirtied, in the order it did. Source: Linux virt/kvm/dirty_ring.c;
 * Documentation/virt/kvm/api.rst, 8.29.
 */
import { E2BIG, EINVAL, KVM_DIRTY_GFN_F_RESET, PAGE_SIZE, kvmDirtyGfn } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { Block } from '../state/block.ts';
import { DIRTY_INDEX, DIRTY_RESET_INDEX, DIRTY_RING, DIRTY_RING_ENTRIES } from '../state/control.ts';
import { RESERVED_ENTRIES } from '../state/dirty.ts';
import { addMapping, removeFile } from '../state/mappings.ts';
import { REQUEST_FLUSH_TLB } from '../state/requests.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { DIRTY_RING_SIZE, DIRTY_RING_WITH_BITMAP } from '../state/vm-control.ts';
import { SECURE_VM, VCPU_COUNT } from '../state/vm-state.ts';
import { findById, hasNoMemslots } from './memslots.ts';
import { withVcpusPaused } from './pause.ts';
import { vcpusOf } from './vcpus.ts';

/** Where a vCPU's file has its ring. Source: arch/arm64/include/uapi/asm/kvm.h, KVM_DIRTY_LOG_PAGE_OFFSET. */
export const DIRTY_RING_OFFSET = 64 * PAGE_SIZE;
/** Bytes of the largest ring: KVM_CAP_DIRTY_LOG_RING_ACQ_REL. */
export const MAX_DIRTY_RING_SIZE = 0x1_0000 * kvmDirtyGfn.size;

/** KVM_CAP_DIRTY_LOG_RING_ACQ_REL. @param size - bytes; Linux takes 32 bits of it @returns 0 or -errno */
export function enableDirtyRing(vm: Block, size: number): number {
  if (size === 0 || (size & (size - 1)) !== 0) return -EINVAL;
  if (size < RESERVED_ENTRIES * kvmDirtyGfn.size || size < PAGE_SIZE) return -EINVAL;
  if (size > MAX_DIRTY_RING_SIZE) return -E2BIG;
  if (vm.get32(DIRTY_RING_SIZE) !== 0 || vm.get32(VCPU_COUNT) !== 0) return -EINVAL;
  // A secure runtime was loaded without regard to rings.
  if (vm.get32(SECURE_VM) !== 0) return -EINVAL;
  vm.set32(DIRTY_RING_SIZE, size);
  return 0;
}

/** KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP. @returns 0; -EINVAL: no rings, or memslots that have no bitmap */
export function enableRingWithBitmap(vm: Block): number {
  if (vm.get32(DIRTY_RING_SIZE) === 0 || !hasNoMemslots(vm)) return -EINVAL;
  vm.set32(DIRTY_RING_WITH_BITMAP, 1);
  return 0;
}

/** Whether a ring that user space has just emptied has room for so many pages; also where there are no rings. */
export function fitsDirtyRing(vm: Block, pages: number): boolean {
  const size = vm.get32(DIRTY_RING_SIZE);
  return size === 0 || pages <= size / kvmDirtyGfn.size - RESERVED_ENTRIES;
}

/** Gives a new vCPU its ring, if it is to have one. The process lock is held. @returns whether there was room */
export function allocateDirtyRing(vm: Block, vcpu: Block): boolean {
  const size = vm.get32(DIRTY_RING_SIZE);
  if (size === 0) return true;
  const ring = addMapping(vm.words, size, 0, vcpu.base);
  if (ring === 0) return false;
  vcpu.set32(DIRTY_RING, ring);
  vcpu.set32(DIRTY_RING_ENTRIES, size / kvmDirtyGfn.size);
  return true;
}

/** The process lock is held. */
export function freeDirtyRing(vcpu: Block): void {
  if (vcpu.get32(DIRTY_RING) !== 0) removeFile(vcpu.words, vcpu.get32(DIRTY_RING));
}

/** Bytes of a vCPU's ring. */
export const dirtyRingSize = (vcpu: Block): number =>
  new Block(vcpu.words, vcpu.get32(VM_BLOCK)).get32(DIRTY_RING_SIZE);

/**
 * KVM_RESET_DIRTY_RINGS: takes out the entries that user space has marked, and protects their pages anew. What an
 * entry says is user space's word: it is checked.
 * @returns number of entries, or -EINVAL without rings
 */
export function resetDirtyRings(vm: Block, host: Host): number {
  if (vm.get32(DIRTY_RING_SIZE) === 0) return -EINVAL;
  return withVcpusPaused(vm, REQUEST_FLUSH_TLB, host, () =>
    vcpusOf(vm).reduce((count, vcpu) => count + resetRing(vm, vcpu), 0),
  );
}

function resetRing(vm: Block, vcpu: Block): number {
  const { words } = vm;
  const { offsets, size } = kvmDirtyGfn;
  const ring = vcpu.get32(DIRTY_RING);
  const mask = vcpu.get32(DIRTY_RING_ENTRIES) - 1;
  const first = vcpu.get32(DIRTY_RESET_INDEX);
  const used = (vcpu.get32(DIRTY_INDEX) - first) >>> 0;
  let count = 0;
  for (; count < used; count++) {
    const entry = ring + ((first + count) & mask) * size;
    // Pairs with user space's store of `flags`, after it has read the entry.
    const flags = Atomics.load(words.u32, (entry + offsets.flags) >>> 2);
    if ((flags & KVM_DIRTY_GFN_F_RESET) === 0) break;
    protect(vm, words.get32(entry + offsets.slot), words.getNumber(entry + offsets.offset));
    words.set32(entry + offsets.flags, 0);
  }
  vcpu.set32(DIRTY_RESET_INDEX, first + count);
  return count;
}

/** The next store to a page counts again. */
function protect(vm: Block, slot: number, page: number): void {
  const memslot = findById(vm, slot);
  if (!memslot || memslot.dirtyBitmap === 0 || page >= memslot.size / PAGE_SIZE) return;
  const byte = memslot.dirtyBitmap + (page >>> 3);
  vm.words.u8[byte] = vm.words.u8[byte]! & ~(1 << (page & 7));
}
