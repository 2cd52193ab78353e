/** The functions that SHA-1 and SHA-256 are made of. Source: FIPS 180-4, sections 4.1.1 and 4.1.2. */
import type { Emitter, I32, V128, Var } from '../emitter.ts';

type Triple = readonly [Var<I32>, Var<I32>, Var<I32>];
/** A function of three words. */
export type Mix = (c: Emitter, words: Triple) => I32;

export const choose: Mix = (c, [x, y, z]) =>
  c.i32.xor(c.i32.and(c.i32.xor(y.get(), z.get()), x.get()), z.get());

export const parity: Mix = (c, [x, y, z]) => c.i32.xor(c.i32.xor(x.get(), y.get()), z.get());

export const majority: Mix = (c, [x, y, z]) =>
  c.i32.or(c.i32.and(x.get(), y.get()), c.i32.and(c.i32.or(x.get(), y.get()), z.get()));

/** Three rotations of a word to the right, xored. */
export const rotations = (c: Emitter, x: Var<I32>, [r, s, t]: readonly [number, number, number]): I32 =>
  c.i32.xor(
    c.i32.xor(c.i32.rotr(x.get(), c.i32.const(r)), c.i32.rotr(x.get(), c.i32.const(s))),
    c.i32.rotr(x.get(), c.i32.const(t)),
  );

/** Four words, the first one in lane 0. */
export type Words4 = readonly [Var<I32>, Var<I32>, Var<I32>, Var<I32>];

export function wordsOf(c: Emitter, vector: Var<V128>): Words4 {
  const word = (lane: number): Var<I32> => c.letI32(c.i32x4.extract_lane(vector.get(), lane));
  return [word(0), word(1), word(2), word(3)];
}

export const vectorOf = (c: Emitter, [first, second, third, fourth]: Words4): V128 =>
  c.i32x4.replace_lane(
    c.i32x4.replace_lane(c.i32x4.replace_lane(c.i32x4.splat(first.get()), 1, second.get()), 2, third.get()),
    3,
    fourth.get(),
  );

/** Lanes 1, 2, 3 of the first vector and 0 of the second. */
export const nextWords = (c: Emitter, first: V128, second: V128): V128 =>
  c.i8x16.shuffle(first, second, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);

/** Lanes 2, 3 of the first vector and 0, 1 of the second. */
export const middleWords = (c: Emitter, first: V128, second: V128): V128 =>
  c.i8x16.shuffle(first, second, [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);

/** Each lane rotated left. */
export const rotateLanes = (c: Emitter, words: Var<V128>, count: number): V128 =>
  c.v128.or(
    c.i32x4.shl(words.get(), c.i32.const(count)),
    c.i32x4.shr_u(words.get(), c.i32.const(32 - count)),
  );
