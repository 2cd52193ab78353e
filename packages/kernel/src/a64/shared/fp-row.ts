/** Decoding that the scalar floating-point rows share. */
import { SCALAR_SHAPES } from './fp-view.ts';

/** Static parameters of a row that has a single and a double precision form. */
export const SCALAR_STATICS = { T: SCALAR_SHAPES } as const;

/** The point that `ftype` selects; half precision arithmetic (FEAT_FP16) is not implemented. */
export const scalarPoint = ({ ftype }: { readonly ftype: number }): { readonly T: 's' | 'd' } | null =>
  ftype > 1 ? null : { T: SCALAR_SHAPES[ftype]! };
