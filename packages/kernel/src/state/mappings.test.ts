import { PROT_READ, PROT_WRITE } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { BREAK, allocateBlock, formatArena, freeBlock } from './arena.ts';
import {
  addMapping,
  exposeFile,
  isAccessible,
  pinMapping,
  removeMappings,
  unpinMapping,
} from './mappings.ts';
import { Words } from './words.ts';

const MIB = 1 << 20;
const PAGE = 4096;
const BOTH = PROT_READ | PROT_WRITE;

function memory(mib = 16): Words {
  const pages = (mib * MIB) / 65_536;
  const words = new Words(new WebAssembly.Memory({ initial: pages, maximum: pages }));
  formatArena(words);
  return words;
}

describe('mappings', () => {
  test('grow down from the end, and fill gaps', () => {
    const words = memory();
    const a = addMapping(words, PAGE, BOTH, 0);
    const b = addMapping(words, 3 * PAGE, BOTH, 0);
    const c = addMapping(words, 1, BOTH, 0);
    expect([a, b, c]).toEqual([16 * MIB - PAGE, 16 * MIB - 4 * PAGE, 16 * MIB - 5 * PAGE]);
    removeMappings(words, b, 3 * PAGE);
    expect(addMapping(words, 2 * PAGE, BOTH, 0)).toBe(a - 2 * PAGE);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(b);
  });

  test('of 2 MiB and more are aligned to 2 MiB', () => {
    const words = memory();
    addMapping(words, PAGE, BOTH, 0);
    expect(addMapping(words, 2 * MIB, BOTH, 0)).toBe(12 * MIB);
  });

  test('are accessible as far as their protection goes, and nothing else is', () => {
    const words = memory();
    const both = addMapping(words, PAGE, BOTH, 0);
    const readable = addMapping(words, PAGE, PROT_READ, 0);
    expect(both).toBe(readable + PAGE);
    expect(isAccessible(words, readable, 2 * PAGE, PROT_READ)).toBe(true);
    expect(isAccessible(words, readable, 2 * PAGE, PROT_WRITE)).toBe(false);
    expect(isAccessible(words, both, PAGE, PROT_WRITE)).toBe(true);
    expect(isAccessible(words, both, PAGE + 1, PROT_READ)).toBe(false);
    expect(isAccessible(words, readable - 1, 1, PROT_READ)).toBe(false);
    for (const address of [0, 0xff000, MIB, -1, Number.NaN, 2 ** 40, Infinity, both + 0.5]) {
      expect(isAccessible(words, address, 1, PROT_READ), String(address)).toBe(false);
    }
  });

  test('meet the blocks in the middle', () => {
    const words = memory();
    expect(allocateBlock(words, 8 * MIB)).toBeGreaterThan(MIB);
    expect(addMapping(words, 8 * MIB, BOTH, 0)).toBe(0);
    expect(addMapping(words, 4 * MIB, BOTH, 0)).toBe(12 * MIB);
    expect(allocateBlock(words, 4 * MIB)).toBe(0);
  });

  test('are zero when they are given, whoever used them before', () => {
    const words = memory();
    const block = allocateBlock(words, 8 * MIB);
    words.u8.fill(1, block, block + 8 * MIB);
    freeBlock(words, block, 8 * MIB);
    const mapping = addMapping(words, 12 * MIB, BOTH, 0);
    expect(words.u8.subarray(mapping, mapping + 12 * MIB).every((byte) => byte === 0)).toBe(true);
    words.u8.fill(2, mapping, mapping + 12 * MIB);
    removeMappings(words, mapping, 12 * MIB);
    const next = allocateBlock(words, 12 * MIB);
    expect(words.u8.subarray(next, next + 12 * MIB).every((byte) => byte === 0)).toBe(true);
  });

  test('that are pinned stay reserved, and out of reach, after they are unmapped', () => {
    const words = memory();
    const mapping = addMapping(words, 2 * PAGE, BOTH, 0);
    expect(pinMapping(words, mapping + PAGE, PAGE)).toBe(true);
    expect(pinMapping(words, mapping - PAGE, 2 * PAGE)).toBe(false);
    removeMappings(words, mapping, 2 * PAGE);
    expect(isAccessible(words, mapping, 1, PROT_READ)).toBe(false);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(mapping - PAGE);
    expect(pinMapping(words, mapping, PAGE)).toBe(false);
    unpinMapping(words, mapping + PAGE, PAGE);
    expect(addMapping(words, 2 * PAGE, BOTH, 0)).toBe(mapping);
  });

  test('are pinned together where they adjoin', () => {
    const words = memory();
    const upper = addMapping(words, 2 * PAGE, BOTH, 0);
    const lower = addMapping(words, 2 * PAGE, BOTH, 0);
    expect(pinMapping(words, lower + PAGE, 2 * PAGE)).toBe(true);
    removeMappings(words, lower, 4 * PAGE);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(lower - PAGE);
    unpinMapping(words, lower + PAGE, 2 * PAGE);
    expect(addMapping(words, 4 * PAGE, BOTH, 0)).toBe(upper - 2 * PAGE);
  });

  test('may be unmapped in part: at either end, and in the middle', () => {
    const words = memory();
    const at = addMapping(words, 5 * PAGE, BOTH, 0);
    const pages = () => [0, 1, 2, 3, 4].map((page) => isAccessible(words, at + page * PAGE, PAGE, PROT_READ));
    expect(removeMappings(words, at + 2 * PAGE, PAGE)).toEqual([]);
    expect(pages()).toEqual([true, true, false, true, true]);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(at + 2 * PAGE);
    removeMappings(words, at, PAGE);
    removeMappings(words, at + 4 * PAGE, PAGE);
    expect(pages()).toEqual([false, true, true, true, false]);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(at + 4 * PAGE);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(at);
  });

  test('that may not be accessed are mappings too', () => {
    const words = memory();
    const at = addMapping(words, PAGE, 0, 0);
    expect(isAccessible(words, at, 1, PROT_READ)).toBe(false);
    removeMappings(words, at, PAGE);
    expect(addMapping(words, PAGE, BOTH, 0)).toBe(at);
  });

  test('of a vCPU file come and go in one place', () => {
    const words = memory();
    const file = addMapping(words, 2 * PAGE, 0, 0x1234_5000);
    expect(isAccessible(words, file, 1, PROT_READ)).toBe(false);
    expect([exposeFile(words, file, BOTH), exposeFile(words, file, BOTH)]).toEqual([true, false]);
    expect(removeMappings(words, file, PAGE)).toEqual([0x1234_5000]);
    expect(removeMappings(words, file, PAGE)).toEqual([]);
    expect(pinMapping(words, file, PAGE)).toBe(false);
  });
});

describe('blocks', () => {
  test('are given back to the arena from its end, and reused from its middle', () => {
    const words = memory();
    const end = words.get32(BREAK);
    const a = allocateBlock(words, MIB);
    const b = allocateBlock(words, MIB);
    words.u8.fill(1, a, a + MIB);
    freeBlock(words, a, MIB);
    expect(allocateBlock(words, MIB)).toBe(a);
    expect(words.u8.subarray(a, a + MIB).every((byte) => byte === 0)).toBe(true);
    freeBlock(words, b, MIB);
    freeBlock(words, a, MIB);
    expect(words.get32(BREAK)).toBe(end);
  });
});
