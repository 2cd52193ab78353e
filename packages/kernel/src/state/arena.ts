/**
 * The kernel's part of the process memory. From 1 MiB: a header (this file's words, the mappings, the descriptors), two
 * tables sized by the memory, then blocks of VMs and vCPUs growing up to the user mappings, which grow down.
 * All of it is written under the process lock.
 */
import { DEFAULT_PROFILE, PROFILES } from '@vkvm/uapi';

import type { Words } from './words.ts';

/** Changes with any offset of state/ that threads or snapshots share. */
export const LAYOUT_VERSION = 11;
const MAGIC = 0x4d56_4b56; // "VKVM"

/** Below it nothing is ever mapped: small literal pointers fall here. */
export const ARENA = 0x10_0000;
const HEADER_SIZE = 0x1_0000;
export const PAGE_SHIFT = 12;
const PAGE = 1 << PAGE_SHIFT;

const HEADER_MAGIC = ARENA + 0x00;
const HEADER_VERSION = ARENA + 0x04;
export const PROCESS_LOCK = ARENA + 0x08;
/** First byte after the blocks, as a page number. Page numbers, because 4 GiB does not fit in a word. */
export const BREAK = ARENA + 0x0c;
/** Pages of the memory. */
export const MEMORY_PAGES = ARENA + 0x10;
/** Pages in this range were never used, so they are zero: [highest break ever, lowest mapping ever). */
const CLEAN_START = ARENA + 0x14;
export const CLEAN_END = ARENA + 0x18;
/** First of the free blocks; each starts with {next, size}. */
const FREE_BLOCKS = ARENA + 0x1c;
/** Address of one byte a page: the PROT_* bits that user space has there; 0 = none. */
export const PROTECTION_MAP = ARENA + 0x20;
/** Address of the eventfd objects: eventfd.ts. */
export const EVENTFDS = ARENA + 0x24;
export const MAPPING_COUNT = ARENA + 0x28;
/** The last generation given out. */
const LAST_GENERATION = ARENA + 0x2c;
/** Which kernel this one behaves as: the `number` of a profile. Fixed: profile.ts. */
export const PROFILE = ARENA + 0x30;
/** Entries of mappings.ts, then descriptors of fd-table.ts. */
export const MAPPINGS = ARENA + 0x100;
export const MAPPING_SIZE = 32;
export const DESCRIPTORS = ARENA + 0x8000;
export const MAX_DESCRIPTORS = 4096;
export const DESCRIPTOR_SIZE = 8;
export const MAX_MAPPINGS = Math.floor((DESCRIPTORS - MAPPINGS) / MAPPING_SIZE);

export const EVENTFD_SIZE = 32;
const TABLES = ARENA + HEADER_SIZE;

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE);

/** @returns the layout version that a memory was formatted with, or 0 */
export function formattedVersion(words: Words): number {
  if (words.u32.byteLength < ARENA + HEADER_SIZE) return 0;
  return words.get32(HEADER_MAGIC) === MAGIC ? words.get32(HEADER_VERSION) : 0;
}

const NEWEST = PROFILES.find(({ name }) => name === DEFAULT_PROFILE)!.number;

/** Lays out an unused memory. @param profile - its number @returns false if the memory is too small */
export function formatArena(words: Words, profile: number = NEWEST): boolean {
  const pages = words.u32.byteLength / PAGE;
  const eventfds = TABLES + pagesOf(pages) * PAGE;
  const end = eventfds + MAX_DESCRIPTORS * EVENTFD_SIZE;
  if (end > words.u32.byteLength) return false;
  words.u8.fill(0, ARENA, end);
  words.set32(HEADER_VERSION, LAYOUT_VERSION);
  words.set32(MEMORY_PAGES, pages);
  words.set32(PROTECTION_MAP, TABLES);
  words.set32(EVENTFDS, eventfds);
  words.set32(PROFILE, profile);
  words.set32(BREAK, end >>> PAGE_SHIFT);
  words.set32(CLEAN_START, end >>> PAGE_SHIFT);
  words.set32(CLEAN_END, pages);
  words.set32(HEADER_MAGIC, MAGIC);
  return true;
}

/** First page of the user mappings. */
export const floorOfMappings = (words: Words): number =>
  words.get32(MAPPING_COUNT) === 0 ? words.get32(MEMORY_PAGES) : words.get32(MAPPINGS);

/**
 * A zeroed block. The process lock is held.
 * @param size - a multiple of 4096
 * @returns its address, or 0 if there is no room
 */
export function allocateBlock(words: Words, size: number): number {
  for (
    let link = FREE_BLOCKS, block = words.get32(link);
    block !== 0;
    link = block, block = words.get32(link)
  ) {
    if (words.get32(block + 4) !== size) continue;
    words.set32(link, words.get32(block));
    words.u8.fill(0, block, block + size);
    return block;
  }
  const start = words.get32(BREAK);
  const end = start + size / PAGE;
  if (end > floorOfMappings(words)) return 0;
  words.set32(BREAK, end);
  zeroUsed(words, start, end);
  if (end > words.get32(CLEAN_START)) words.set32(CLEAN_START, end);
  return start * PAGE;
}

/** Gives a block back. The process lock is held. */
export function freeBlock(words: Words, address: number, size: number): void {
  if (address / PAGE + size / PAGE === words.get32(BREAK)) {
    words.set32(BREAK, address / PAGE);
    return;
  }
  words.set32(address, words.get32(FREE_BLOCKS));
  words.set32(address + 4, size);
  words.set32(FREE_BLOCKS, address);
}

/** Zeroes what has been used of the pages [start, end). */
export function zeroUsed(words: Words, start: number, end: number): void {
  const cleanStart = words.get32(CLEAN_START);
  const cleanEnd = Math.max(cleanStart, words.get32(CLEAN_END));
  const before = Math.min(end, cleanStart);
  if (start < before) words.u8.fill(0, start * PAGE, before * PAGE);
  const after = Math.max(start, cleanEnd);
  if (after < end) words.u8.fill(0, after * PAGE, end * PAGE);
}

/** A number that no vCPU of the process has had. The process lock is held. */
export function nextGeneration(words: Words): number {
  const generation = words.get32(LAST_GENERATION) + 1;
  words.set32(LAST_GENERATION, generation);
  return generation;
}
