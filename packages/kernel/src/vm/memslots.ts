/**
 * KVM_SET_USER_MEMORY_REGION: the table that the page walk reads, and beside it the memslots without memory, which
 * Linux accepts too: an access there is EFAULT.
 *
 * Errno and the order of checks: Linux virt/kvm/kvm_main.c, kvm_set_memory_region; arch/arm64/kvm/mmu.c.
 */
import {
  EEXIST,
  EFAULT,
  EINVAL,
  ENOMEM,
  KVM_DIRTY_LOG_INITIALLY_SET,
  KVM_MEM_GUEST_MEMFD,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { PROCESS_LOCK, allocateBlock, freeBlock } from '../state/arena.ts';
import type { Block } from '../state/block.ts';
import { dirtyBitmapSize } from '../state/dirty.ts';
import { withLock } from '../state/lock.ts';
import { isAccessible, pinMapping, pinPages, unpinMapping } from '../state/mappings.ts';
import { findMemslot } from '../state/memslots.ts';
import { REQUEST_FLUSH_ALL } from '../state/requests.ts';
import {
  DIRTY_RING_SIZE,
  DIRTY_RING_WITH_BITMAP,
  IPA_BITS,
  MANUAL_DIRTY_LOG,
  UNBACKED_COUNT,
  WRITE_PROTECTED_COUNT,
} from '../state/vm-control.ts';
import { memslotLimit } from './features.ts';
import {
  MAX_MEMSLOTS,
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_DIRTY_BITMAP,
  MEMSLOT_FLAGS,
  MEMSLOT_GPA,
  MEMSLOT_ID,
  MEMSLOT_LENGTH,
  MEMSLOT_SIZE,
  MEMSLOT_USER_ADDRESS,
  VM_BLOCK_SIZE,
} from '../state/vm-state.ts';
import { placeInGuestMemfd } from './guest-memfd.ts';
import { withVcpusPaused } from './pause.ts';

/** What user space asks for. */
export interface Region {
  readonly slot: number;
  readonly flags: number;
  readonly gpa: number;
  readonly size: number;
  readonly userAddress: number;
  /** With KVM_MEM_GUEST_MEMFD: where the memory is. */
  readonly guestMemfd?: { readonly fd: number; readonly offset: number };
}

const FLAGS = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY | KVM_MEM_GUEST_MEMFD;
/** Flag of ours in an entry: the mapping may not be written, so that a guest's store is EFAULT instead of an exit. */
const WRITE_PROTECTED = 0x8000_0000;
/** User addresses end here on Linux; beyond is EINVAL at once. */
const USER_ADDRESS_END = 2 ** 48;
const MAX_PAGES = 2 ** 31 - 1;
/** Memslots without memory, unsorted: entries as in MEMSLOTS, with all 64 bits of the user address in its place. */
const UNBACKED = MEMSLOTS + MAX_MEMSLOTS * MEMSLOT_SIZE;
const UNBACKED_USER_ADDRESS = 16; // u64
const UNBACKED_FLAGS = 24; // u32
const UNBACKED_ID = 28; // u32
const UNBACKED_DIRTY_BITMAP = 32; // u32
const UNBACKED_SIZE = 40;
const MAX_UNBACKED = Math.floor((VM_BLOCK_SIZE - UNBACKED) / UNBACKED_SIZE);

/** A memslot that exists. */
export interface Memslot extends Region {
  readonly entry: number;
  readonly backed: boolean;
  /** Address of the bitmap of dirty pages, 0 = not logged. */
  readonly dirtyBitmap: number;
}

function readBacked(vm: Block, entry: number): Memslot {
  return {
    entry,
    backed: true,
    slot: vm.get32(entry + MEMSLOT_ID),
    flags: vm.get32(entry + MEMSLOT_FLAGS) & FLAGS,
    gpa: vm.getNumber(entry + MEMSLOT_GPA),
    size: vm.getNumber(entry + MEMSLOT_LENGTH),
    userAddress: vm.get32(entry + MEMSLOT_USER_ADDRESS),
    dirtyBitmap: vm.get32(entry + MEMSLOT_DIRTY_BITMAP),
  };
}

function readUnbacked(vm: Block, entry: number): Memslot {
  return {
    entry,
    backed: false,
    slot: vm.get32(entry + UNBACKED_ID),
    flags: vm.get32(entry + UNBACKED_FLAGS),
    gpa: vm.getNumber(entry + MEMSLOT_GPA),
    size: vm.getNumber(entry + MEMSLOT_LENGTH),
    userAddress: vm.getNumber(entry + UNBACKED_USER_ADDRESS),
    dirtyBitmap: vm.get32(entry + UNBACKED_DIRTY_BITMAP),
  };
}

function* allMemslots(vm: Block): Generator<Memslot> {
  const backed = vm.get32(MEMSLOT_COUNT);
  for (let n = 0; n < backed; n++) yield readBacked(vm, MEMSLOTS + n * MEMSLOT_SIZE);
  const unbacked = vm.get32(UNBACKED_COUNT);
  for (let n = 0; n < unbacked; n++) yield readUnbacked(vm, UNBACKED + n * UNBACKED_SIZE);
}

/** Whether there is a memslot, but no memory of user space. */
export function isUnbacked(vm: Block, gpa: number): boolean {
  for (const slot of allMemslots(vm)) {
    if (!slot.backed && gpa >= slot.gpa && gpa < slot.gpa + slot.size) return true;
  }
  return false;
}

/** Whether user space has the memory mapped without PROT_WRITE. */
export function isWriteProtected(vm: Block, gpa: number): boolean {
  const entry = findMemslot(vm, gpa);
  return entry >= 0 && (vm.get32(entry + MEMSLOT_FLAGS) & WRITE_PROTECTED) !== 0;
}

/** Makes, moves, flags or deletes a memslot. The VM lock is held. @returns 0 or -errno */
export function setMemoryRegion(vm: Block, region: Region, host: Host): number {
  const { slot, flags, gpa, size, userAddress } = region;
  const { guestMemfd } = region;
  if ((flags & ~allowedFlags(region)) !== 0) return -EINVAL;
  if (size % PAGE_SIZE !== 0 || gpa % PAGE_SIZE !== 0 || userAddress % PAGE_SIZE !== 0) return -EINVAL;
  if (userAddress + size > USER_ADDRESS_END) return -EINVAL;
  if (guestMemfd && guestMemfd.offset % PAGE_SIZE !== 0) return -EINVAL;
  if (slot >= memslotLimit(vm.words)) return -EINVAL;
  // Both are whole pages, so the sum is exact. An end at 2⁶⁴ has wrapped, too.
  if (gpa + size >= 2 ** 64 || size / PAGE_SIZE > MAX_PAGES) return -EINVAL;

  const old = findById(vm, slot);
  if (size === 0) {
    if (!old) return -EINVAL;
    change(vm, host, () => {
      remove(vm, old);
      freeBitmap(vm, old);
      return 0;
    });
    return 0;
  }
  if (old) {
    if (((flags | old.flags) & KVM_MEM_GUEST_MEMFD) !== 0) return -EINVAL;
    if (userAddress !== old.userAddress || size !== old.size) return -EINVAL;
    if (((flags ^ old.flags) & KVM_MEM_READONLY) !== 0) return -EINVAL;
    if (gpa === old.gpa && flags === old.flags) return 0;
  }
  for (const other of allMemslots(vm)) {
    if (other.slot !== slot && gpa < other.gpa + other.size && other.gpa < gpa + size) return -EEXIST;
  }
  const memory = guestMemfd ? placeInGuestMemfd(vm, guestMemfd.fd, guestMemfd.offset, size) : 0;
  if (memory < 0) return memory;
  if (memory !== 0 && isBound(vm, memory, size)) return -EEXIST;
  if (gpa + size > 2 ** vm.get32(IPA_BITS)) return -EFAULT;
  return change(vm, host, () => {
    const dirtyBitmap = bitmapFor(vm, region, old);
    if (dirtyBitmap === undefined) return -ENOMEM;
    if (old) {
      remove(vm, old);
      if (old.dirtyBitmap !== dirtyBitmap) freeBitmap(vm, old);
    }
    if (memory === 0) return insert(vm, region, dirtyBitmap);
    pinPages(vm.words, memory, size);
    insertBacked(vm, { ...region, userAddress: memory }, dirtyBitmap, false);
    return 0;
  });
}

/** A memslot in guest memory is never logged nor read-only. */
const allowedFlags = ({ guestMemfd }: Region): number =>
  guestMemfd ? KVM_MEM_GUEST_MEMFD : KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY;

/** Whether a memslot has some of this guest memory. */
function isBound(vm: Block, memory: number, size: number): boolean {
  for (const slot of allMemslots(vm)) {
    if ((slot.flags & KVM_MEM_GUEST_MEMFD) === 0) continue;
    if (memory < slot.userAddress + slot.size && slot.userAddress < memory + size) return true;
  }
  return false;
}

export function findById(vm: Block, id: number): Memslot | undefined {
  for (const slot of allMemslots(vm)) if (slot.slot === id) return slot;
  return undefined;
}

/** Whether there is no memslot. */
export const hasNoMemslots = (vm: Block): boolean =>
  vm.get32(MEMSLOT_COUNT) === 0 && vm.get32(UNBACKED_COUNT) === 0;

const usesRings = (vm: Block): boolean => vm.get32(DIRTY_RING_SIZE) !== 0;

/** With rings a memslot has two bitmaps: dirty.ts. */
function bitmapBlockSize(vm: Block, size: number): number {
  const bytes = dirtyBitmapSize(size / PAGE_SIZE) * (usesRings(vm) ? 2 : 1);
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
}

/** A memslot that was logged keeps its bitmap. @returns its address, 0 = it is not to be logged; `undefined` = no room */
function bitmapFor(vm: Block, { flags, size }: Region, old: Memslot | undefined): number | undefined {
  if ((flags & KVM_MEM_LOG_DIRTY_PAGES) === 0) return 0;
  if (old && old.dirtyBitmap !== 0) return old.dirtyBitmap;
  const { words } = vm;
  const bitmap = allocateBlock(words, bitmapBlockSize(vm, size));
  if (bitmap === 0) return undefined;
  if ((vm.get32(MANUAL_DIRTY_LOG) & KVM_DIRTY_LOG_INITIALLY_SET) !== 0) {
    const pages = size / PAGE_SIZE;
    const visible = usesRings(vm) ? bitmap + dirtyBitmapSize(pages) : bitmap;
    words.u8.fill(0xff, visible, visible + (pages >>> 3));
    if (pages % 8 !== 0) words.u8[visible + (pages >>> 3)] = (1 << (pages % 8)) - 1;
  }
  return bitmap;
}

function freeBitmap(vm: Block, { dirtyBitmap, size }: Memslot): void {
  if (dirtyBitmap !== 0) freeBlock(vm.words, dirtyBitmap, bitmapBlockSize(vm, size));
}

/** Address of the bitmap that user space reads: 0 = none. */
export function visibleBitmap(vm: Block, { dirtyBitmap, size }: Memslot): number {
  if (dirtyBitmap === 0 || !usesRings(vm)) return dirtyBitmap;
  return vm.get32(DIRTY_RING_WITH_BITMAP) === 0 ? 0 : dirtyBitmap + dirtyBitmapSize(size / PAGE_SIZE);
}

/** @returns 0, or -ENOMEM */
function insert(vm: Block, region: Region, dirtyBitmap: number): number {
  const { size, userAddress, flags } = region;
  if (!isAccessible(vm.words, userAddress, size, PROT_READ) || !pinMapping(vm.words, userAddress, size)) {
    return insertUnbacked(vm, region, dirtyBitmap);
  }
  const isProtected =
    !isAccessible(vm.words, userAddress, size, PROT_WRITE) && (flags & KVM_MEM_READONLY) === 0;
  insertBacked(vm, region, dirtyBitmap, isProtected);
  return 0;
}

/** @param isProtected - user space may not write the memory */
function insertBacked(
  vm: Block,
  { gpa, size, userAddress, flags, slot }: Region,
  dirtyBitmap: number,
  isProtected: boolean,
): void {
  const count = vm.get32(MEMSLOT_COUNT);
  let place = count;
  while (place > 0 && vm.getNumber(MEMSLOTS + (place - 1) * MEMSLOT_SIZE + MEMSLOT_GPA) > gpa) place--;
  const entry = MEMSLOTS + place * MEMSLOT_SIZE;
  move(vm, entry + MEMSLOT_SIZE, entry, (count - place) * MEMSLOT_SIZE);
  vm.setNumber(entry + MEMSLOT_GPA, gpa);
  vm.setNumber(entry + MEMSLOT_LENGTH, size);
  vm.set32(entry + MEMSLOT_USER_ADDRESS, userAddress);
  vm.set32(entry + MEMSLOT_FLAGS, isProtected ? flags | KVM_MEM_READONLY | WRITE_PROTECTED : flags);
  vm.set32(entry + MEMSLOT_ID, slot);
  vm.set32(entry + MEMSLOT_DIRTY_BITMAP, dirtyBitmap);
  vm.set32(MEMSLOT_COUNT, count + 1);
  if (isProtected) vm.set32(WRITE_PROTECTED_COUNT, vm.get32(WRITE_PROTECTED_COUNT) + 1);
}

function insertUnbacked(
  vm: Block,
  { gpa, size, userAddress, flags, slot }: Region,
  dirtyBitmap: number,
): number {
  const count = vm.get32(UNBACKED_COUNT);
  if (count === MAX_UNBACKED) return -ENOMEM;
  const entry = UNBACKED + count * UNBACKED_SIZE;
  vm.setNumber(entry + MEMSLOT_GPA, gpa);
  vm.setNumber(entry + MEMSLOT_LENGTH, size);
  vm.setNumber(entry + UNBACKED_USER_ADDRESS, userAddress);
  vm.set32(entry + UNBACKED_FLAGS, flags);
  vm.set32(entry + UNBACKED_ID, slot);
  vm.set32(entry + UNBACKED_DIRTY_BITMAP, dirtyBitmap);
  vm.set32(UNBACKED_COUNT, count + 1);
  return 0;
}

/** The bitmap stays. */
function remove(vm: Block, { entry, backed, userAddress, size }: Memslot): void {
  const [table, counter, entrySize] = backed
    ? [MEMSLOTS, MEMSLOT_COUNT, MEMSLOT_SIZE]
    : [UNBACKED, UNBACKED_COUNT, UNBACKED_SIZE];
  if (backed) {
    unpinMapping(vm.words, userAddress, size);
    const isProtected = (vm.get32(entry + MEMSLOT_FLAGS) & WRITE_PROTECTED) !== 0;
    if (isProtected) vm.set32(WRITE_PROTECTED_COUNT, vm.get32(WRITE_PROTECTED_COUNT) - 1);
  }
  const count = vm.get32(counter) - 1;
  move(vm, entry, entry + entrySize, table + count * entrySize - entry);
  vm.set32(counter, count);
}

function move({ words, base }: Block, to: number, from: number, length: number): void {
  words.u8.copyWithin(base + to, base + from, base + from + length);
}

/** Lets go of all user memory: the VM is gone. The process lock is held. */
export function releaseMemslots(vm: Block): void {
  for (const slot of allMemslots(vm)) {
    if (slot.backed) unpinMapping(vm.words, slot.userAddress, slot.size);
    freeBitmap(vm, slot);
  }
}

/** Runs `body` while no vCPU is in guest code; all of them then drop what they knew of memory. */
const change = (vm: Block, host: Host, body: () => number): number =>
  withVcpusPaused(vm, REQUEST_FLUSH_ALL, host, () => withLock(vm.words, PROCESS_LOCK, host, body));
