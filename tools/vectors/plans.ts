/** What each vector file covers. */
import { CRYPTO_AES } from '../../packages/kernel/src/a64/insn/crypto-aes.ts';
import { CRYPTO_SHA1 } from '../../packages/kernel/src/a64/insn/crypto-sha1.ts';
import { CRYPTO_SHA256 } from '../../packages/kernel/src/a64/insn/crypto-sha256.ts';
import { CRYPTO_SHA3 } from '../../packages/kernel/src/a64/insn/crypto-sha3.ts';
import { CRYPTO_SHA512 } from '../../packages/kernel/src/a64/insn/crypto-sha512.ts';
import { FP_COMPARE } from '../../packages/kernel/src/a64/insn/fp-compare.ts';
import { FP_DATA_1 } from '../../packages/kernel/src/a64/insn/fp-data-1.ts';
import { FP_DATA_2 } from '../../packages/kernel/src/a64/insn/fp-data-2.ts';
import { FP_DATA_3 } from '../../packages/kernel/src/a64/insn/fp-data-3.ts';
import { FP_FIXED } from '../../packages/kernel/src/a64/insn/fp-fixed.ts';
import { FP_IMMEDIATE } from '../../packages/kernel/src/a64/insn/fp-immediate.ts';
import { FP_INTEGER } from '../../packages/kernel/src/a64/insn/fp-integer.ts';
import { SIMD_ACROSS_LANES } from '../../packages/kernel/src/a64/insn/simd-across-lanes.ts';
import { SIMD_BY_ELEMENT } from '../../packages/kernel/src/a64/insn/simd-by-element.ts';
import { SIMD_COPY } from '../../packages/kernel/src/a64/insn/simd-copy.ts';
import { SIMD_FP_BY_ELEMENT } from '../../packages/kernel/src/a64/insn/simd-fp-by-element.ts';
import { SIMD_FP_COMPLEX } from '../../packages/kernel/src/a64/insn/simd-fp-complex.ts';
import { SIMD_FP_FIXED } from '../../packages/kernel/src/a64/insn/simd-fp-fixed.ts';
import { SIMD_FP_PRECISION } from '../../packages/kernel/src/a64/insn/simd-fp-precision.ts';
import { SIMD_FP_REDUCE } from '../../packages/kernel/src/a64/insn/simd-fp-reduce.ts';
import { SIMD_FP_THREE_SAME } from '../../packages/kernel/src/a64/insn/simd-fp-three-same.ts';
import { SIMD_FP_TWO_REG_MISC } from '../../packages/kernel/src/a64/insn/simd-fp-two-reg-misc.ts';
import { SIMD_LOAD_STORE } from '../../packages/kernel/src/a64/insn/simd-load-store.ts';
import { SIMD_LOGICAL } from '../../packages/kernel/src/a64/insn/simd-logical.ts';
import { SIMD_MODIFIED_IMMEDIATE } from '../../packages/kernel/src/a64/insn/simd-modified-immediate.ts';
import { SIMD_PERMUTE } from '../../packages/kernel/src/a64/insn/simd-permute.ts';
import { SIMD_SHIFT_IMMEDIATE } from '../../packages/kernel/src/a64/insn/simd-shift-immediate.ts';
import { SIMD_STRUCTURE } from '../../packages/kernel/src/a64/insn/simd-structure.ts';
import { SIMD_THREE_DIFFERENT } from '../../packages/kernel/src/a64/insn/simd-three-different.ts';
import { SIMD_THREE_SAME } from '../../packages/kernel/src/a64/insn/simd-three-same.ts';
import { SIMD_THREE_SAME_EXTRA } from '../../packages/kernel/src/a64/insn/simd-three-same-extra.ts';
import { SIMD_TWO_REG_MISC } from '../../packages/kernel/src/a64/insn/simd-two-reg-misc.ts';
import type { Insn } from '../../packages/kernel/src/a64/pattern.ts';
import type { Profile, Random } from '../../packages/kernel/test/cpu-state.ts';
import type { Cpu } from './reference.ts';
import { chooseVectorWord, chooseWord } from './sweep.ts';
import { chooseUnannounced } from '../encodings/unannounced.ts';

interface PlanBase {
  /** The CPU of the reference; `max` if absent. */
  readonly cpu?: Cpu;
  /** States for each word. */
  readonly seeds: number;
  /** States are numbered from here; plans must not overlap, so that a case is known by its seed. */
  readonly firstSeed: number;
}

/** Random words of the rows of the instruction table. */
export interface RowPlan extends PlanBase {
  /** The rows that the file covers, by name. */
  readonly rows: (name: string) => boolean;
  readonly profile: (name: string) => Profile;
  /** Makes a random word one that can be tried: base registers that point into the window, say. */
  readonly adjust?: (name: string, word: number, random: Random) => number;
  /** Words for each handler. */
  readonly each: number;
  /** A file of further instruction sequences. */
  readonly sequences?: string;
}

/** Words chosen without a look at the instruction table. */
export interface WordPlan extends PlanBase {
  readonly name: string;
  readonly profile: Profile;
  readonly words: number;
  readonly choose: (random: Random) => number;
}

export type Plan = RowPlan | WordPlan;

const oneOf =
  (...names: readonly string[]) =>
  (name: string): boolean =>
    names.includes(name);

/** The rows of these lists. */
const rowsOf = (...lists: readonly (readonly Insn[])[]): ((name: string) => boolean) => {
  const names = new Set(lists.flat().map(({ name }) => name));
  return (name) => names.has(name);
};

const fieldAt = (word: number, shift: number, bits: number): number => (word >>> shift) & (2 ** bits - 1);
const withField = (word: number, shift: number, bits: number, value: number): number =>
  ((word & ~((2 ** bits - 1) << shift)) | (value << shift)) >>> 0;

/** Rn names a register that points into the window: x0 to x15, or sp. */
const baseInWindow = (word: number): number =>
  fieldAt(word, 5, 5) === 31 ? word : withField(word, 5, 5, fieldAt(word, 5, 4));
/** Rm holds a small number: x16 to x30, or xzr. */
const smallOffset = (word: number): number => word | (16 << 16);

/** Literals in the window, which starts 1 MiB + 2 KiB before the code. */
const LITERAL_WORDS = (0x2_0000 - 0x800) / 4 - 4;
const literalInWindow = (word: number, random: Random): number =>
  withField(word, 5, 19, (-0x4_0000 + random.below(LITERAL_WORDS)) & 0x7_ffff);

function adjustAccess(name: string, word: number, random: Random): number {
  if (name.includes('literal')) return literalInWindow(word, random);
  const based = baseInWindow(word);
  const registerOffset = name === 'LDR_STR' && !fieldAt(word, 24, 1) && fieldAt(word, 21, 1);
  return registerOffset || name.includes('register') ? smallOffset(based) : based;
}

const isStructure = rowsOf(SIMD_STRUCTURE);

function adjustVectorAccess(name: string, word: number, random: Random): number {
  if (name.includes('literal')) return literalInWindow(word, random);
  const based = baseInWindow(word);
  if (name.includes('register')) return smallOffset(based);
  // A structure without post-index has 0 for Rm; some keep what is refused.
  return isStructure(name) && !fieldAt(word, 23, 1) && random.below(4) > 0
    ? withField(based, 16, 5, 0)
    : based;
}

/** Place of the word offset of each direct branch. */
const BRANCH_OFFSETS = new Map<string, readonly [shift: number, bits: number]>([
  ['B_BL', [0, 26]],
  ['B_cond', [5, 19]],
  ['CBZ_CBNZ', [5, 19]],
  ['TBZ_TBNZ', [5, 14]],
]);

/** Half of the branches stay in the page; none goes to itself, which would not end. */
function adjustBranch(name: string, word: number, random: Random): number {
  const place = BRANCH_OFFSETS.get(name);
  if (!place) return word;
  const [shift, bits] = place;
  const near = (1 + random.below(400)) * (random.below(2) ? 1 : -1);
  const stays = random.below(2) === 0 || fieldAt(word, shift, bits) === 0;
  return stays ? withField(word, shift, bits, near & (2 ** bits - 1)) : word;
}

const INTEGER = oneOf(
  'ADD_SUB_imm',
  'ADD_SUB_shifted',
  'ADD_SUB_extended_32',
  'ADD_SUB_extended_64',
  'ADC_SBC',
  'LOGICAL_imm',
  'LOGICAL_shifted',
  'MOV_bitmask',
  'MOV_reg',
  'MOVZ_MOVN',
  'MOVK_32',
  'MOVK_64',
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
  'REV32_gen',
  'CRC32',
  'ADR',
  'CFINV',
  'XAFLAG',
  'AXFLAG',
  'RMIF',
  'SETF',
);

const FLOAT = [FP_COMPARE, FP_DATA_1, FP_DATA_2, FP_DATA_3, FP_FIXED, FP_IMMEDIATE, FP_INTEGER].flat();
const SIMD_FLOAT = [
  SIMD_FP_BY_ELEMENT,
  SIMD_FP_COMPLEX,
  SIMD_FP_FIXED,
  SIMD_FP_PRECISION,
  SIMD_FP_REDUCE,
  SIMD_FP_THREE_SAME,
  SIMD_FP_TWO_REG_MISC,
].flat();
/** Rows of half precision alone. */
const isHalf = ({ name }: Insn): boolean => name.endsWith('_h');
/** Scalar rows that take half precision among others. */
const isAnyPrecision = (row: Insn): boolean =>
  Array.from({ length: row.size }, (_, n) => row.point(n).T).includes('h');

const isScalarName = rowsOf(FLOAT);

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
    adjust: adjustBranch,
    each: 3,
    seeds: 4,
    firstSeed: 0x2_0000,
  },
  'memory.txt': {
    rows: oneOf(
      'LDR_STR',
      'PRFM_imm',
      'PRFUM',
      'PRFM_reg',
      'LDR_literal',
      'PRFM_literal',
      'LDP_STP',
      'LDPSW',
    ),
    profile: () => 'memory',
    adjust: adjustAccess,
    each: 4,
    seeds: 3,
    firstSeed: 0x3_0000,
  },
  'atomic.txt': {
    rows: oneOf('LDXR_STXR', 'LDXP_STXP', 'LDAR_STLR', 'LDAPR', 'LDAPUR_STLUR', 'LDOP_SWP', 'CAS', 'CASP'),
    profile: () => 'aligned',
    adjust: adjustAccess,
    each: 4,
    seeds: 2,
    firstSeed: 0x4_0000,
    sequences: 'atomic.sequences',
  },
  'sweep.txt': {
    name: 'sweep',
    profile: 'branch',
    words: 6000,
    choose: chooseWord,
    seeds: 1,
    firstSeed: 0x5_0000,
  },
  'simd.txt': {
    rows: rowsOf(
      SIMD_ACROSS_LANES,
      SIMD_BY_ELEMENT,
      SIMD_COPY,
      SIMD_LOGICAL,
      SIMD_MODIFIED_IMMEDIATE,
      SIMD_PERMUTE,
      SIMD_SHIFT_IMMEDIATE,
      SIMD_THREE_DIFFERENT,
      SIMD_THREE_SAME,
      SIMD_THREE_SAME_EXTRA,
      SIMD_TWO_REG_MISC,
    ),
    profile: () => 'integer',
    each: 2,
    seeds: 2,
    firstSeed: 0x5_0000,
  },
  'simd-memory.txt': {
    rows: rowsOf(SIMD_LOAD_STORE, SIMD_STRUCTURE),
    profile: () => 'memory',
    adjust: adjustVectorAccess,
    each: 3,
    seeds: 2,
    firstSeed: 0x6_0000,
  },
  'crypto.txt': {
    rows: rowsOf(CRYPTO_AES, CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA3, CRYPTO_SHA512),
    profile: () => 'integer',
    each: 3,
    seeds: 4,
    firstSeed: 0x7_0000,
  },
  'float.txt': {
    rows: rowsOf(FLOAT),
    profile: () => 'float',
    each: 3,
    seeds: 6,
    firstSeed: 0x8_0000,
  },
  'simd-float.txt': {
    rows: rowsOf(SIMD_FLOAT.filter((row) => !isHalf(row))),
    profile: () => 'float',
    each: 3,
    seeds: 4,
    firstSeed: 0x9_0000,
  },
  'half.txt': {
    rows: rowsOf(SIMD_FLOAT.filter(isHalf), FLOAT.filter(isAnyPrecision), SIMD_FP_COMPLEX),
    profile: () => 'half',
    // The field `ftype` of scalar rows.
    adjust: (name, word) => (isScalarName(name) ? withField(word, 22, 2, 3) : word),
    each: 3,
    seeds: 4,
    firstSeed: 0xb_0000,
  },
  'unannounced.txt': {
    cpu: 'armv8.0',
    name: 'unannounced',
    profile: 'aligned',
    words: 400,
    choose: chooseUnannounced,
    seeds: 1,
    firstSeed: 0xc_0000,
  },
  'simd-sweep.txt': {
    name: 'sweep',
    profile: 'float',
    words: 5000,
    choose: chooseVectorWord,
    seeds: 1,
    firstSeed: 0xa_0000,
  },
};
