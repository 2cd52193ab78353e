/**
 * SQDMULH, SQRDMULH, SQDMULL: twice the product, which does not fit only for the least value times itself; SQRDMLAH,
 * SQRDMLSH.
 */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import type { LaneBinary } from './lane-arithmetic.ts';
import { everySecond, laneBits, lanes, signBits, splat, widen } from './lanes.ts';
import { rememberSaturation, saturateToHalf } from './saturation.ts';

/** Products of the low or high lanes, doubled modulo the wide lane. `size` is that of the factors: 1 or 2. */
function doubled(c: Emitter, size: Size, part: 'low' | 'high', a: Var<V128>, b: Var<V128>): V128 {
  const product =
    size === 1
      ? c.i32x4[`extmul_${part}_i16x8_s`](a.get(), b.get())
      : c.i64x2[`extmul_${part}_i32x4_s`](a.get(), b.get());
  return lanes(c, (size + 1) as Size).shl(product, c.i32.const(1));
}

/** SQDMULH, SQRDMULH: the upper half of twice the product, rounded or not. */
export const doublingMultiplyHigh =
  (rounding: boolean): LaneBinary =>
  (c, size, a, b) => {
    const ops = lanes(c, size);
    const wide = (size + 1) as Size;
    const least = (value: Var<V128>): V128 => ops.eq(value.get(), signBits(c, size));
    const saturated = c.letV128(c.v128.and(least(a), least(b)));
    rememberSaturation(c, saturated.get());
    const part = (which: 'low' | 'high'): V128 => {
      const product = doubled(c, size, which, a, b);
      const half = 1n << BigInt(laneBits(size) - 1);
      return rounding ? lanes(c, wide).add(product, splat(c, wide, half)) : product;
    };
    const low = part('low');
    // The product wraps to the least value exactly where it saturates; inverted, that is the greatest.
    return c.v128.xor(everySecond(c, size, low, part('high'), 1), saturated.get());
  };

/** SQDMULL: twice the product, in lanes of twice the size. */
export function doublingMultiplyLong(
  c: Emitter,
  size: Size,
  part: 'low' | 'high',
  a: Var<V128>,
  b: Var<V128>,
): V128 {
  const wide = (size + 1) as Size;
  const product = c.letV128(doubled(c, size, part, a, b));
  const saturated = c.letV128(lanes(c, wide).eq(product.get(), signBits(c, wide)));
  rememberSaturation(c, saturated.get());
  return c.v128.xor(product.get(), saturated.get());
}

/** SQRDMLAH, SQRDMLSH: the upper half of the destination and twice the product, rounded once. */
export const doublingMultiplyAccumulate =
  (op: 'add' | 'sub'): LaneBinary =>
  (c, size, a, b) => {
    const wide = (size + 1) as Size;
    const ops = lanes(c, wide);
    // All by half of what the manual has: so the sum fits the wide lane.
    const shift = laneBits(size) - 1;
    const part = (which: 'low' | 'high'): V128 => {
      const accumulator = ops.shl(widen(c, size, which, 's', c.vec('a')), c.i32.const(shift));
      const product =
        size === 1
          ? c.i32x4[`extmul_${which}_i16x8_s`](a.get(), b.get())
          : c.i64x2[`extmul_${which}_i32x4_s`](a.get(), b.get());
      const sum = ops.add(ops[op](accumulator, product), splat(c, wide, 1n << BigInt(shift - 1)));
      const result = c.letV128(ops.shr_s(sum, c.i32.const(shift)));
      return saturateToHalf(c, wide, result, 'signed');
    };
    const low = c.letV128(part('low'));
    return everySecond(c, size, low.get(), part('high'), 0);
  };
