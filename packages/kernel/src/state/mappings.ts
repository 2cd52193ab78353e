/**
 * User mappings: page ranges that `mmap` gave, sorted by address, growing down from the end of the memory.
 *
 * A memslot pins the mappings it lies in: their pages stay reserved after `munmap` until the memslot is gone, so that no
 * guest ever reaches memory of somebody else. All functions want the process lock held, except {@link isAccessible}.
 */
import {
  BREAK,
  CLEAN_END,
  MAPPINGS,
  MAPPING_COUNT,
  MAPPING_SIZE,
  MAX_MAPPINGS,
  MEMORY_PAGES,
  PAGE_SHIFT,
  PROTECTION_MAP,
  zeroUsed,
} from './arena.ts';
import type { Words } from './words.ts';

/** Fields of an entry. */
const START = 0; // u32, page
const PAGES = 4; // u32
const PINS = 8; // u32: memslots in it, and 1 while user space has it mapped
const FILE = 12; // u32: block of the vCPU whose file it is; 0 = anonymous

const PAGE = 1 << PAGE_SHIFT;
/** In the protection map: user space has the page, even if it may do nothing with it. */
const MAPPED = 0x80;
/** From this size on, a mapping is aligned to 2 MiB, as transparent huge pages would have it. */
const HUGE_PAGES = 512;

/** A mapping is known by its place in the table, until the table changes. */
const entryAt = (index: number): number => MAPPINGS + index * MAPPING_SIZE;

/** Whether every byte of a range may be accessed so. @param prot - PROT_READ, PROT_WRITE or both */
export function isAccessible(words: Words, address: number, length: number, prot: number): boolean {
  const end = address + length;
  if (!(Number.isInteger(address) && address >= 0 && end <= words.u8.length)) return false;
  const map = words.get32(PROTECTION_MAP);
  const last = Math.ceil(end / PAGE);
  for (let page = Math.floor(address / PAGE); page < last; page++) {
    if ((words.u8[map + page]! & prot) !== prot) return false;
  }
  return true;
}

/** @param prot - PROT_* bits, or `undefined`: unmapped */
function setProtection(words: Words, start: number, pages: number, prot: number | undefined): void {
  const first = words.get32(PROTECTION_MAP) + start;
  words.u8.fill(prot === undefined ? 0 : prot | MAPPED, first, first + pages);
}

/** Protects the whole of a mapping. */
const protectEntry = (words: Words, entry: number, prot: number | undefined): void =>
  setProtection(words, words.get32(entry + START), words.get32(entry + PAGES), prot);

function findGap(words: Words, pages: number): { index: number; start: number } | undefined {
  let top = words.get32(MEMORY_PAGES);
  for (let index = words.get32(MAPPING_COUNT); index >= 0; index--) {
    const below =
      index === 0
        ? words.get32(BREAK)
        : words.get32(entryAt(index - 1) + START) + words.get32(entryAt(index - 1) + PAGES);
    if (top - below >= pages) {
      const start = top - pages;
      const aligned = start - (start % HUGE_PAGES);
      return { index, start: pages >= HUGE_PAGES && aligned >= below ? aligned : start };
    }
    if (index > 0) top = words.get32(entryAt(index - 1) + START);
  }
  return undefined;
}

/**
 * Maps zeroed pages.
 * @param file - block of the vCPU it belongs to, or 0
 * @returns its address, or 0 if there is no room
 */
export function addMapping(words: Words, length: number, prot: number, file: number): number {
  const pages = Math.ceil(length / PAGE);
  const count = words.get32(MAPPING_COUNT);
  const gap = count < MAX_MAPPINGS ? findGap(words, pages) : undefined;
  if (!gap) return 0;
  const { index, start } = gap;
  zeroUsed(words, start, start + pages);
  if (start < words.get32(CLEAN_END)) words.set32(CLEAN_END, start);
  insertEntry(words, index, { start, pages, file });
  // A vCPU's file is seen when it is mapped: exposeFile.
  if (file === 0) setProtection(words, start, pages, prot);
  return start * PAGE;
}

function insertEntry(
  words: Words,
  index: number,
  { start, pages, file }: { readonly start: number; readonly pages: number; readonly file: number },
): void {
  const count = words.get32(MAPPING_COUNT);
  words.u8.copyWithin(entryAt(index + 1), entryAt(index), entryAt(count));
  words.set32(MAPPING_COUNT, count + 1);
  const entry = entryAt(index);
  words.set32(entry + START, start);
  words.set32(entry + PAGES, pages);
  words.set32(entry + PINS, 1);
  words.set32(entry + FILE, file);
}

/** @returns the place of the mapping that holds a page, or -1 */
function findMapping(words: Words, page: number): number {
  let low = 0;
  let high = words.get32(MAPPING_COUNT);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (words.get32(entryAt(middle) + START) <= page) low = middle + 1;
    else high = middle;
  }
  const index = low - 1;
  if (index < 0) return -1;
  const entry = entryAt(index);
  return page < words.get32(entry + START) + words.get32(entry + PAGES) ? index : -1;
}

function release(words: Words, index: number): void {
  const entry = entryAt(index);
  const pins = words.get32(entry + PINS) - 1;
  words.set32(entry + PINS, pins);
  if (pins > 0) return;
  const count = words.get32(MAPPING_COUNT);
  words.u8.copyWithin(entry, entryAt(index + 1), entryAt(count));
  words.set32(MAPPING_COUNT, count - 1);
}

/**
 * Unmaps pages. A range without mappings is fine, as on Linux.
 *
 * What lies in a memslot stays reserved until no part of its mapping is in use.
 * @returns blocks of the vCPUs whose file was mapped there, once for each of their mappings; or `undefined` if the table
 *   has no room for the two parts of a mapping that is cut
 */
export function removeMappings(words: Words, address: number, length: number): number[] | undefined {
  const first = address / PAGE;
  const end = first + Math.ceil(length / PAGE);
  const found: number[] = [];
  for (let index = 0; index < words.get32(MAPPING_COUNT); index++) {
    const entry = entryAt(index);
    const start = words.get32(entry + START);
    const last = start + words.get32(entry + PAGES);
    if (last <= first || start >= end || !isInUse(words, entry)) continue;
    const isCut = words.get32(entry + FILE) === 0 && start < first && last > end;
    if (isCut && words.get32(MAPPING_COUNT) === MAX_MAPPINGS) return undefined;
    found.push(start);
  }
  const files: number[] = [];
  for (const start of found) {
    const file = unmapPart(words, findMapping(words, start), first, end);
    if (file !== 0) files.push(file);
  }
  return files;
}

/** @returns block of the vCPU whose file the mapping was, 0 = none */
function unmapPart(words: Words, index: number, first: number, end: number): number {
  const entry = entryAt(index);
  const start = words.get32(entry + START);
  const last = start + words.get32(entry + PAGES);
  const file = words.get32(entry + FILE);
  // A vCPU's file is one mapping, of which user space may have asked for the first page alone.
  if (file !== 0) {
    protectEntry(words, entry, undefined);
    return file;
  }
  const from = Math.max(start, first);
  const to = Math.min(last, end);
  setProtection(words, from, to - from, undefined);
  if (!isInUse(words, entry)) release(words, index);
  else if (words.get32(entry + PINS) === 1) {
    if (from === start) words.set32(entry + START, to);
    words.set32(entry + PAGES, from === start ? last - to : from - start);
    if (from > start && to < last) insertEntry(words, index + 1, { start: to, pages: last - to, file });
  }
  return 0;
}

const isMapped = (words: Words, page: number): boolean => words.u8[words.get32(PROTECTION_MAP) + page] !== 0;

/** Whether user space has any page of a mapping. */
function isInUse(words: Words, entry: number): boolean {
  const start = words.get32(entry + START);
  const last = start + words.get32(entry + PAGES);
  for (let page = start; page < last; page++) if (isMapped(words, page)) return true;
  return false;
}

/** Makes a vCPU's file visible to user space. @returns false if it was already */
export function exposeFile(words: Words, address: number, prot: number): boolean {
  const page = address / PAGE;
  const wasMapped = isMapped(words, page);
  protectEntry(words, entryAt(findMapping(words, page)), prot);
  return !wasMapped;
}

/** Drops a vCPU's file together with the vCPU. */
export function removeFile(words: Words, address: number): void {
  const index = findMapping(words, address / PAGE);
  protectEntry(words, entryAt(index), undefined);
  release(words, index);
}

/** Places in the table of the mappings that a range lies in; `undefined` = there is a gap between them. */
function mappingsOf(words: Words, address: number, length: number): number[] | undefined {
  const last = Math.ceil((address + length) / PAGE);
  const found: number[] = [];
  for (let page = Math.floor(address / PAGE); page < last;) {
    const index = findMapping(words, page);
    if (index < 0) return undefined;
    found.push(index);
    page = words.get32(entryAt(index) + START) + words.get32(entryAt(index) + PAGES);
  }
  return found;
}

/**
 * Keeps the pages of a range reserved, whatever user space unmaps. The range may cross from one mapping to the next.
 * @returns false if it is not all in mappings that user space has, or in a vCPU's file
 */
export const pinMapping = (words: Words, address: number, length: number): boolean =>
  isAccessible(words, address, length, MAPPED) && pinPages(words, address, length);

/** {@link pinMapping} of pages that user space need not have. */
export function pinPages(words: Words, address: number, length: number): boolean {
  const mappings = mappingsOf(words, address, length);
  if (!mappings || mappings.some((index) => words.get32(entryAt(index) + FILE) !== 0)) return false;
  for (const index of mappings) {
    const pins = entryAt(index) + PINS;
    words.set32(pins, words.get32(pins) + 1);
  }
  return true;
}

/** Zeroed pages that user space does not have; {@link unpinMapping} gives them back. @returns their address, 0 = no room */
export function reservePages(words: Words, length: number): number {
  const address = addMapping(words, length, 0, 0);
  if (address !== 0) setProtection(words, address / PAGE, Math.ceil(length / PAGE), undefined);
  return address;
}

/** Gives user space some pages of a {@link reservePages}, until it unmaps all it has of them. */
export function exposePages(words: Words, address: number, length: number, prot: number): void {
  const entry = entryAt(findMapping(words, address / PAGE));
  if (!isInUse(words, entry)) words.set32(entry + PINS, words.get32(entry + PINS) + 1);
  setProtection(words, address / PAGE, Math.ceil(length / PAGE), prot);
}

/** Undoes a {@link pinMapping} of the same range. */
export function unpinMapping(words: Words, address: number, length: number): void {
  // From the end, because a release moves what is behind it.
  for (const index of mappingsOf(words, address, length)?.toReversed() ?? []) release(words, index);
}
