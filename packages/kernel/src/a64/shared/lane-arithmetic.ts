/** Arithmetic on lanes that WebAssembly has for some sizes only, or not at all. */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { everySecond, lanes, signBits, zeros } from './lanes.ts';

/** An operation on the lanes of two values. */
export type LaneBinary = (c: Emitter, size: Size, a: Var<V128>, b: Var<V128>) => V128;

export type Sign = 's' | 'u';

/** a > b, unsigned. */
export const exceedsUnsigned: LaneBinary = (c, size, a, b) => {
  if (size === 0) return c.i8x16.gt_u(a.get(), b.get());
  if (size === 1) return c.i16x8.gt_u(a.get(), b.get());
  if (size === 2) return c.i32x4.gt_u(a.get(), b.get());
  return c.i64x2.gt_s(c.v128.xor(a.get(), signBits(c, 3)), c.v128.xor(b.get(), signBits(c, 3)));
};

/** a ≥ b, unsigned. */
export const reachesUnsigned: LaneBinary = (c, size, a, b) => {
  if (size === 0) return c.i8x16.ge_u(a.get(), b.get());
  if (size === 1) return c.i16x8.ge_u(a.get(), b.get());
  if (size === 2) return c.i32x4.ge_u(a.get(), b.get());
  return c.i64x2.ge_s(c.v128.xor(a.get(), signBits(c, 3)), c.v128.xor(b.get(), signBits(c, 3)));
};

/** The lesser or greater lane. There is none for 64 bits. */
export const extreme =
  (which: 'min' | 'max', sign: Sign): LaneBinary =>
  (c, size, a, b) => {
    const ops = size === 0 ? c.i8x16 : size === 1 ? c.i16x8 : c.i32x4;
    return ops[`${which}_${sign}`](a.get(), b.get());
  };

/** |a - b| without overflow. */
export const absoluteDifference =
  (sign: Sign): LaneBinary =>
  (c, size, a, b) =>
    lanes(c, size).sub(extreme('max', sign)(c, size, a, b), extreme('min', sign)(c, size, a, b));

const halve = (c: Emitter, size: Size, sign: Sign, value: V128): V128 =>
  lanes(c, size)[`shr_${sign}`](value, c.i32.const(1));

/** (a + b) / 2 rounded down: common bits, and half of the others. */
export const halvingAdd =
  (sign: Sign): LaneBinary =>
  (c, size, a, b) => {
    const common = c.v128.and(a.get(), b.get());
    return lanes(c, size).add(common, halve(c, size, sign, c.v128.xor(a.get(), b.get())));
  };

/** (a + b + 1) / 2 rounded down. */
export const roundingHalvingAdd =
  (sign: Sign): LaneBinary =>
  (c, size, a, b) => {
    const either = c.v128.or(a.get(), b.get());
    return lanes(c, size).sub(either, halve(c, size, sign, c.v128.xor(a.get(), b.get())));
  };

/** (a - b) / 2 rounded down: a - b is (a ^ b) - 2 (b & ~a). */
export const halvingSubtract =
  (sign: Sign): LaneBinary =>
  (c, size, a, b) => {
    const half = halve(c, size, sign, c.v128.xor(a.get(), b.get()));
    return lanes(c, size).sub(half, c.v128.andnot(b.get(), a.get()));
  };

/** Lanes that have a bit in common. */
export const testBits: LaneBinary = (c, size, a, b) =>
  lanes(c, size).ne(c.v128.and(a.get(), b.get()), zeros(c));

/** The low half of the product. There is none for 64 bits. */
export const multiply: LaneBinary = (c, size, a, b) => {
  if (size === 1) return c.i16x8.mul(a.get(), b.get());
  if (size === 2) return c.i32x4.mul(a.get(), b.get());
  const low = c.i16x8.extmul_low_i8x16_u(a.get(), b.get());
  return everySecond(c, 0, low, c.i16x8.extmul_high_i8x16_u(a.get(), b.get()), 0);
};

/** The destination plus the operation's result. */
export const addedTo =
  (of: LaneBinary): LaneBinary =>
  (c, size, a, b) =>
    lanes(c, size).add(c.vec('a'), of(c, size, a, b));

/** The destination less the operation's result. */
export const subtractedFrom =
  (of: LaneBinary): LaneBinary =>
  (c, size, a, b) =>
    lanes(c, size).sub(c.vec('a'), of(c, size, a, b));
