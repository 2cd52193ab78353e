/**
 * What user space has asked to be done with stores outside of memory, instead of an exit: entries of the VM's block.
 * They are read and written under the state lock, the count also without it to see that there is nothing to find.
 */
import type { Block } from './block.ts';
import { STORE_BUS } from './vm-state.ts';

/** Number of entries; the rest is what was there before. */
export const STORE_BUS_COUNT = STORE_BUS;
const ENTRIES = STORE_BUS + 8;
const ENTRY_SIZE = 32;
/** Entries there are at most. Source: Linux include/linux/kvm_host.h, NR_IOBUS_DEVS. */
export const MAX_STORE_ENTRIES = 1000;

/** A zone whose stores are collected in the ring. */
export const STORE_COALESCED = 1;
/** A store that signals an eventfd. */
export const STORE_IOEVENTFD = 2;

/** An entry. */
export interface StoreEntry {
  readonly kind: 1 | 2;
  /** 0 = MMIO. Stores of others do not exist on arm64. */
  readonly space: number;
  /** Guest-physical address, 64 bits. */
  readonly gpa: bigint;
  /** Bytes; 0 = an ioeventfd that takes any. */
  readonly length: number;
  /** An ioeventfd's: the only value that matches; undefined = all. */
  readonly match: bigint | undefined;
  /** An ioeventfd's: address of the eventfd. */
  readonly eventfd: number;
}

const GPA = 0; // u64
const LENGTH = 8; // u32
const KIND = 12; // u32: kind in bits 7–0, space in 15–8, bit 16 = MATCH counts
const MATCH = 16; // u64
const EVENTFD = 24; // u32
const KIND_MASK = 0xff;
const SPACE_SHIFT = 8;
const HAS_MATCH = 1 << 16;

/** In the order they were added. */
export function storeEntries(vm: Block): StoreEntry[] {
  return Array.from({ length: vm.get32(STORE_BUS_COUNT) }, (_, index) => readEntry(vm, index));
}

function readEntry(vm: Block, index: number): StoreEntry {
  const entry = ENTRIES + index * ENTRY_SIZE;
  const kind = vm.get32(entry + KIND);
  return {
    kind: (kind & KIND_MASK) as StoreEntry['kind'],
    space: (kind >>> SPACE_SHIFT) & KIND_MASK,
    gpa: vm.get64(entry + GPA),
    length: vm.get32(entry + LENGTH),
    match: (kind & HAS_MATCH) === 0 ? undefined : vm.get64(entry + MATCH),
    eventfd: vm.get32(entry + EVENTFD),
  };
}

/** @returns whether there was room */
export function addStoreEntry(vm: Block, { kind, space, gpa, length, match, eventfd }: StoreEntry): boolean {
  const count = vm.get32(STORE_BUS_COUNT);
  if (count === MAX_STORE_ENTRIES) return false;
  const entry = ENTRIES + count * ENTRY_SIZE;
  vm.set64(entry + GPA, gpa);
  vm.set32(entry + LENGTH, length);
  vm.set32(entry + KIND, kind | (space << SPACE_SHIFT) | (match === undefined ? 0 : HAS_MATCH));
  vm.set64(entry + MATCH, match ?? 0n);
  vm.set32(entry + EVENTFD, eventfd);
  vm.set32(STORE_BUS_COUNT, count + 1);
  return true;
}

/** @param index - its place in {@link storeEntries} */
export function removeStoreEntry(vm: Block, index: number): void {
  const count = vm.get32(STORE_BUS_COUNT) - 1;
  const entry = vm.base + ENTRIES + index * ENTRY_SIZE;
  vm.words.u8.copyWithin(entry, entry + ENTRY_SIZE, vm.base + ENTRIES + (count + 1) * ENTRY_SIZE);
  vm.set32(STORE_BUS_COUNT, count);
}
