import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { INSNS } from '../../packages/kernel/src/a64/table.ts';
import { binutilsVersion, hasBinutils } from './binutils.ts';
import { compareWithBinutils, ourCensus, wordsOf } from './census.ts';
import { classOf } from './classes.ts';
import { ANNOUNCED, CONTRADICTORY, smallestMarch, UNANNOUNCED } from './extensions.ts';
import { instructionsPage } from './page.ts';
import { readRecord } from './record.ts';
import { DISAGREEMENTS } from './reviewed.ts';
import { SAMPLES } from './samples.ts';
import { extensionOf } from './unannounced.ts';
import { rowOf } from './verdict.ts';

const PAGE = new URL('../../docs/instructions.md', import.meta.url);

describe('the encoding table', () => {
  test('is the page in docs', () => {
    expect(readFileSync(PAGE, 'utf8'), 'run pnpm encodings').toBe(instructionsPage());
  });

  test('has a class for every row', () => {
    for (const row of INSNS) expect(() => classOf(row)).not.toThrow();
  });

  test('leaves only the class of UDF empty', () => {
    const [empty, ...more] = instructionsPage().split('No word of this class is allocated').slice(0, -1);
    expect(empty).toMatch(/### UDF\n\n\S.*\n\n$/);
    expect(more).toEqual([]);
  });

  test('has no row for what is not announced', () => {
    expect(CONTRADICTORY).toEqual([]);
    expect(UNANNOUNCED.filter(({ march }) => march !== undefined).map(({ name }) => name)).toEqual([]);
    for (const sample of SAMPLES) {
      const both = wordsOf(sample, 100_000).filter(
        (word) => extensionOf(word) !== undefined && rowOf(word) !== undefined,
      );
      expect([...both].map((word) => word.toString(16))).toEqual([]);
    }
  });

  test('names an architecture that has all that is announced', () => {
    expect(smallestMarch()).toBe(readRecord().march);
    expect(ANNOUNCED.length).toBeGreaterThan(5);
  });
});

describe('binutils', () => {
  test.each(SAMPLES)('has the same words as the table: $name', { timeout: 60_000 }, (sample) => {
    expect(ourCensus(wordsOf(sample)), 'run pnpm encodings --record').toEqual(
      readRecord().samples[sample.name],
    );
  });

  test('is of another opinion only where that was reviewed', () => {
    expect(Object.keys(readRecord().reviewed).toSorted()).toEqual(
      DISAGREEMENTS.map(({ why }) => why).toSorted(),
    );
  });

  test.for(SAMPLES)('says so today: the beginning of $name', { timeout: 60_000 }, (sample, { skip }) => {
    if (!hasBinutils()) skip('binutils-aarch64-linux-gnu is not installed');
    if (binutilsVersion() !== readRecord().binutils) skip('binutils is another version');
    expect(compareWithBinutils(wordsOf(sample, 20_000)).mismatches).toEqual([]);
  });
});
