/**
 * The tables of an ITS in guest memory: where an entry lies, and their contents as KVM saves and restores them, which
 * is revision 0 of its ABI. Source: Documentation/virt/kvm/devices/arm-vgic-its.rst, "ITS Table ABI REV0".
 *
 * Of GITS_BASERn: Arm IHI 0069, 12.19.
 */
import { EEXIST, EFAULT, EINVAL, ENOMEM } from '@vkvm/uapi';

import { Block } from '../state/block.ts';
import { hasMemory, readGuest64, writeGuest64 } from '../state/guest-memory.ts';
import { vcpuById } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import {
  COLLECTION_BASER,
  DEVICE_BASER,
  FIRST_TARGET,
  ID_BITS,
  ID_COUNT,
  NO_COLLECTION,
  UNMAPPED,
  addDevice,
  allTranslations,
  collectionOf,
  deviceOf,
  dropDevice,
  dropTranslation,
  hasCollection,
  setCollection,
  setTranslation,
} from './its-state.ts';
import type { Event, Its } from './its-state.ts';
import { LPI_END, isLpi, releaseLpi } from './lpi-state.ts';
import type { Lpis } from './lpi-state.ts';
import { lpisOf, mapLpi } from './lpis.ts';

/** Bytes of an entry of any table. */
export const ENTRY_SIZE = 8;
const PAGE = 0x1_0000;
const ENTRIES_PER_PAGE = PAGE / ENTRY_SIZE;

const VALID = 1n << 63n;
const INDIRECT = 1n << 62n;
const SIZE_MASK = 0xffn;
/** Entry of a table of tables: its address. */
const L1_ADDRESS = 0x000f_ffff_ffff_0000n;

/** Collection entry: valid; redistributor; number. */
const CTE_TARGET_SHIFT = 16n;
const CTE_ID_MASK = 0xffffn;
const CTE_TARGET_MASK = 0xffff_ffffn;
/** The redistributor of a collection that has none. */
const CTE_NO_TARGET = 0xffff_ffffn;
/** Device entry: valid; how far it is to the next; address of the translation table; bits of an event, less one. */
const DTE_NEXT_SHIFT = 49n;
const DTE_MAX_NEXT = 0x3fff;
const DTE_ITT_SHIFT = 5n;
const DTE_ITT_MASK = 0xfff_ffff_ffffn;
const DTE_ITT_UNIT = 256;
const DTE_SIZE_MASK = 0x1fn;
/** Interrupt translation entry: how far it is to the next; INTID, where 0 is no entry; collection. */
const ITE_NEXT_SHIFT = 48n;
const ITE_MAX_NEXT = 0xffff;
const ITE_INTID_SHIFT = 16n;
const ITE_INTID_MASK = 0xffff_ffffn;
const ITE_COLLECTION_MASK = 0xffffn;

/** Entries that one restore looks at: tables that were saved have far fewer, but guest memory can say anything. */
const MAX_SCANNED = 1 << 21;

export const isValidBase = (base: bigint): boolean => (base & VALID) !== 0n;

/** Bits 47 to 16 of the address are in place; bits 51 to 48 lie at 15 to 12. */
const addressOf = (baser: bigint): number => Number((baser & 0xffff_ffff_0000n) | ((baser & 0xf000n) << 36n));
const tableSize = (baser: bigint): number => (Number(baser & SIZE_MASK) + 1) * PAGE;

const vmOf = ({ words, vm }: Gic): Block => new Block(words, vm);

/**
 * Where the entry of a device or collection lies.
 * @param register - DEVICE_BASER or COLLECTION_BASER
 * @returns its guest-physical address, or -1: the table has no place for it
 */
export function entryAddress(gic: Gic, { words, base }: Its, register: number, id: number): number {
  if (id >= ID_COUNT) return -1;
  const vm = vmOf(gic);
  const baser = words.get64(base + register);
  let address = addressOf(baser);
  if ((baser & INDIRECT) === 0n) {
    if (id >= tableSize(baser) / ENTRY_SIZE) return -1;
    address += id * ENTRY_SIZE;
  } else {
    const index = Math.floor(id / ENTRIES_PER_PAGE);
    if (index >= tableSize(baser) / ENTRY_SIZE) return -1;
    const level2 = readGuest64(vm, address + index * ENTRY_SIZE);
    if (level2 === undefined || (level2 & VALID) === 0n) return -1;
    address = Number(level2 & L1_ADDRESS) + (id % ENTRIES_PER_PAGE) * ENTRY_SIZE;
  }
  return hasMemory(vm, address) ? address : -1;
}

/** Clears an entry. */
export function clearEntry(gic: Gic, address: number): void {
  writeGuest64(vmOf(gic), address, 0n);
}

/** Drops a translation, and its hold on the LPI. */
export function unmapEvent(its: Its, lpis: Lpis | undefined, { device, event, intid }: Event): void {
  if (lpis) releaseLpi(lpis, intid);
  dropTranslation(its, device, event);
}

export function unmapAllDevices(gic: Gic, its: Its): void {
  const lpis = lpisOf(gic);
  for (const event of allTranslations(its)) unmapEvent(its, lpis, event);
  for (let id = 0; id < ID_COUNT; id++) dropDevice(its, id);
}

export function unmapAllCollections(its: Its): void {
  for (let id = 0; id < ID_COUNT; id++) setCollection(its, id, NO_COLLECTION);
}

/** KVM_DEV_ARM_ITS_SAVE_TABLES. @returns 0; -EINVAL an entry has no place; -EFAULT no memory */
export function saveTables(gic: Gic, its: Its): number {
  return saveDevices(gic, its) || saveCollections(gic, its);
}

function saveDevices(gic: Gic, its: Its): number {
  const { words, base } = its;
  if (!isValidBase(words.get64(base + DEVICE_BASER))) return 0;
  const vm = vmOf(gic);
  const events = Map.groupBy(allTranslations(its), ({ device }) => device);
  const ids = Array.from({ length: ID_COUNT }, (_, id) => id).filter((id) => deviceOf(its, id) !== undefined);
  for (const [place, id] of ids.entries()) {
    const address = entryAddress(gic, its, DEVICE_BASER, id);
    const device = deviceOf(its, id);
    if (address < 0 || !device) return -EINVAL;
    if (!saveEvents(vm, device.itt, events.get(id) ?? [])) return -EFAULT;
    const next = Math.min((ids[place + 1] ?? id) - id, DTE_MAX_NEXT);
    const entry =
      VALID |
      (BigInt(next) << DTE_NEXT_SHIFT) |
      (BigInt(device.itt / DTE_ITT_UNIT) << DTE_ITT_SHIFT) |
      BigInt(device.eventBits - 1);
    if (!writeGuest64(vm, address, entry)) return -EFAULT;
  }
  return 0;
}

/** @returns whether there was memory for all */
function saveEvents(vm: Block, itt: number, unordered: readonly Event[]): boolean {
  const events = unordered.toSorted((a, b) => a.event - b.event);
  return events.every(({ event, intid, collection }, place) => {
    const next = Math.min((events[place + 1]?.event ?? event) - event, ITE_MAX_NEXT);
    const entry = (BigInt(next) << ITE_NEXT_SHIFT) | (BigInt(intid) << ITE_INTID_SHIFT) | BigInt(collection);
    return writeGuest64(vm, itt + event * ENTRY_SIZE, entry);
  });
}

function saveCollections(gic: Gic, its: Its): number {
  const { words, base } = its;
  const baser = words.get64(base + COLLECTION_BASER);
  if (!isValidBase(baser)) return 0;
  const vm = vmOf(gic);
  const end = addressOf(baser) + tableSize(baser);
  let address = addressOf(baser);
  for (let id = 0; id < ID_COUNT; id++) {
    const value = collectionOf(its, id);
    if (value === NO_COLLECTION) continue;
    const target = value === UNMAPPED ? CTE_NO_TARGET : BigInt(value - FIRST_TARGET);
    // Restoring may have read more than the table has room for: then it has changed since.
    if (address === end) return -EINVAL;
    if (!writeGuest64(vm, address, VALID | (target << CTE_TARGET_SHIFT) | BigInt(id))) return -EFAULT;
    address += ENTRY_SIZE;
  }
  // What is not valid ends the table.
  return address === end || writeGuest64(vm, address, 0n) ? 0 : -EFAULT;
}

/** KVM_DEV_ARM_ITS_RESTORE_TABLES. @returns 0; -EINVAL no such table was ever saved; -EEXIST; -EFAULT; -ENOMEM */
export function restoreTables(gic: Gic, its: Its): number {
  let error = restoreCollections(gic, its);
  if (error === 0) error = restoreDevices(gic, its);
  if (error !== 0) unmapAllCollections(its);
  return error;
}

function restoreCollections(gic: Gic, its: Its): number {
  const { words, base } = its;
  const baser = words.get64(base + COLLECTION_BASER);
  if (!isValidBase(baser)) return 0;
  const vm = vmOf(gic);
  for (let read = 0; read < tableSize(baser); read += ENTRY_SIZE) {
    const entry = readGuest64(vm, addressOf(baser) + read);
    if (entry === undefined) return -EFAULT;
    if ((entry & VALID) === 0n) return 0;
    const id = Number(entry & CTE_ID_MASK);
    const target = (entry >> CTE_TARGET_SHIFT) & CTE_TARGET_MASK;
    const isMapped = target !== CTE_NO_TARGET;
    if (isMapped && vcpuById(gic, Number(target)) === 0) return -EINVAL;
    if (hasCollection(its, id)) return -EEXIST;
    if (entryAddress(gic, its, COLLECTION_BASER, id) < 0) return -EINVAL;
    setCollection(its, id, isMapped ? FIRST_TARGET + Number(target) : UNMAPPED);
  }
  return 0;
}

/** One restore of the devices, and how much it may still look at. */
interface Restore {
  readonly gic: Gic;
  readonly its: Its;
  readonly vm: Block;
  readonly lpis: Lpis;
  left: number;
}

/** @returns entries to the next; 0 it was the last; -errno */
type EntryReader = (restore: Restore, id: number, entry: bigint) => number;

/** Goes through a table. @returns 1 its end was reached; 0 the last entry was; -errno */
function scan(restore: Restore, address: number, count: number, firstId: number, read: EntryReader): number {
  for (let place = 0; place < count;) {
    if (restore.left-- === 0) return -EINVAL;
    const entry = readGuest64(restore.vm, address + place * ENTRY_SIZE);
    if (entry === undefined) return -EFAULT;
    const step = read(restore, firstId + place, entry);
    if (step <= 0) return step;
    place += step;
  }
  return 1;
}

function restoreDevices(gic: Gic, its: Its): number {
  const baser = its.words.get64(its.base + DEVICE_BASER);
  const lpis = lpisOf(gic);
  if (!isValidBase(baser) || !lpis) return 0;
  const restore: Restore = { gic, its, vm: vmOf(gic), lpis, left: MAX_SCANNED };
  const reader = (baser & INDIRECT) === 0n ? restoreDevice : restoreLevel2;
  const result = scan(restore, addressOf(baser), tableSize(baser) / ENTRY_SIZE, 0, reader);
  if (result >= 0) return 0;
  unmapAllDevices(gic, its);
  return result;
}

const restoreLevel2: EntryReader = (restore, id, entry) =>
  (entry & VALID) === 0n
    ? 1
    : scan(restore, Number(entry & L1_ADDRESS), ENTRIES_PER_PAGE, id * ENTRIES_PER_PAGE, restoreDevice);

const restoreDevice: EntryReader = (restore, id, entry) => {
  const { gic, its } = restore;
  if ((entry & VALID) === 0n) return 1;
  const eventBits = Number(entry & DTE_SIZE_MASK) + 1;
  const itt = Number((entry >> DTE_ITT_SHIFT) & DTE_ITT_MASK) * DTE_ITT_UNIT;
  if (entryAddress(gic, its, DEVICE_BASER, id) < 0 || eventBits > ID_BITS) return -EINVAL;
  if (deviceOf(its, id)) return -EINVAL;
  addDevice(its, id, { itt, eventBits });
  const events = scan(restore, itt, 2 ** eventBits, 0, restoreEvent(id, 2 ** eventBits));
  return events < 0 ? events : Number((entry >> DTE_NEXT_SHIFT) & BigInt(DTE_MAX_NEXT));
};

const restoreEvent =
  (device: number, end: number): EntryReader =>
  ({ gic, its, vm, lpis }, event, entry) => {
    const intid = Number((entry >> ITE_INTID_SHIFT) & ITE_INTID_MASK);
    if (intid === 0) return 1;
    const collection = Number(entry & ITE_COLLECTION_MASK);
    const next = Number(entry >> ITE_NEXT_SHIFT);
    if (!isLpi(intid) || intid >= LPI_END || event + next >= end) return -EINVAL;
    if (!hasCollection(its, collection)) return -EINVAL;
    if (!hasMemory(vm, (deviceOf(its, device)?.itt ?? 0) + event * ENTRY_SIZE)) return -EINVAL;
    return mapEvent(gic, its, lpis, { device, event, intid, collection }) || next;
  };

/** Adds a translation that there is not. @returns 0; -ENOMEM too many; -EFAULT the LPI's tables are not in memory */
export function mapEvent(gic: Gic, its: Its, lpis: Lpis, event: Event): number {
  const { intid, collection } = event;
  if (!setTranslation(its, event.device, event.event, event)) return -ENOMEM;
  if (mapLpi(gic, lpis, intid, targetOfCollection(gic, its, collection))) return 0;
  dropTranslation(its, event.device, event.event);
  return -EFAULT;
}

/** Address of the block of the vCPU that a collection leads to, or 0. */
export function targetOfCollection(gic: Gic, its: Its, id: number): number {
  const value = collectionOf(its, id);
  return value < FIRST_TARGET ? 0 : vcpuById(gic, value - FIRST_TARGET);
}
