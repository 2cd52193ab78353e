/** Rows → the row that a word matches. Built once from the table; overlap of two rows is an error at load time. */
import type { Insn } from './pattern.ts';

/** Words are first sorted by bits 31:21, which no row but a few leaves all open. */
const INDEX_SHIFT = 21;
const INDEX_SIZE = 1 << (32 - INDEX_SHIFT);

const bitCount = (word: number): number => {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest &= rest - 1) count++;
  return count;
};

const covers = (wide: Insn, narrow: Insn): boolean =>
  (wide.mask & narrow.mask) >>> 0 === wide.mask && (narrow.value & wide.mask) >>> 0 === wide.value;

/**
 * Finds rows by word. Where two rows match, the one with more fixed bits is meant (an exception to a wider class);
 * rows that overlap otherwise are refused.
 */
export class DecodeTable {
  readonly rows: readonly Insn[];
  readonly #buckets: readonly (readonly Insn[])[];

  /** @throws RangeError if two rows match one word and neither is a special case of the other */
  constructor(rows: readonly Insn[]) {
    this.rows = rows;
    const counts = new Map(rows.map((row) => [row, bitCount(row.mask)]));
    const ordered = rows.toSorted((a, b) => counts.get(b)! - counts.get(a)!);
    rejectOverlap(ordered);
    const buckets: Insn[][] = Array.from({ length: INDEX_SIZE }, () => []);
    for (const row of ordered) {
      const value = row.value >>> INDEX_SHIFT;
      const open = ~(row.mask >>> INDEX_SHIFT) & (INDEX_SIZE - 1);
      // Counts down through the combinations of the open bits.
      let combination = open;
      do {
        buckets[value | combination]!.push(row);
        combination = (combination - 1) & open;
      } while (combination !== open);
    }
    this.#buckets = buckets;
  }

  /** @returns the row, or `undefined` if no row matches */
  find(word: number): Insn | undefined {
    const bucket = this.#buckets[word >>> INDEX_SHIFT]!;
    for (let i = 0; i < bucket.length; i++) {
      const row = bucket[i]!;
      if ((word & row.mask) >>> 0 === row.value) return row;
    }
    return undefined;
  }
}

/** @param rows - the narrower ones first */
function rejectOverlap(rows: readonly Insn[]): void {
  for (let i = 0; i < rows.length; i++) {
    const narrow = rows[i]!;
    for (let j = i + 1; j < rows.length; j++) {
      const wide = rows[j]!;
      const meet = ((narrow.value ^ wide.value) & narrow.mask & wide.mask) === 0;
      if (meet && !covers(wide, narrow))
        throw new RangeError(`encodings of ${narrow.name} and ${wide.name} overlap`);
    }
  }
}
