/** What each vector file covers. */
import type { Profile, Random } from '../../packages/kernel/test/cpu-state.ts';

export interface Plan {
  /** The rows of the instruction table that the file covers, by name. */
  readonly rows: (name: string) => boolean;
  readonly profile: (name: string) => Profile;
  /** Makes a random word one that can be tried: base registers that point into the window, say. */
  readonly adjust?: (name: string, word: number, random: Random) => number;
  /** Words for each handler. */
  readonly each: number;
  /** States for each word. */
  readonly seeds: number;
  /** States are numbered from here; plans must not overlap, so that a case is known by its seed. */
  readonly firstSeed: number;
  /** A file of further instruction sequences. */
  readonly sequences?: string;
}

const oneOf =
  (...names: readonly string[]) =>
  (name: string): boolean =>
    names.includes(name);

const fieldAt = (word: number, shift: number, bits: number): number => (word >>> shift) & (2 ** bits - 1);
const withField = (word: number, shift: number, bits: number, value: number): number =>
  ((word & ~((2 ** bits - 1) << shift)) | (value << shift)) >>> 0;

/** Rn names a register that points into the window: x0 to x15, or sp. */
const baseInWindow = (word: number): number =>
  fieldAt(word, 5, 5) === 31 ? word : withField(word, 5, 5, fieldAt(word, 5, 4));
/** Rm holds a small number: x16 to x30, or xzr. */
const smallOffset = (word: number): number => word | (16 << 16);

/** Literals in the window, which lies 1 MiB before the code. */
const LITERAL_WORDS = 0x2_0000 / 4 - 4;
const literalInWindow = (word: number, random: Random): number =>
  withField(word, 5, 19, (-0x4_0000 + random.below(LITERAL_WORDS)) & 0x7_ffff);

function adjustAccess(name: string, word: number, random: Random): number {
  if (name.includes('literal')) return literalInWindow(word, random);
  const based = baseInWindow(word);
  const registerOffset = name === 'LDR_STR' && !fieldAt(word, 24, 1) && fieldAt(word, 21, 1);
  return registerOffset || name.includes('register') ? smallOffset(based) : based;
}

const INTEGER = oneOf(
  'ADD_SUB_imm',
  'ADD_SUB_shifted',
  'ADD_SUB_extended',
  'ADC_SBC',
  'LOGICAL_imm',
  'LOGICAL_shifted',
  'MOVZ_MOVN',
  'MOVK',
  'BFM',
  'EXTR',
  'MADD_MSUB',
  'MADDL_MSUBL',
  'MULH',
  'DIV',
  'SHIFT_variable',
  'CSEL',
  'CSINC_CSINV_CSNEG',
  'CCMP_CCMN',
  'BIT_OPERATION',
  'CRC32',
  'ADR',
);

export const PLANS: Readonly<Record<string, Plan>> = {
  'integer.txt': {
    rows: INTEGER,
    profile: () => 'integer',
    each: 3,
    seeds: 4,
    firstSeed: 0x1_0000,
    sequences: 'integer.sequences',
  },
  'branch.txt': {
    rows: oneOf('B_BL', 'B_cond', 'CBZ_CBNZ', 'TBZ_TBNZ', 'BR_BLR_RET'),
    profile: () => 'branch',
    each: 3,
    seeds: 4,
    firstSeed: 0x2_0000,
  },
  'memory.txt': {
    rows: oneOf('LDR_STR', 'LDR_literal', 'LDP_STP'),
    profile: () => 'memory',
    adjust: adjustAccess,
    each: 4,
    seeds: 3,
    firstSeed: 0x3_0000,
  },
  'atomic.txt': {
    rows: oneOf('LDXR_STXR', 'LDXP_STXP', 'LDAR_STLR', 'LDOP_SWP', 'CAS', 'CASP'),
    profile: () => 'aligned',
    adjust: adjustAccess,
    each: 4,
    seeds: 2,
    firstSeed: 0x4_0000,
    sequences: 'atomic.sequences',
  },
};
