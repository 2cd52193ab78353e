import { describe, expect, test } from 'vitest';
import { DecodeTable } from '../../packages/kernel/src/a64/decode.ts';
import { INSNS } from '../../packages/kernel/src/a64/table.ts';
import { CHUNK_CASES, chunkOf } from './cases.ts';

describe('the cases of a campaign', () => {
  test('follow from seed and chunk', () => {
    expect(chunkOf(7, 3, 50)).toEqual(chunkOf(7, 3, 50));
    expect(chunkOf(7, 4, 50)).not.toEqual(chunkOf(7, 3, 50));
    expect(chunkOf(8, 3, 50)).not.toEqual(chunkOf(7, 3, 50));
  });

  test('reach most rows in one chunk, and words that no row takes', () => {
    const table = new DecodeTable(INSNS);
    const rows = new Set(
      chunkOf(1, 0, CHUNK_CASES).flatMap(({ words }) => words.map((word) => table.find(word)?.name)),
    );
    expect(rows.size).toBeGreaterThan(0.9 * INSNS.length - 20);
    expect(rows).toContain(undefined);
  });

  test('store exclusively only to SP, with the size of the load before', () => {
    const exclusive = (word: number): boolean =>
      (word & 0x3f80_0000) === 0x0800_0000 && (word & 0x8020_0000) !== 0x0020_0000;
    const isLoad = (word: number): boolean => (word & 0x0040_0000) !== 0;
    const sequences = chunkOf(1, 1, CHUNK_CASES)
      .filter(({ profile }) => profile === 'aligned')
      .map(({ words }) => words.filter(exclusive));
    const pairs = sequences.flatMap((words) =>
      words.flatMap((word, i) =>
        i > 0 && isLoad(words[i - 1]!) && !isLoad(word) ? [[words[i - 1]!, word]] : [],
      ),
    );
    expect(pairs.length).toBeGreaterThan(5);
    for (const [load, store] of pairs) expect(store! & 0xc020_0000).toBe(load! & 0xc020_0000);
    for (const word of sequences.flat()) expect((word >>> 5) & 31).toBe(31);
  });
});
