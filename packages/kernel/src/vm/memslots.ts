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
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import type { Block } from '../state/block.ts';
import { IN_GUEST } from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { isAccessible, pinMapping, unpinMapping } from '../state/mappings.ts';
import { findMemslot } from '../state/memslots.ts';
import { REQUEST_FLUSH_ALL, request } from '../state/requests.ts';
import { IPA_BITS, PAUSED, UNBACKED_COUNT, WRITE_PROTECTED_COUNT } from '../state/vm-control.ts';
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
import { vcpusOf } from './vcpus.ts';

/** What user space asks for. */
export interface Region {
  readonly slot: number;
  readonly flags: number;
  readonly gpa: number;
  readonly size: number;
  readonly userAddress: number;
}

const FLAGS = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY;
/** Flag of ours in an entry: the mapping may not be written, so that a guest's store is EFAULT instead of an exit. */
const WRITE_PROTECTED = 0x8000_0000;
/** User addresses end here on Linux; beyond is EINVAL at once. */
const USER_ADDRESS_END = 2 ** 48;
const MAX_PAGES = 2 ** 31 - 1;
/** Nobody wakes the thread that waits for vCPUs to leave guest code: ns after which it looks again. */
const LOOK_AGAIN = 50_000;

/** Memslots without memory, unsorted: entries as in MEMSLOTS, with all 64 bits of the user address in its place. */
const UNBACKED = MEMSLOTS + MAX_MEMSLOTS * MEMSLOT_SIZE;
const UNBACKED_USER_ADDRESS = 16; // u64
const UNBACKED_FLAGS = 24; // u32
const UNBACKED_ID = 28; // u32
const MAX_UNBACKED = Math.floor((VM_BLOCK_SIZE - UNBACKED) / MEMSLOT_SIZE);

/** A memslot that exists. */
interface Memslot extends Region {
  readonly entry: number;
  readonly backed: boolean;
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
  };
}

function* allMemslots(vm: Block): Generator<Memslot> {
  const backed = vm.get32(MEMSLOT_COUNT);
  for (let n = 0; n < backed; n++) yield readBacked(vm, MEMSLOTS + n * MEMSLOT_SIZE);
  const unbacked = vm.get32(UNBACKED_COUNT);
  for (let n = 0; n < unbacked; n++) yield readUnbacked(vm, UNBACKED + n * MEMSLOT_SIZE);
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
  if ((flags & ~FLAGS) !== 0) return -EINVAL;
  if (size % PAGE_SIZE !== 0 || gpa % PAGE_SIZE !== 0 || userAddress % PAGE_SIZE !== 0) return -EINVAL;
  if (userAddress + size > USER_ADDRESS_END) return -EINVAL;
  if (slot >= memslotLimit(vm.words)) return -EINVAL;
  if (gpa + size > 2 ** 64 || size / PAGE_SIZE > MAX_PAGES) return -EINVAL;

  const old = find(vm, slot);
  if (size === 0) {
    if (!old) return -EINVAL;
    change(vm, host, () => remove(vm, old));
    return 0;
  }
  if (old) {
    if (userAddress !== old.userAddress || size !== old.size) return -EINVAL;
    if (((flags ^ old.flags) & KVM_MEM_READONLY) !== 0) return -EINVAL;
    if (gpa === old.gpa && flags === old.flags) return 0;
  }
  for (const other of allMemslots(vm)) {
    if (other.slot !== slot && gpa < other.gpa + other.size && other.gpa < gpa + size) return -EEXIST;
  }
  if (gpa + size > 2 ** vm.get32(IPA_BITS)) return -EFAULT;
  return change(vm, host, () => {
    if (old) remove(vm, old);
    return insert(vm, region);
  });
}

function find(vm: Block, id: number): Memslot | undefined {
  for (const slot of allMemslots(vm)) if (slot.slot === id) return slot;
  return undefined;
}

/** @returns 0, or -ENOMEM */
function insert(vm: Block, region: Region): number {
  const { gpa, size, userAddress, flags, slot } = region;
  if (!isAccessible(vm.words, userAddress, size, PROT_READ) || !pinMapping(vm.words, userAddress, size)) {
    return insertUnbacked(vm, region);
  }
  const count = vm.get32(MEMSLOT_COUNT);
  let place = count;
  while (place > 0 && vm.getNumber(MEMSLOTS + (place - 1) * MEMSLOT_SIZE + MEMSLOT_GPA) > gpa) place--;
  const entry = MEMSLOTS + place * MEMSLOT_SIZE;
  move(vm, entry + MEMSLOT_SIZE, entry, (count - place) * MEMSLOT_SIZE);
  const isProtected =
    !isAccessible(vm.words, userAddress, size, PROT_WRITE) && (flags & KVM_MEM_READONLY) === 0;
  vm.setNumber(entry + MEMSLOT_GPA, gpa);
  vm.setNumber(entry + MEMSLOT_LENGTH, size);
  vm.set32(entry + MEMSLOT_USER_ADDRESS, userAddress);
  vm.set32(entry + MEMSLOT_FLAGS, isProtected ? flags | KVM_MEM_READONLY | WRITE_PROTECTED : flags);
  vm.set32(entry + MEMSLOT_ID, slot);
  vm.set32(entry + MEMSLOT_DIRTY_BITMAP, 0);
  vm.set32(MEMSLOT_COUNT, count + 1);
  if (isProtected) vm.set32(WRITE_PROTECTED_COUNT, vm.get32(WRITE_PROTECTED_COUNT) + 1);
  return 0;
}

function insertUnbacked(vm: Block, { gpa, size, userAddress, flags, slot }: Region): number {
  const count = vm.get32(UNBACKED_COUNT);
  if (count === MAX_UNBACKED) return -ENOMEM;
  const entry = UNBACKED + count * MEMSLOT_SIZE;
  vm.setNumber(entry + MEMSLOT_GPA, gpa);
  vm.setNumber(entry + MEMSLOT_LENGTH, size);
  vm.setNumber(entry + UNBACKED_USER_ADDRESS, userAddress);
  vm.set32(entry + UNBACKED_FLAGS, flags);
  vm.set32(entry + UNBACKED_ID, slot);
  vm.set32(UNBACKED_COUNT, count + 1);
  return 0;
}

function remove(vm: Block, { entry, backed, userAddress }: Memslot): number {
  const [table, counter] = backed ? [MEMSLOTS, MEMSLOT_COUNT] : [UNBACKED, UNBACKED_COUNT];
  if (backed) {
    unpinMapping(vm.words, userAddress);
    const isProtected = (vm.get32(entry + MEMSLOT_FLAGS) & WRITE_PROTECTED) !== 0;
    if (isProtected) vm.set32(WRITE_PROTECTED_COUNT, vm.get32(WRITE_PROTECTED_COUNT) - 1);
  }
  const count = vm.get32(counter) - 1;
  move(vm, entry, entry + MEMSLOT_SIZE, table + count * MEMSLOT_SIZE - entry);
  vm.set32(counter, count);
  return 0;
}

function move({ words, base }: Block, to: number, from: number, length: number): void {
  words.u8.copyWithin(base + to, base + from, base + from + length);
}

/** Lets go of all user memory: the VM is gone. The process lock is held. */
export function releaseMemslots(vm: Block): void {
  for (const slot of allMemslots(vm)) if (slot.backed) unpinMapping(vm.words, slot.userAddress);
}

/** Runs `body` while no vCPU is in guest code; all of them then drop what they knew of memory. */
function change(vm: Block, host: Host, body: () => number): number {
  const { words } = vm;
  const { i32 } = words;
  const paused = (vm.base + PAUSED) >>> 2;
  const vcpus = vcpusOf(vm);
  Atomics.store(i32, paused, 1);
  for (const vcpu of vcpus) request(vcpu, REQUEST_FLUSH_ALL, host);
  for (const vcpu of vcpus) {
    const inGuest = (vcpu.base + IN_GUEST) >>> 2;
    while (Atomics.load(i32, inGuest) !== 0) host.wait(i32, inGuest, 1, host.now() + LOOK_AGAIN);
  }
  const result = withLock(words, PROCESS_LOCK, host, body);
  Atomics.store(i32, paused, 0);
  host.wake(i32, paused);
  return result;
}
