/**
 * Where the words of an ITS lie: a block of its own for each, in a list of the VM, until the VM is gone. Under the vGIC
 * lock; what has another rule says so.
 *
 * What commands have mapped is kept here as three tables of fixed size, which nothing a guest does can outgrow:
 * collections and devices by their number, and the translations, hashed by device and event. The tables in guest memory are only
 * written to be saved, as KVM does it: Documentation/virt/kvm/devices/arm-vgic-its.rst.
 */
import type { Words } from '../state/words.ts';

/** Address of the block of the next ITS, 0 = none; and of the VM. Fixed, but for the next: under the VM lock. */
export const ITS_NEXT = 0x00;
export const ITS_VM = 0x04;
/** Not 0: it has an address; then that address, 64 bits. Written under the VM lock. */
export const ITS_PLACED = 0x08;
export const ITS_BASE = 0x10;
/** GITS_CTLR.Enabled. */
export const ITS_ENABLED = 0x0c;
/** GITS_CBASER, 64 bits; GITS_CWRITER and GITS_CREADR, offsets in the queue. */
export const CBASER = 0x18;
export const CWRITER = 0x20;
export const CREADR = 0x24;
/** GITS_BASER0, of the devices, and GITS_BASER1, of the collections, 64 bits each. */
export const DEVICE_BASER = 0x28;
export const COLLECTION_BASER = 0x30;
/** How many translations there are. */
const TRANSLATION_COUNT = 0x38;

/** Devices, events and collections have numbers of 16 bits: GITS_TYPER. */
export const ID_BITS = 16;
export const ID_COUNT = 1 << ID_BITS;

/** By number: {@link NO_COLLECTION}, {@link UNMAPPED}, or {@link FIRST_TARGET} + the number of a redistributor. */
const COLLECTIONS = 0x1000;
export const NO_COLLECTION = 0;
export const UNMAPPED = 1;
export const FIRST_TARGET = 2;

/** By number: address of the interrupt translation table, bits that an event has (0 = not mapped), translations. */
const DEVICES = COLLECTIONS + ID_COUNT * 4;
const DEVICE_SIZE = 16;
const DEVICE_ITT = 0; // u64
const DEVICE_EVENT_BITS = 8; // u32
const DEVICE_TRANSLATIONS = 12; // u32

/** Open addressing. A slot: device and event, 16 bits each; then collection and LPI, where 0 is an empty slot. */
const TRANSLATIONS = DEVICES + ID_COUNT * DEVICE_SIZE;
const SLOT_BITS = 17;
const SLOT_COUNT = 1 << SLOT_BITS;
/** Half of the slots stay empty, so that one is soon found. */
export const MAX_TRANSLATIONS = SLOT_COUNT / 2;
export const ITS_BLOCK_SIZE = TRANSLATIONS + SLOT_COUNT * 8;

/** As many as a VM may have. */
export const MAX_ITSES = 32;

/** An ITS. A view. */
export interface Its {
  readonly words: Words;
  /** Address of its block. */
  readonly base: number;
}

/** A device that MAPD has mapped. */
export interface ItsDevice {
  /** Guest-physical. */
  readonly itt: number;
  readonly eventBits: number;
}

/** Where an event of a device leads. */
export interface Translation {
  readonly collection: number;
  readonly intid: number;
}

export const collectionOf = ({ words, base }: Its, id: number): number =>
  words.get32(base + COLLECTIONS + 4 * id);

export function setCollection(its: Its, id: number, value: number): void {
  // A page that was never written stays so.
  if (collectionOf(its, id) !== value) its.words.set32(its.base + COLLECTIONS + 4 * id, value);
}

export const hasCollection = (its: Its, id: number): boolean => collectionOf(its, id) !== NO_COLLECTION;
/** Whether it leads to a redistributor. */
export const isMappedCollection = (its: Its, id: number): boolean => collectionOf(its, id) >= FIRST_TARGET;

/** @param id - of 32 bits */
export function deviceOf({ words, base }: Its, id: number): ItsDevice | undefined {
  if (id >= ID_COUNT) return undefined;
  const entry = base + DEVICES + id * DEVICE_SIZE;
  const eventBits = words.get32(entry + DEVICE_EVENT_BITS);
  return eventBits === 0 ? undefined : { itt: words.getNumber(entry + DEVICE_ITT), eventBits };
}

/** @param eventBits - 1 to 32 */
export function addDevice({ words, base }: Its, id: number, { itt, eventBits }: ItsDevice): void {
  const entry = base + DEVICES + id * DEVICE_SIZE;
  words.setNumber(entry + DEVICE_ITT, itt);
  words.set32(entry + DEVICE_EVENT_BITS, eventBits);
}

/** Drops a device that has no translations any more. */
export function dropDevice({ words, base }: Its, id: number): void {
  const bits = base + DEVICES + id * DEVICE_SIZE + DEVICE_EVENT_BITS;
  // A page that was never written stays so.
  if (words.get32(bits) !== 0) words.set32(bits, 0);
}

const countOf = (device: number): number => DEVICES + device * DEVICE_SIZE + DEVICE_TRANSLATIONS;

/** How many translations a device has. */
export const translationsOf = ({ words, base }: Its, device: number): number =>
  words.get32(base + countOf(device));

export const translationCount = ({ words, base }: Its): number => words.get32(base + TRANSLATION_COUNT);

const keyOf = (device: number, event: number): number => ((device << ID_BITS) | event) >>> 0;
const homeOf = (key: number): number => Math.imul(key, 0x9e37_79b1) >>> (32 - SLOT_BITS);
const slotAt = ({ base }: Its, slot: number): number => (base + TRANSLATIONS + slot * 8) >>> 2;
const next = (slot: number): number => (slot + 1) & (SLOT_COUNT - 1);

/** The slot of a key, or the empty one where it would be. */
function find(its: Its, key: number): number {
  const { u32 } = its.words;
  let slot = homeOf(key);
  while (u32[slotAt(its, slot) + 1] !== 0 && u32[slotAt(its, slot)] !== key) slot = next(slot);
  return slot;
}

/** @param device, event - of 32 bits */
export function translate(its: Its, device: number, event: number): Translation | undefined {
  if (device >= ID_COUNT || event >= ID_COUNT) return undefined;
  const value = its.words.u32[slotAt(its, find(its, keyOf(device, event))) + 1]!;
  return value === 0 ? undefined : { collection: value >>> 16, intid: value & 0xffff };
}

/** Adds one that there is not, to a device that there is, or changes it. @returns false if there is no room */
export function setTranslation(
  its: Its,
  device: number,
  event: number,
  { collection, intid }: Translation,
): boolean {
  const { words, base } = its;
  const key = keyOf(device, event);
  const at = slotAt(its, find(its, key));
  if (words.u32[at + 1] === 0) {
    const count = translationCount(its);
    if (count === MAX_TRANSLATIONS) return false;
    words.set32(base + TRANSLATION_COUNT, count + 1);
    words.set32(base + countOf(device), words.get32(base + countOf(device)) + 1);
  }
  words.u32[at] = key;
  words.u32[at + 1] = (collection << 16) | intid;
  return true;
}

/** Drops one that there is. What was pushed on by it moves back. */
export function dropTranslation(its: Its, device: number, event: number): void {
  const { words, base } = its;
  const { u32 } = words;
  let hole = find(its, keyOf(device, event));
  for (let slot = next(hole); u32[slotAt(its, slot) + 1] !== 0; slot = next(slot)) {
    const home = homeOf(u32[slotAt(its, slot)]!);
    const distance = (slot - home) & (SLOT_COUNT - 1);
    if (distance < ((slot - hole) & (SLOT_COUNT - 1))) continue;
    u32[slotAt(its, hole)] = u32[slotAt(its, slot)]!;
    u32[slotAt(its, hole) + 1] = u32[slotAt(its, slot) + 1]!;
    hole = slot;
  }
  u32[slotAt(its, hole) + 1] = 0;
  words.set32(base + TRANSLATION_COUNT, translationCount(its) - 1);
  words.set32(base + countOf(device), words.get32(base + countOf(device)) - 1);
}

/** A translation and what it is of. */
export interface Event extends Translation {
  readonly device: number;
  readonly event: number;
}

/** All translations as they are now, in no order. */
export function allTranslations(its: Its): readonly Event[] {
  const { u32 } = its.words;
  const events: Event[] = [];
  for (let slot = 0; slot < SLOT_COUNT && events.length < translationCount(its); slot++) {
    const key = u32[slotAt(its, slot)]!;
    const value = u32[slotAt(its, slot) + 1]!;
    if (value === 0) continue;
    events.push({
      device: key >>> ID_BITS,
      event: key & (ID_COUNT - 1),
      collection: value >>> 16,
      intid: value & 0xffff,
    });
  }
  return events;
}
