/** Reading, writing and rearranging vector registers by lane. */
import type { Emitter, Field, Float, I32, I64, Size, V128, Var } from '../emitter.ts';
import type { Shape } from './arrangement.ts';

const GROUPS = ['i8x16', 'i16x8', 'i32x4', 'i64x2'] as const;

/** The number of its first byte in every lane, by lane size. */
const LANE_STARTS = [
  [0x0706050403020100n, 0x0f0e0d0c0b0a0908n],
  [0x0006000400020000n, 0x000e000c000a0008n],
  [0x0000000400000000n, 0x0000000c00000008n],
  [0n, 8n],
] as const;

/** The vector operations for lanes of one size. */
export const lanes = (c: Emitter, size: Size): Emitter[(typeof GROUPS)[number]] => c[GROUPS[size]];

export const laneBits = (size: Size): 8 | 16 | 32 | 64 => (8 << size) as 8 | 16 | 32 | 64;

/** The same constant in every lane. */
export function splat(c: Emitter, size: Size, value: bigint): V128 {
  const bits = laneBits(size);
  let half = 0n;
  for (let at = 0; at < 64; at += bits) half |= BigInt.asUintN(bits, value) << BigInt(at);
  return c.v128.const(half, half);
}

export const zeros = (c: Emitter): V128 => c.v128.const(0n, 0n);

/** The sign bit of every lane. */
export const signBits = (c: Emitter, size: Size): V128 => splat(c, size, 1n << BigInt(laneBits(size) - 1));

/** The bytes 0 to 15 at their own places. */
export const byteNumbers = (c: Emitter): V128 => c.v128.const(...LANE_STARTS[0]);

/** Writes the low `bits` of a value and clears the rest of the register. */
export function setLanes(c: Emitter, field: Field, value: V128, { bits }: Shape): void {
  if (bits === 128) c.setVec(field, value);
  else if (bits === 64) c.setFloat(field, 64, c.f64x2.extract_lane(value, 0) as Float);
  else if (bits === 32) c.setFloat(field, 32, c.f32x4.extract_lane(value, 0) as Float);
  else if (bits === 16) c.setVecLow32(field, c.i16x8.extract_lane_u(value, 0));
  else c.setVecLow32(field, c.i8x16.extract_lane_u(value, 0));
}

/** Reads the low `bits` of a register; the rest reads as 0. Where lanes that do not count must not saturate. */
export function onlyLanes(c: Emitter, field: Field, { bits }: Shape): V128 {
  if (bits === 128) return c.vec(field);
  if (bits === 64) return c.f64x2.replace_lane(zeros(c), 0, c.float(field, 64));
  if (bits === 32) return c.f32x4.replace_lane(zeros(c), 0, c.float(field, 32));
  if (bits === 16) return c.i16x8.replace_lane(zeros(c), 0, c.vecLow32(field));
  return c.i8x16.replace_lane(zeros(c), 0, c.vecLow32(field));
}

/** Joins bits 63:0 of two values. */
export const joinLow = (c: Emitter, low: V128, high: V128): V128 =>
  c.i8x16.shuffle(low, high, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);

/** Byte numbers for a shuffle that picks these lanes, 16 bytes in all. */
export const laneBytes = (size: Size, picks: readonly number[]): number[] =>
  picks.flatMap((lane) => Array.from({ length: 1 << size }, (_, byte) => (lane << size) + byte));

/** Even (0) or odd (1) lanes of `low:high`, in order. */
export function everySecond(c: Emitter, size: Size, low: V128, high: V128, odd: 0 | 1): V128 {
  const count = 16 >> size;
  return c.i8x16.shuffle(
    low,
    high,
    laneBytes(
      size,
      Array.from({ length: count }, (_, i) => 2 * i + odd),
    ),
  );
}

/** All bits of the lane that starts at byte `at` of a register, none of the others. */
export function laneMask(c: Emitter, size: Size, at: I32): V128 {
  const [low, high] = LANE_STARTS[size];
  const wanted = size === 3 ? c.i64x2.splat(c.i64.extend_i32_u(at)) : c[GROUPS[size]].splat(at);
  return lanes(c, size).eq(wanted, c.v128.const(low, high));
}

/** The value in every lane. Bits above the lane's are ignored. */
export const splatValue = (c: Emitter, size: Size, value: I64): V128 =>
  size === 3 ? c.i64x2.splat(value) : c[GROUPS[size]].splat(c.i32.wrap_i64(value));

/** Bits 63:0 from byte `at` of a register on; zeros after its end. */
export const bytesFrom = (c: Emitter, value: V128, at: I32): I64 =>
  c.i64x2.extract_lane(c.i8x16.swizzle(value, c.i8x16.add(c.i8x16.splat(at), byteNumbers(c))), 0);

/** Which half of a register a long, wide or narrowing instruction uses: the one named `2` uses the high one. */
export type Part = 'low' | 'high';
export const partOf = ({ bits }: Shape): Part => (bits === 128 ? 'high' : 'low');

/** Lanes of half a register at twice their size. `size` is at most 2. */
export function widen(c: Emitter, size: Size, part: Part, sign: 's' | 'u', value: V128): V128 {
  if (size === 0) return c.i16x8[`extend_${part}_i8x16_${sign}`](value);
  if (size === 1) return c.i32x4[`extend_${part}_i16x8_${sign}`](value);
  return c.i64x2[`extend_${part}_i32x4_${sign}`](value);
}

/** Writes 64 bits to the low half and clears the high one, or writes the high half only. */
export function setPart(c: Emitter, field: Field, part: Part, value: V128): void {
  if (part === 'low') c.setFloat(field, 64, c.f64x2.extract_lane(value, 0) as Float);
  else
    c.setVec(
      field,
      c.i8x16.shuffle(value, c.vec(field), [16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7]),
    );
}

/** In place of a byte number: the byte is 0. */
export const ZERO_BYTE = -1;

/**
 * Picks sixteen bytes out of up to four vectors.
 *
 * @param picks - byte numbers, 16 per vector in the order of `sources`, or {@link ZERO_BYTE}
 */
export function gather(c: Emitter, sources: readonly Var<V128>[], picks: readonly number[]): V128 {
  const whole = sources.find((_, n) => picks.every((pick, i) => pick === 16 * n + i));
  if (whole) return whole.get();
  const zeroSource = sources.length;
  const read = (n: number): V128 => (n === zeroSource ? zeros(c) : sources[n]!.get());
  const wanted = picks.map((pick) => (pick === ZERO_BYTE ? zeroSource << 4 : pick));
  const [first, ...others] = new Set(wanted.map((pick) => pick >> 4));
  let result = read(first!);
  // The first shuffle moves bytes to their final places; the later ones leave them there.
  let places = wanted.map((pick) => pick & 15);
  for (const n of others.length > 0 ? others : [first!]) {
    const at = places;
    result = c.i8x16.shuffle(
      result,
      read(n),
      wanted.map((pick, i) => (pick >> 4 === n ? 16 + (pick & 15) : at[i]!)),
    );
    places = wanted.map((_, i) => i);
  }
  return result;
}

/** Eight byte numbers for a swizzle: the lane that starts at byte `start`, over and over. */
export const repeatedLane = (size: number, start: number): { immLow: number; immHigh: number } => ({
  immLow: fourBytes((n) => start + (n & ((1 << size) - 1))),
  immHigh: fourBytes((n) => start + ((n + 4) & ((1 << size) - 1))),
});

/** Eight byte numbers for a swizzle: the lane, then bytes that do not exist and therefore read as 0. */
export const extendedLane = (size: number, start: number): { immLow: number; immHigh: number } => ({
  immLow: fourBytes((n) => (n < 1 << size ? start + n : 0xff)),
  immHigh: fourBytes((n) => (n + 4 < 1 << size ? start + n + 4 : 0xff)),
});

const fourBytes = (byte: (n: number) => number): number =>
  byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);

/** Bytes of operand `field` as the immediate numbers them, twice. */
export const swizzled = (c: Emitter, field: Field): V128 =>
  c.i8x16.swizzle(c.vec(field), c.i64x2.splat(c.imm()));
