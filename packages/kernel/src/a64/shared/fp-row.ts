/** Decoding that the scalar floating-point rows share. */
import type { Operands } from '../pattern.ts';
import { vector } from '../pattern.ts';
import { SCALAR_SHAPES } from './fp-view.ts';

/** Static parameters of a row that has a single and a double precision form. */
export const SCALAR_STATICS = { T: SCALAR_SHAPES } as const;

/** The point that `ftype` selects; half precision arithmetic (FEAT_FP16) is not implemented. */
export const scalarPoint = ({ ftype }: { readonly ftype: number }): { readonly T: 's' | 'd' } | null =>
  ftype > 1 ? null : { T: SCALAR_SHAPES[ftype]! };

/** Vector registers: destination `a`, sources `b` and `c`. */
export const twoSources = ({
  Rd,
  Rn,
  Rm,
}: {
  readonly Rd: number;
  readonly Rn: number;
  readonly Rm: number;
}): Operands => ({ a: vector(Rd), b: vector(Rn), c: vector(Rm) });

/** Vector registers: destination `a`, source `b`. */
export const oneSource = ({ Rd, Rn }: { readonly Rd: number; readonly Rn: number }): Operands => ({
  a: vector(Rd),
  b: vector(Rn),
});
