/** All instructions vkvm knows. Decode, the interpreter, the JIT, the evaluator and the docs read this one table. */
import { SIMD_ACROSS_LANES } from './insn/simd-across-lanes.ts';
import { SIMD_BY_ELEMENT } from './insn/simd-by-element.ts';
import { SIMD_COPY } from './insn/simd-copy.ts';
import { SIMD_LOAD_STORE } from './insn/simd-load-store.ts';
import { SIMD_LOGICAL } from './insn/simd-logical.ts';
import { SIMD_MODIFIED_IMMEDIATE } from './insn/simd-modified-immediate.ts';
import { SIMD_PERMUTE } from './insn/simd-permute.ts';
import { SIMD_SHIFT_IMMEDIATE } from './insn/simd-shift-immediate.ts';
import { SIMD_STRUCTURE } from './insn/simd-structure.ts';
import { SIMD_THREE_DIFFERENT } from './insn/simd-three-different.ts';
import { SIMD_THREE_SAME } from './insn/simd-three-same.ts';
import { SIMD_TWO_REG_MISC } from './insn/simd-two-reg-misc.ts';
import type { Insn } from './pattern.ts';

export const INSNS: readonly Insn[] = [
  ...SIMD_ACROSS_LANES,
  ...SIMD_BY_ELEMENT,
  ...SIMD_COPY,
  ...SIMD_LOAD_STORE,
  ...SIMD_LOGICAL,
  ...SIMD_MODIFIED_IMMEDIATE,
  ...SIMD_PERMUTE,
  ...SIMD_SHIFT_IMMEDIATE,
  ...SIMD_STRUCTURE,
  ...SIMD_THREE_DIFFERENT,
  ...SIMD_THREE_SAME,
  ...SIMD_TWO_REG_MISC,
];
