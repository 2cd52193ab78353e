/** Counting and reversing the bits of lanes. Source: Arm DDI 0487, C7.2, CLS, CLZ, CNT, RBIT (vector). */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { laneBits, lanes, splat } from './lanes.ts';

/** CNT, of lanes of up to 32 bits. */
export function bitCount(c: Emitter, size: Size, value: Var<V128>): V128 {
  const bytes = c.i8x16.popcnt(value.get());
  if (size === 0) return bytes;
  const halves = c.i16x8.extadd_pairwise_i8x16_u(bytes);
  return size === 1 ? halves : c.i32x4.extadd_pairwise_i16x8_u(halves);
}

/** CLZ: copies the highest set bit to all places below it, and counts what is left clear. */
export function leadingZeros(c: Emitter, size: Size, value: Var<V128>): V128 {
  const ops = lanes(c, size);
  for (let distance = 1; distance < laneBits(size); distance *= 2) {
    const old = value.get();
    value.set(c.v128.or(old, ops.shr_u(value.get(), c.i32.const(distance))));
  }
  value.set(c.v128.not(value.get()));
  return bitCount(c, size, value);
}

/** CLS: zeros in front of the first bit that differs from the sign, the sign itself not counted. */
export function leadingSignBits(c: Emitter, size: Size, value: Var<V128>): V128 {
  const ops = lanes(c, size);
  const sign = ops.shr_s(value.get(), c.i32.const(laneBits(size) - 1));
  value.set(c.v128.xor(sign, value.get()));
  return ops.sub(leadingZeros(c, size, value), splat(c, size, 1n));
}

/** RBIT of bytes: each half of a byte through a table. */
export function reversedBits(c: Emitter, _size: Size, value: Var<V128>): V128 {
  // The numbers 0 to 15 with their four bits reversed, at the lower and at the upper half of a byte.
  const lower = c.v128.const(0x0e06_0a02_0c04_0800n, 0x0f07_0b03_0d05_0901n);
  const high = c.letV128(c.i8x16.swizzle(lower, c.i8x16.shr_u(value.get(), c.i32.const(4))));
  const upper = c.v128.const(0xe060_a020_c040_8000n, 0xf070_b030_d050_9010n);
  return c.v128.or(c.i8x16.swizzle(upper, c.v128.and(value.get(), splat(c, 0, 15n))), high.get());
}
