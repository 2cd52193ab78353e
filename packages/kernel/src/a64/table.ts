/** All instructions vkvm knows. Decode, the interpreter, the JIT, the evaluator and the docs read this one table. */
import { ADD_SUB } from './insn/add-sub.ts';
import { ATOMIC } from './insn/atomic.ts';
import { BIT_OPERATIONS } from './insn/bit-operations.ts';
import { BITFIELD } from './insn/bitfield.ts';
import { BRANCH } from './insn/branch.ts';
import { CONDITIONAL } from './insn/conditional.ts';
import { CRC32 } from './insn/crc32.ts';
import { CRYPTO_AES } from './insn/crypto-aes.ts';
import { CRYPTO_SHA1 } from './insn/crypto-sha1.ts';
import { CRYPTO_SHA256 } from './insn/crypto-sha256.ts';
import { CRYPTO_SHA3 } from './insn/crypto-sha3.ts';
import { CRYPTO_SHA512 } from './insn/crypto-sha512.ts';
import { DIVIDE } from './insn/divide.ts';
import { EXCEPTION } from './insn/exception.ts';
import { EXCLUSIVE } from './insn/exclusive.ts';
import { FLAGS } from './insn/flags.ts';
import { FP_COMPARE } from './insn/fp-compare.ts';
import { FP_DATA_1 } from './insn/fp-data-1.ts';
import { FP_DATA_2 } from './insn/fp-data-2.ts';
import { FP_DATA_3 } from './insn/fp-data-3.ts';
import { FP_FIXED } from './insn/fp-fixed.ts';
import { FP_IMMEDIATE } from './insn/fp-immediate.ts';
import { FP_INTEGER } from './insn/fp-integer.ts';
import { LOAD_STORE } from './insn/load-store.ts';
import { LOGICAL } from './insn/logical.ts';
import { MOVE_WIDE } from './insn/move-wide.ts';
import { MULTIPLY } from './insn/multiply.ts';
import { PC_RELATIVE } from './insn/pc-relative.ts';
import { SHIFT_VARIABLE } from './insn/shift-variable.ts';
import { SIMD_ACROSS_LANES } from './insn/simd-across-lanes.ts';
import { SIMD_BY_ELEMENT } from './insn/simd-by-element.ts';
import { SIMD_COPY } from './insn/simd-copy.ts';
import { SIMD_FP_BY_ELEMENT } from './insn/simd-fp-by-element.ts';
import { SIMD_FP_COMPLEX } from './insn/simd-fp-complex.ts';
import { SIMD_FP_FIXED } from './insn/simd-fp-fixed.ts';
import { SIMD_FP_PRECISION } from './insn/simd-fp-precision.ts';
import { SIMD_FP_REDUCE } from './insn/simd-fp-reduce.ts';
import { SIMD_FP_THREE_SAME } from './insn/simd-fp-three-same.ts';
import { SIMD_FP_TWO_REG_MISC } from './insn/simd-fp-two-reg-misc.ts';
import { SIMD_LOAD_STORE } from './insn/simd-load-store.ts';
import { SIMD_LOGICAL } from './insn/simd-logical.ts';
import { SIMD_MODIFIED_IMMEDIATE } from './insn/simd-modified-immediate.ts';
import { SIMD_PERMUTE } from './insn/simd-permute.ts';
import { SIMD_SHIFT_IMMEDIATE } from './insn/simd-shift-immediate.ts';
import { SIMD_STRUCTURE } from './insn/simd-structure.ts';
import { SIMD_THREE_DIFFERENT } from './insn/simd-three-different.ts';
import { SIMD_THREE_SAME } from './insn/simd-three-same.ts';
import { SIMD_THREE_SAME_EXTRA } from './insn/simd-three-same-extra.ts';
import { SIMD_TWO_REG_MISC } from './insn/simd-two-reg-misc.ts';
import { SYSTEM } from './insn/system.ts';
import type { Insn } from './pattern.ts';

/** What every program has: all but floating point, vectors and cryptography. */
const GENERAL: readonly Insn[] = [
  ...ADD_SUB,
  ...ATOMIC,
  ...BIT_OPERATIONS,
  ...BITFIELD,
  ...BRANCH,
  ...CONDITIONAL,
  ...CRC32,
  ...DIVIDE,
  ...EXCEPTION,
  ...EXCLUSIVE,
  ...FLAGS,
  ...LOAD_STORE,
  ...LOGICAL,
  ...MOVE_WIDE,
  ...MULTIPLY,
  ...PC_RELATIVE,
  ...SHIFT_VARIABLE,
  ...SYSTEM,
];

/** Floating point, and what programs do with its registers besides. */
const FLOATING_POINT: readonly Insn[] = [
  ...FP_COMPARE,
  ...FP_DATA_1,
  ...FP_DATA_2,
  ...FP_DATA_3,
  ...FP_FIXED,
  ...FP_IMMEDIATE,
  ...FP_INTEGER,
  ...SIMD_COPY,
  ...SIMD_LOAD_STORE,
  ...SIMD_LOGICAL,
  ...SIMD_MODIFIED_IMMEDIATE,
];

/** By who has them: first what every program has, then what is for few. */
export const INSN_GROUPS: readonly (readonly Insn[])[] = [
  GENERAL,
  FLOATING_POINT,
  CRYPTO_AES,
  CRYPTO_SHA1,
  CRYPTO_SHA256,
  CRYPTO_SHA3,
  CRYPTO_SHA512,
  SIMD_ACROSS_LANES,
  SIMD_BY_ELEMENT,
  SIMD_FP_BY_ELEMENT,
  SIMD_FP_COMPLEX,
  SIMD_FP_FIXED,
  SIMD_FP_PRECISION,
  SIMD_FP_REDUCE,
  SIMD_FP_THREE_SAME,
  SIMD_FP_TWO_REG_MISC,
  SIMD_PERMUTE,
  SIMD_SHIFT_IMMEDIATE,
  SIMD_STRUCTURE,
  SIMD_THREE_DIFFERENT,
  SIMD_THREE_SAME,
  SIMD_THREE_SAME_EXTRA,
  SIMD_TWO_REG_MISC,
];

export const INSNS: readonly Insn[] = INSN_GROUPS.flat();
