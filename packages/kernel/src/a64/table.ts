/** All instructions vkvm knows. Decode, the interpreter, the JIT, the evaluator and the docs read this one table. */
import type { Insn } from './pattern.ts';

export const INSNS: readonly Insn[] = [];
