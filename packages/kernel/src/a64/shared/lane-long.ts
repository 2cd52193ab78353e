/** Operations on half of the lanes of two registers whose results have twice the size. */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { doublingMultiplyLong } from './doubling-multiply.ts';
import { absoluteDifference, type Sign } from './lane-arithmetic.ts';
import { lanes, widen, type Part } from './lanes.ts';
import { addSigned, subtractSigned } from './saturation.ts';

/** `size` is that of the operands: 0, 1 or 2. */
export type LaneLong = (c: Emitter, size: Size, part: Part, a: Var<V128>, b: Var<V128>) => V128;

export const wider = (size: Size): Size => (size + 1) as Size;

/** SADDL, SSUBL and unsigned. */
export const longSum =
  (op: 'add' | 'sub', sign: Sign): LaneLong =>
  (c, size, part, a, b) => {
    const first = widen(c, size, part, sign, a.get());
    return lanes(c, wider(size))[op](first, widen(c, size, part, sign, b.get()));
  };

/** SABDL, UABDL. A difference is not negative and fits the lane, unsigned. */
export const longDifference =
  (sign: Sign): LaneLong =>
  (c, size, part, a, b) =>
    widen(c, size, part, 'u', absoluteDifference(sign)(c, size, a, b));

/** SMULL, UMULL. */
export const longProduct =
  (sign: Sign): LaneLong =>
  (c, size, part, a, b) => {
    if (size === 0) return c.i16x8[`extmul_${part}_i8x16_${sign}`](a.get(), b.get());
    if (size === 1) return c.i32x4[`extmul_${part}_i16x8_${sign}`](a.get(), b.get());
    return c.i64x2[`extmul_${part}_i32x4_${sign}`](a.get(), b.get());
  };

/** The destination plus the operation's result. */
export const longAdded =
  (of: LaneLong): LaneLong =>
  (c, size, part, a, b) =>
    lanes(c, wider(size)).add(c.vec('a'), of(c, size, part, a, b));

/** The destination less the operation's result. */
export const longSubtracted =
  (of: LaneLong): LaneLong =>
  (c, size, part, a, b) =>
    lanes(c, wider(size)).sub(c.vec('a'), of(c, size, part, a, b));

/** SQDMULL. */
export const longDoubled: LaneLong = doublingMultiplyLong;

/** SQDMLAL, SQDMLSL: both the product and the sum saturate. Where the operands are 0, the destination stays. */
export const longDoubledAccumulated =
  (op: 'add' | 'sub'): LaneLong =>
  (c, size, part, a, b) => {
    const product = c.letV128(doublingMultiplyLong(c, size, part, a, b));
    const old = c.letV128(c.vec('a'));
    return (op === 'add' ? addSigned : subtractSigned)(c, wider(size), old, product);
  };

/** Sums of neighbours in lanes of twice the size: SADDLP, UADDLP. */
export function pairwiseLong(c: Emitter, size: Size, sign: Sign, value: V128): V128 {
  if (size === 0) return c.i16x8[`extadd_pairwise_i8x16_${sign}`](value);
  if (size === 1) return c.i32x4[`extadd_pairwise_i16x8_${sign}`](value);
  const both = c.letV128(value);
  const odd = c.i64x2[`shr_${sign}`](both.get(), c.i32.const(32));
  const even = c.i64x2.shl(both.get(), c.i32.const(32));
  return c.i64x2.add(odd, c.i64x2[`shr_${sign}`](even, c.i32.const(32)));
}
