/** Products of polynomials over {0, 1}, a bit each. Source: Arm DDI 0487, C7.2, PMUL, PMULL; PolynomialMult. */
import type { Emitter, Routine, V128, Var } from '../emitter.ts';
import { lanes, zeros } from './lanes.ts';

/** Adds `a` for each of the eight bits of `b` below its sign bit, from there downwards. */
function bitByBit(c: Emitter, size: 0 | 1, a: Var<V128>, b: Var<V128>): V128 {
  const ops = lanes(c, size);
  const product = c.letV128(zeros(c));
  for (let turn = 0; turn < 8; turn++) {
    const doubled = ops.add(product.get(), product.get());
    product.set(c.v128.xor(doubled, c.v128.and(a.get(), ops.lt_s(b.get(), zeros(c)))));
    b.set(ops.add(b.get(), b.get()));
  }
  return product.get();
}

/** PMUL: the low eight bits of each product of bytes. */
export const POLYNOMIAL_MULTIPLY: Routine<['v128', 'v128'], 'v128'> = {
  name: 'pmul_8',
  params: ['v128', 'v128'],
  result: 'v128',
  emit: (c, a, b) => bitByBit(c, 0, a, b),
};

/** PMULL of bytes: `a` extended to 16 bits, `b` in the upper halves of 16 bits. */
export const POLYNOMIAL_MULTIPLY_BYTES: Routine<['v128', 'v128'], 'v128'> = {
  name: 'pmull_8',
  params: ['v128', 'v128'],
  result: 'v128',
  emit: (c, a, b) => bitByBit(c, 1, a, b),
};

/** Every fourth bit of 32, from bit `n` on, in all four lanes. */
const everyFourth = (c: Emitter, n: number): V128 => {
  const half = BigInt.asUintN(64, 0x1111_1111_1111_1111n << BigInt(n));
  return c.v128.const(half, half);
};

/**
 * PMULL of 64 bits. Integer products of operands with only every fourth bit set have room for their carries (at most
 * eight bits meet), so a polynomial product is the sum of sixteen such integer products. Two products of 32 bits are
 * made at once.
 */
export const POLYNOMIAL_MULTIPLY_64: Routine<['i64', 'i64'], 'v128'> = {
  name: 'pmull_64',
  params: ['i64', 'i64'],
  result: 'v128',
  emit: (c, a, b) => {
    const both = c.letV128(c.i64x2.splat(a.get()));
    const other = c.letV128(c.i64x2.splat(b.get()));
    // Lanes a0 a1 a0 a1 and b0 b1 b1 b0: low halves make a0·b0 and a1·b1, high halves a0·b1 and a1·b0.
    other.set(c.i8x16.shuffle(other.get(), other.get(), [0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 0, 1, 2, 3]));
    const as = [0, 1, 2, 3].map((n) => c.letV128(c.v128.and(both.get(), everyFourth(c, n))));
    const bs = [0, 1, 2, 3].map((n) => c.letV128(c.v128.and(other.get(), everyFourth(c, n))));
    const product = (part: 'low' | 'high'): Var<V128> => {
      const multiply = (i: number, j: number): V128 =>
        c.i64x2[`extmul_${part}_i32x4_u`](as[i]!.get(), bs[j]!.get());
      const sum = c.letV128(zeros(c));
      for (let n = 0; n < 4; n++) {
        // All pairs whose product has its bits at n modulo 4.
        let terms = multiply(0, n);
        for (let i = 1; i < 4; i++) terms = c.v128.xor(terms, multiply(i, (n - i) & 3));
        const kept = c.v128.and(terms, everyFourth(c, n));
        sum.set(c.v128.or(kept, sum.get()));
      }
      return sum;
    };
    const outer = product('low');
    const inner = product('high');
    // The inner products meet and count 32 bits up.
    const low = c.letI64(c.i64x2.extract_lane(inner.get(), 0));
    const middle = c.letI64(c.i64.xor(low.get(), c.i64x2.extract_lane(inner.get(), 1)));
    const shifted = c.i64x2.splat(c.i64.shl(middle.get(), c.i64.const(32)));
    const carried = c.i64x2.replace_lane(shifted, 1, c.i64.shr_u(middle.get(), c.i64.const(32)));
    return c.v128.xor(carried, outer.get());
  },
};
