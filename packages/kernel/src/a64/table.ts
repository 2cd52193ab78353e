/** All instructions vkvm knows. Decode, the interpreter, the JIT, the evaluator and the docs read this one table. */
import { SIMD_COPY } from './insn/simd-copy.ts';
import { SIMD_LOAD_STORE } from './insn/simd-load-store.ts';
import { SIMD_LOGICAL } from './insn/simd-logical.ts';
import { SIMD_MODIFIED_IMMEDIATE } from './insn/simd-modified-immediate.ts';
import { SIMD_PERMUTE } from './insn/simd-permute.ts';
import { SIMD_STRUCTURE } from './insn/simd-structure.ts';
import { SIMD_THREE_SAME } from './insn/simd-three-same.ts';
import type { Insn } from './pattern.ts';

export const INSNS: readonly Insn[] = [
  ...SIMD_COPY,
  ...SIMD_LOAD_STORE,
  ...SIMD_LOGICAL,
  ...SIMD_MODIFIED_IMMEDIATE,
  ...SIMD_PERMUTE,
  ...SIMD_STRUCTURE,
  ...SIMD_THREE_SAME,
];
