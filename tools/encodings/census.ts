/** Counts and hashes of what is made of a sample: by the decode table alone, and by binutils. */
import { createHash } from 'node:crypto';
import { askBinutils, type Opinion } from './binutils.ts';
import { smallestMarch } from './extensions.ts';
import { disagreementOf } from './reviewed.ts';
import type { Sample } from './samples.ts';
import { extensionOf } from './unannounced.ts';
import { isSystemAccess, rowOf } from './verdict.ts';

/** What a word is. `later` belongs to an extension that is not announced; `system` is for the rows of sysreg/. */
const KINDS = ['refused', 'taken', 'later', 'system'] as const;
export type Kind = (typeof KINDS)[number];

export interface Census {
  readonly words: number;
  readonly counts: Readonly<Record<Kind, number>>;
  /** Of one byte for each word: its place in `KINDS`. */
  readonly sha256: string;
}

function censusOf(kinds: readonly Kind[]): Census {
  const counts: Record<Kind, number> = { refused: 0, taken: 0, later: 0, system: 0 };
  for (const kind of kinds) counts[kind]++;
  const bytes = Uint8Array.from(kinds, (kind) => KINDS.indexOf(kind));
  return { words: kinds.length, counts, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** What the table says. */
function kindOf(word: number): Kind {
  if (isSystemAccess(word)) return 'system';
  if (rowOf(word) !== undefined) return 'taken';
  return extensionOf(word) === undefined ? 'refused' : 'later';
}

/** What the table says, with the reviewed disagreements decided for binutils: so it must be what binutils says. */
function expectedKind(word: number): Kind {
  const disagreement = disagreementOf(word);
  const kind = kindOf(word);
  if (!disagreement || kind === 'later') return kind;
  return disagreement.binutils === 'admits' ? 'taken' : 'refused';
}

/** What the table and the reviewed list say of a sample. */
export const ourCensus = (words: Uint32Array): Census => censusOf(Array.from(words, expectedKind));

/** A word on which there is no agreement. */
export interface Mismatch {
  readonly word: number;
  readonly expected: Kind;
  readonly opinion: Opinion;
}

export interface Comparison {
  /** Of binutils. */
  readonly census: Census;
  readonly mismatches: readonly Mismatch[];
  /** Extension → how many words `-march` admits although it is not announced. */
  readonly beyond: ReadonlyMap<string, number>;
  /** Words for each reviewed disagreement that were seen. */
  readonly reviewed: ReadonlyMap<string, readonly number[]>;
}

/** Asks binutils about a sample. An instruction beyond the architecture must be of an extension that is listed. */
export function compareWithBinutils(words: Uint32Array): Comparison {
  const opinions = askBinutils(words, smallestMarch());
  const mismatches: Mismatch[] = [];
  const beyond = new Map<string, number>();
  const reviewed = new Map<string, number[]>();
  const kinds = opinions.map((opinion, i): Kind => {
    const word = words[i]!;
    const expected = expectedKind(word);
    if (expected === 'system') return expected;
    if (expected === 'later') {
      const extension = extensionOf(word)!;
      if (opinion.verdict === 'admitted') beyond.set(extension, (beyond.get(extension) ?? 0) + 1);
      return expected;
    }
    const kind = opinion.verdict === 'refused' ? 'refused' : 'taken';
    if (kind !== expected || opinion.verdict === 'beyond') mismatches.push({ word, expected, opinion });
    const why = disagreementOf(word)?.why;
    if (why !== undefined && kind !== kindOf(word)) reviewed.set(why, [...(reviewed.get(why) ?? []), word]);
    return kind;
  });
  return { census: censusOf(kinds), mismatches, beyond, reviewed };
}

/** The beginning of a sample, or all of it. */
export const wordsOf = ({ words, count }: Sample, limit = count): Uint32Array =>
  words(Math.min(limit, count));
