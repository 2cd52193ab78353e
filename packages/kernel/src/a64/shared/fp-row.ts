/** Decoding that the scalar floating-point rows share. */
import { HALF_SHAPES, SCALAR_SHAPES, VECTOR_SHAPES } from './fp-view.ts';

const FTYPES = ['s', 'd', null, 'h'] as const;

/** Static parameters of a row that has a form in each precision. */
export const ANY_SCALAR_STATICS = { T: ['s', 'd', 'h'] } as const;

/** The point that `ftype` selects. */
export const anyScalarPoint = ({
  ftype,
}: {
  readonly ftype: number;
}): { readonly T: 's' | 'd' | 'h' } | null => {
  const T = FTYPES[ftype];
  return T ? { T } : null;
};

/** Static parameters of a row that has a single and a double precision form. */
export const SCALAR_STATICS = { T: SCALAR_SHAPES } as const;

/** The point that `ftype` selects, where there is no half precision. */
export const scalarPoint = ({ ftype }: { readonly ftype: number }): { readonly T: 's' | 'd' } | null =>
  ftype > 1 ? null : { T: SCALAR_SHAPES[ftype]! };

/** Static parameters of a row for vectors of half precision: FEAT_FP16 gives them encodings of their own. */
export const HALF_STATICS = { T: HALF_SHAPES } as const;

/** The point that `Q` selects. */
export const halfPoint = ({ Q }: { readonly Q: number }): { readonly T: '4h' | '8h' } => ({
  T: HALF_SHAPES[Q]!,
});

/** Static parameters of a row for vectors of single and double precision. */
export const VECTOR_STATICS = { T: VECTOR_SHAPES } as const;

/** The point that `sz` and `Q` select. */
export const vectorPoint = ({
  sz,
  Q,
}: {
  readonly sz: number;
  readonly Q: number;
}): { readonly T: (typeof VECTOR_SHAPES)[number] } | null =>
  sz === 1 && Q === 0 ? null : { T: VECTOR_SHAPES[sz + Q]! };

/** The point of a scalar AdvSIMD row that `sz` selects. */
export const scalarSimdPoint = ({ sz }: { readonly sz: number }): { readonly T: 's' | 'd' } => ({
  T: SCALAR_SHAPES[sz]!,
});
