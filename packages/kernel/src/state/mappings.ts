/**
 * User mappings: page ranges that `mmap` gave, sorted by address, growing down from the end of the memory.
 *
 * A memslot pins the mapping it lies in: its pages stay reserved after `munmap` until the memslot is gone, so that no
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

function setProtection(words: Words, entry: number, prot: number): void {
  const first = words.get32(PROTECTION_MAP) + words.get32(entry + START);
  words.u8.fill(prot, first, first + words.get32(entry + PAGES));
}

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
  words.u8.copyWithin(entryAt(index + 1), entryAt(index), entryAt(count));
  words.set32(MAPPING_COUNT, count + 1);
  const entry = entryAt(index);
  words.set32(entry + START, start);
  words.set32(entry + PAGES, pages);
  words.set32(entry + PINS, 1);
  words.set32(entry + FILE, file);
  setProtection(words, entry, prot);
  return start * PAGE;
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
 * Unmaps whole mappings. A range without any is fine, as on Linux; a part of one is not.
 * @returns blocks of the vCPUs whose file was mapped there, or `undefined` if the range cuts a mapping
 */
export function removeMappings(words: Words, address: number, length: number): number[] | undefined {
  const first = address / PAGE;
  const end = first + Math.ceil(length / PAGE);
  const found: number[] = [];
  for (let index = 0; index < words.get32(MAPPING_COUNT); index++) {
    const entry = entryAt(index);
    const start = words.get32(entry + START);
    const last = start + words.get32(entry + PAGES);
    if (last <= first || start >= end || !isMapped(words, start)) continue;
    // A vCPU's file is one mapping of two pages, of which user space may have asked for the first alone.
    if (words.get32(entry + FILE) === 0 && (start < first || last > end)) return undefined;
    found.push(start);
  }
  const files: number[] = [];
  for (const start of found) {
    const index = findMapping(words, start);
    const entry = entryAt(index);
    const file = words.get32(entry + FILE);
    setProtection(words, entry, 0);
    if (file === 0) release(words, index);
    else files.push(file);
  }
  return files;
}

const isMapped = (words: Words, page: number): boolean => words.u8[words.get32(PROTECTION_MAP) + page] !== 0;

/** Makes a vCPU's file visible to user space. @returns false if it was already */
export function exposeFile(words: Words, address: number, prot: number): boolean {
  const page = address / PAGE;
  const wasMapped = isMapped(words, page);
  setProtection(words, entryAt(findMapping(words, page)), prot);
  return !wasMapped;
}

/** Drops a vCPU's file together with the vCPU. */
export function removeFile(words: Words, address: number): void {
  const index = findMapping(words, address / PAGE);
  setProtection(words, entryAt(index), 0);
  release(words, index);
}

/**
 * Keeps the pages of a range reserved, whatever user space unmaps.
 * @returns false if the range is not inside one mapping that user space has
 */
export function pinMapping(words: Words, address: number, length: number): boolean {
  const index = findMapping(words, Math.floor(address / PAGE));
  if (index < 0) return false;
  const entry = entryAt(index);
  const end = (words.get32(entry + START) + words.get32(entry + PAGES)) * PAGE;
  if (address + length > end || words.get32(entry + FILE) !== 0) return false;
  if (!isMapped(words, words.get32(entry + START))) return false;
  words.set32(entry + PINS, words.get32(entry + PINS) + 1);
  return true;
}

export function unpinMapping(words: Words, address: number): void {
  release(words, findMapping(words, Math.floor(address / PAGE)));
}
