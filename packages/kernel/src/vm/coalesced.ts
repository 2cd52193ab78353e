/**
 * Coalesced MMIO: stores to a zone are collected in a ring and cause no exit while it has room. Source: Linux
 * virt/kvm/coalesced_mmio.c; Documentation/virt/kvm/api.rst, 4.116.
 *
 * Linux has one ring that each vCPU's file shows. Here each file has a page of its own, so all pages are written, and
 * the consumer's index is taken from the page in which it has moved.
 */
import { EINVAL, ENOSPC, PAGE_SIZE, kvmCoalescedMmio, kvmCoalescedMmioRing, releaseNumber } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { since } from '../state/profile.ts';
import { STORE_COALESCED, addStoreEntry, removeStoreEntry, storeEntries } from '../state/store-bus.ts';
import { RUN_PAGE } from '../state/vcpu-state.ts';
import { STATE_LOCK } from '../state/vm-control.ts';
import { COALESCED_FIRST } from '../state/vm-state.ts';
import { vcpusOf } from './vcpus.ts';

/** A range of guest-physical addresses. */
export interface Zone {
  readonly gpa: bigint;
  readonly size: number;
  /** 0 = MMIO, 1 = port I/O, which is accepted and never happens. */
  readonly pio: number;
}

const CAPACITY = Math.floor((PAGE_SIZE - kvmCoalescedMmioRing.size) / kvmCoalescedMmio.size);
const { first: FIRST, last: LAST } = kvmCoalescedMmioRing.offsets;
const { phys_addr: PHYS_ADDR, len: LEN, pio: PIO, data: DATA } = kvmCoalescedMmio.offsets;
const MOST_PIO = 1;
/** Until here the room is computed with a wrap at 2³² first, which leaves 85 entries to a consumer that stays at 0. */
const WHOLE_RING = releaseNumber('6.12');

/** KVM_REGISTER_COALESCED_MMIO. @returns 0; -EINVAL neither MMIO nor port I/O; -ENOSPC */
export function registerZone(vm: Block, { gpa, size, pio }: Zone, host: Host): number {
  if (pio > MOST_PIO) return -EINVAL;
  const entry = {
    kind: STORE_COALESCED,
    space: pio,
    gpa,
    length: size,
    match: undefined,
    eventfd: 0,
  } as const;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => (addStoreEntry(vm, entry) ? 0 : -ENOSPC));
}

/** KVM_UNREGISTER_COALESCED_MMIO: of every zone that holds this one. @returns 0; -EINVAL as above */
export function unregisterZone(vm: Block, { gpa, size, pio }: Zone, host: Host): number {
  if (pio > MOST_PIO) return -EINVAL;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    for (const [index, entry] of [...storeEntries(vm).entries()].toReversed()) {
      const isIt = entry.kind === STORE_COALESCED && entry.space === pio;
      if (isIt && holdsRange(entry, gpa, size)) removeStoreEntry(vm, index);
    }
    return 0;
  });
}

/** Whether a range is inside of another; an empty one is where its address is. Linux takes the length for signed. */
export function holdsRange(
  zone: { readonly gpa: bigint; readonly length: number },
  gpa: bigint,
  length: number,
): boolean {
  const end = zone.gpa + BigInt(zone.length);
  return length >>> 31 === 0 && gpa >= zone.gpa && gpa + BigInt(length) <= end;
}

/**
 * Puts a store into the ring. The state lock is held.
 *
 * @param data - address of its 8 bytes in the process memory
 * @returns whether there was room
 */
export function appendStore(vm: Block, gpa: number, length: number, data: number): boolean {
  const { words } = vm;
  const rings = vcpusOf(vm).map((vcpu) => vcpu.get32(RUN_PAGE) + PAGE_SIZE);
  const known = vm.get32(COALESCED_FIRST);
  const first = rings.map((ring) => words.get32(ring + FIRST)).find((value) => value !== known) ?? known;
  const [anyRing = 0] = rings;
  const last = words.get32(anyRing + LAST);
  if (last >= CAPACITY || isFull(vm, first, last)) return false;
  vm.set32(COALESCED_FIRST, first);
  const next = (last + 1) % CAPACITY;
  for (const ring of rings) {
    const entry = ring + kvmCoalescedMmioRing.size + last * kvmCoalescedMmio.size;
    words.setNumber(entry + PHYS_ADDR, gpa);
    words.set32(entry + LEN, length);
    words.set32(entry + PIO, 0);
    words.u8.fill(0, entry + DATA + length, entry + kvmCoalescedMmio.size);
    words.u8.copyWithin(entry + DATA, data, data + length);
    words.set32(ring + FIRST, first);
    // The entry is whole before its index is seen. Pairs with user space's load of `last`.
    Atomics.store(words.u32, (ring + LAST) >>> 2, next);
  }
  return true;
}

/** One entry stays free, so that a full ring differs from an empty one. */
function isFull(vm: Block, first: number, last: number): boolean {
  if (since(vm, WHOLE_RING)) return (last + 1) % CAPACITY === first;
  return ((first - last - 1) >>> 0) % CAPACITY === 0;
}
