import { describe, expect, test } from 'vitest';
import { DecodeTable } from './decode.ts';
import type { DecodeSite } from './pattern.ts';
import { INSNS } from './table.ts';

const SITE: DecodeSite = { offset: 0x800, plainSysreg: () => -1 };

let state = 0x1234_5679;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}

describe('the instruction table', () => {
  test('has no two encodings that overlap without one being the exception of the other', () => {
    expect(() => new DecodeTable(INSNS)).not.toThrow();
  });

  test('names every row once', () => {
    const names = INSNS.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  test('selects a handler that exists, or none, for any word', () => {
    const wrong = INSNS.flatMap((row) => {
      for (let n = 0; n < 300; n++) {
        const word = (row.value | (random() & ~row.mask)) >>> 0;
        const handler = row.select(word, SITE);
        if (!Number.isInteger(handler) || handler < -1 || handler >= row.size) return [row.name];
      }
      return [];
    });
    expect(wrong).toEqual([]);
  });

  test('gives operands that a decoded op can hold', () => {
    const fits = (value = 0): boolean => Number.isInteger(value) && value >= 0 && value < 0x1_0000;
    const wrong = INSNS.flatMap((row) => {
      for (let n = 0; n < 300; n++) {
        const word = (row.value | (random() & ~row.mask)) >>> 0;
        if (row.select(word, SITE) < 0) continue;
        const { a, b, c, imm = 0 } = row.operands(word, SITE);
        if (!fits(a) || !fits(b) || !fits(c) || !Number.isSafeInteger(imm)) return [row.name];
      }
      return [];
    });
    expect(wrong).toEqual([]);
  });

  test('keeps the dispatch loop small enough for the optimizing compiler', () => {
    const count = (hot: boolean): number =>
      INSNS.reduce(
        (sum, row) =>
          sum + Array.from({ length: row.size }, (_, n) => row.isHot(n)).filter((is) => is === hot).length,
        0,
      );
    expect(count(true)).toBeGreaterThan(250);
    expect(count(true)).toBeLessThan(340);
    expect(count(false)).toBeLessThan(2700);
  });
});
