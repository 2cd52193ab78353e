/**
 * The cases of a campaign. Chunk n of seed s is always the same, so that a campaign can go on where it stopped and be
 * spread over threads.
 */
import { CODE, Random, type Profile } from '../../packages/kernel/test/cpu-state.ts';
import { DecodeTable } from '../../packages/kernel/src/a64/decode.ts';
import type { DecodeSite, Insn } from '../../packages/kernel/src/a64/pattern.ts';
import { INSNS } from '../../packages/kernel/src/a64/table.ts';
import { hasErratum } from '../vectors/errata.ts';
import { PLANS, type RowPlan } from '../vectors/plans.ts';
import { MAX_WORDS, type Cpu } from '../vectors/reference.ts';
import { chooseVectorWord, chooseWord } from '../vectors/sweep.ts';
import { extensionOf } from '../encodings/unannounced.ts';

/** Words to run one after the other, from the state that `profile` and `seed` stand for. */
export interface FuzzCase {
  readonly cpu: Cpu;
  readonly profile: Profile;
  readonly seed: number;
  readonly words: readonly number[];
}

/** Cases of one chunk: a few seconds of work. */
export const CHUNK_CASES = 4096;

/** Tries to find a word that a row takes. */
const PATIENCE = 64;

const SITE: DecodeSite = { offset: CODE & 0xfff, plainSysreg: () => -1 };

/** A row with what the vectors' plan says of it. */
interface Subject {
  readonly row: Insn;
  readonly profile: Profile;
  readonly adjust: RowPlan['adjust'];
}

/** Rows that can follow one another. */
interface Group {
  /** Cases of a thousand. */
  readonly share: number;
  readonly profiles: readonly Profile[];
  /** Words of a case, at most. */
  readonly words: number;
  readonly has: (profile: Profile) => boolean;
  /** Makes words of rows that have no plan, because most of their words are for EL1. */
  readonly other?: (random: Random) => number;
}

/** Fields of PSTATE, and control and status of floating point, that EL0 may read. */
const READABLE = [0xd53b_4200, 0xd53b_4400, 0xd53b_4420];
const MSR_NZCV = 0xd51b_4200;
const NOP = 0xd503_201f;
/** Barriers by `op2`, and SB. */
const CLREX = 0xd503_305f;
const BARRIERS = [CLREX, 0xd503_309f, 0xd503_30bf, 0xd503_30df];
const SB = 0xd503_30ff;
/** The hints before this one wait or yield. */
const FIRST_QUIET_HINT = 4;

const barrier = (random: Random): number => (random.pick(BARRIERS) | (random.below(16) << 8)) >>> 0;

/** MRS, MSR, hints and barriers. The reference keeps more bits of FPCR and FPSR than there are: those are not written. */
function systemWord(random: Random): number {
  switch (random.below(5)) {
    case 0:
    case 1:
      return random.pick(READABLE) + random.below(32);
    case 2:
      return MSR_NZCV + random.below(32);
    case 3:
      return NOP + (FIRST_QUIET_HINT + random.below(128 - FIRST_QUIET_HINT)) * 32;
    default:
      return random.below(5) ? barrier(random) : SB;
  }
}

const GROUPS: readonly Group[] = [
  {
    share: 600,
    profiles: ['integer', 'float', 'half'],
    words: MAX_WORDS,
    has: (profile) => profile === 'integer' || profile === 'float' || profile === 'half',
    other: systemWord,
  },
  { share: 130, profiles: ['memory'], words: 4, has: (profile) => profile === 'memory' },
  { share: 90, profiles: ['aligned'], words: 6, has: (profile) => profile === 'aligned', other: barrier },
  { share: 60, profiles: ['branch'], words: 1, has: (profile) => profile === 'branch' },
];

const SUBJECTS: readonly Subject[] = Object.values(PLANS).flatMap((plan) =>
  'choose' in plan
    ? []
    : INSNS.filter(({ name }) => plan.rows(name)).map((row) => ({
        row,
        profile: plan.profile(row.name),
        adjust: plan.adjust,
      })),
);

const SUBJECTS_OF = new Map(
  GROUPS.map((group) => {
    const rows = SUBJECTS.filter(({ profile }) => group.has(profile));
    return [
      group,
      { rows, handlers: rows.flatMap((subject) => Array<Subject>(subject.row.size).fill(subject)) },
    ];
  }),
);

const TABLE = new DecodeTable(INSNS);

const SP = 31 << 5;
/** Not CASP, which has the place of the exclusive pairs of bytes and halfwords. */
const isExclusive = (word: number): boolean =>
  (word & 0x3f80_0000) === 0x0800_0000 && (word & 0x8020_0000) !== 0x0020_0000;
const isExclusiveLoad = (word: number): boolean => isExclusive(word) && (word & 0x0040_0000) !== 0;
/** Size, and whether it is a pair. */
const EXCLUSIVE_SIZE = 0xc020_0000;

/**
 * Makes exclusives what the architecture defines. Whether a store that must fail can fault is open: so all go to SP,
 * which no access without write-back changes. And a store must have the size of the load before it.
 * Source: Arm DDI 0487, B2 "Load-Exclusive and Store-Exclusive instruction usage restrictions", and
 * `AArch64.ExclusiveMonitorsPass`.
 */
function defineExclusives(words: readonly number[]): number[] {
  let size: number | undefined;
  return words.map((word) => {
    if (!isExclusive(word)) return word;
    if (isExclusiveLoad(word)) size = word & EXCLUSIVE_SIZE;
    return ((word & ~EXCLUSIVE_SIZE) | (size ?? word & EXCLUSIVE_SIZE) | SP) >>> 0;
  });
}

/** What the reference does wrong can be repaired only where nothing follows. */
function untilErratum(words: readonly number[]): readonly number[] {
  const at = words.findIndex(hasErratum);
  return at < 0 ? words : words.slice(0, at + 1);
}

/** One word of so many is of a row without a plan. */
const OTHER_EVERY = 30;

/** A word of a group: half of the time each row is as likely as any other, else each handler. */
function wordOf(group: Group, random: Random): number {
  if (group.other && random.below(OTHER_EVERY) === 0) return group.other(random);
  const { rows, handlers } = SUBJECTS_OF.get(group)!;
  for (;;) {
    const { row, adjust } = random.pick(random.below(2) ? rows : handlers);
    for (let tries = 0; tries < PATIENCE; tries++) {
      const any = (row.value | (random.next() & ~row.mask)) >>> 0;
      const word = (adjust?.(row.name, any, random) ?? any) >>> 0;
      if (extensionOf(word) !== undefined) continue;
      // An exception to the row may have another plan.
      if (TABLE.find(word) === row && row.select(word, SITE) >= 0) return word;
    }
  }
}

/** A word of the whole space, less what the reference has and we do not announce. */
function sweep(random: Random): Omit<FuzzCase, 'seed'> {
  const isVector = random.below(2) === 1;
  const word = isVector ? chooseVectorWord(random) : chooseWord(random);
  return {
    cpu: 'max',
    profile: isVector ? 'float' : 'branch',
    words: [word],
  };
}

function draw(random: Random): Omit<FuzzCase, 'seed'> {
  let share = random.below(1000);
  for (const group of GROUPS) {
    share -= group.share;
    if (share >= 0) continue;
    const words = Array.from({ length: 1 + random.below(group.words) }, () => wordOf(group, random));
    return { cpu: 'max', profile: random.pick(group.profiles), words: untilErratum(defineExclusives(words)) };
  }
  return sweep(random);
}

/** @param seed - of the campaign @param chunk - from 0 */
export function chunkOf(seed: number, chunk: number, count = CHUNK_CASES): FuzzCase[] {
  const random = new Random(Math.imul(seed, 0x85eb_ca6b) + chunk);
  return Array.from({ length: count }, () => ({ ...draw(random), seed: random.next() }));
}

/** Of how cases are drawn. */
const VERSION = 2;

/** Which cases a seed stands for depends on the table: this number does too. */
export function tableFingerprint(): number {
  const numbers = SUBJECTS.flatMap(({ row }) => [row.mask, row.value, row.size]);
  return numbers.reduce((hash, number) => Math.imul(hash ^ number, 0x0100_0193) >>> 0, 0x811c_9dc5 + VERSION);
}
