/** The vector instructions of WebAssembly over 16 bytes, lane by lane. Source: core specification 3.0, section 4.3. */
import { fusedMultiplyAdd, nearest } from './float.ts';

export type Bytes = Uint8Array;
type Binary<T> = (a: T, b: T) => T;

/** How lanes of one shape are read and written. Numbers up to 32 bits, bigint for 64. */
interface Shape<T extends number | bigint> {
  readonly count: number;
  readonly bits: number;
  signed(view: DataView, lane: number): T;
  unsigned(view: DataView, lane: number): T;
  set(view: DataView, lane: number, value: T): void;
}

const B8: Shape<number> = {
  count: 16,
  bits: 8,
  signed: (view, lane) => view.getInt8(lane),
  unsigned: (view, lane) => view.getUint8(lane),
  set: (view, lane, value) => view.setUint8(lane, value),
};
const B16: Shape<number> = {
  count: 8,
  bits: 16,
  signed: (view, lane) => view.getInt16(2 * lane, true),
  unsigned: (view, lane) => view.getUint16(2 * lane, true),
  set: (view, lane, value) => view.setUint16(2 * lane, value, true),
};
const B32: Shape<number> = {
  count: 4,
  bits: 32,
  signed: (view, lane) => view.getInt32(4 * lane, true),
  unsigned: (view, lane) => view.getUint32(4 * lane, true),
  set: (view, lane, value) => view.setUint32(4 * lane, value, true),
};
const B64: Shape<bigint> = {
  count: 2,
  bits: 64,
  signed: (view, lane) => view.getBigInt64(8 * lane, true),
  unsigned: (view, lane) => view.getBigUint64(8 * lane, true),
  set: (view, lane, value) => view.setBigUint64(8 * lane, value, true),
};
/** Lanes of binary32 and binary64, read as numbers. */
const F32: Shape<number> = {
  count: 4,
  bits: 32,
  signed: (view, lane) => view.getFloat32(4 * lane, true),
  unsigned: (view, lane) => view.getFloat32(4 * lane, true),
  set: (view, lane, value) => view.setFloat32(4 * lane, value, true),
};
const F64: Shape<number> = {
  count: 2,
  bits: 64,
  signed: (view, lane) => view.getFloat64(8 * lane, true),
  unsigned: (view, lane) => view.getFloat64(8 * lane, true),
  set: (view, lane, value) => view.setFloat64(8 * lane, value, true),
};

const viewOf = (bytes: Bytes): DataView => new DataView(bytes.buffer, bytes.byteOffset, 16);

/** A vector whose lane `i` is `value(i)`. */
function build<T extends number | bigint>(shape: Shape<T>, value: (lane: number) => T): Bytes {
  const result = new Uint8Array(16);
  const view = viewOf(result);
  for (let lane = 0; lane < shape.count; lane++) shape.set(view, lane, value(lane));
  return result;
}

type Reader<T> = (view: DataView, lane: number) => T;

const map1 =
  <T extends number | bigint>(shape: Shape<T>, read: Reader<T>, f: (a: T) => T) =>
  (a: Bytes): Bytes => {
    const view = viewOf(a);
    return build(shape, (lane) => f(read(view, lane)));
  };

const map2 =
  <T extends number | bigint>(shape: Shape<T>, read: Reader<T>, f: Binary<T>) =>
  (a: Bytes, b: Bytes): Bytes => {
    const [x, y] = [viewOf(a), viewOf(b)];
    return build(shape, (lane) => f(read(x, lane), read(y, lane)));
  };

/** All ones in the lanes where `f` holds. */
const compare =
  <T extends number | bigint>(shape: Shape<T>, read: Reader<T>, f: (a: T, b: T) => boolean) =>
  (a: Bytes, b: Bytes): Bytes => {
    const [x, y] = [viewOf(a), viewOf(b)];
    const result = new Uint8Array(16);
    const size = shape.bits / 8;
    for (let lane = 0; lane < shape.count; lane++) {
      if (f(read(x, lane), read(y, lane))) result.fill(0xff, size * lane, size * (lane + 1));
    }
    return result;
  };

const any = (a: Bytes): number => (a.some((byte) => byte !== 0) ? 1 : 0);
const bytewise =
  (f: (a: number, b: number) => number) =>
  (a: Bytes, b: Bytes): Bytes =>
    a.map((byte, i) => f(byte, b[i]!));

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
const larger = <T>(a: T, b: T): T => (a > b ? a : b);
const smaller = <T>(a: T, b: T): T => (a < b ? a : b);

/** What the four integer shapes share, with shifts taking an i32 count modulo the lane width. */
function integers<T extends number | bigint>(
  shape: Shape<T>,
  ops: { add: Binary<T>; sub: Binary<T>; shl: (a: T, n: number) => T; shr: (a: T, n: number) => T },
  zero: T,
) {
  const { signed, unsigned, bits, count } = shape;
  const shift =
    (read: Reader<T>, f: (a: T, n: number) => T) =>
    (a: Bytes, n: number): Bytes =>
      map1(shape, read, (x) => f(x, n & (bits - 1)))(a);
  return {
    eq: compare(shape, signed, (a, b) => a === b),
    ne: compare(shape, signed, (a, b) => a !== b),
    lt_s: compare(shape, signed, (a, b) => a < b),
    gt_s: compare(shape, signed, (a, b) => a > b),
    le_s: compare(shape, signed, (a, b) => a <= b),
    ge_s: compare(shape, signed, (a, b) => a >= b),
    abs: map1(shape, signed, (a) => (a < zero ? ops.sub(zero, a) : a)),
    neg: map1(shape, signed, (a) => ops.sub(zero, a)),
    add: map2(shape, signed, ops.add),
    sub: map2(shape, signed, ops.sub),
    shl: shift(signed, ops.shl),
    shr_s: shift(signed, ops.shr),
    shr_u: shift(unsigned, ops.shr),
    all_true: (a: Bytes): number => {
      const view = viewOf(a);
      for (let lane = 0; lane < count; lane++) if (unsigned(view, lane) === zero) return 0;
      return 1;
    },
    bitmask: (a: Bytes): number => {
      const view = viewOf(a);
      let mask = 0;
      for (let lane = 0; lane < count; lane++) if (signed(view, lane) < zero) mask |= 1 << lane;
      return mask;
    },
  };
}

const NUMBER_OPS = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  shl: (a: number, n: number) => a << n,
  // Lanes read unsigned are below 2³²; `>>` would make the 32-bit ones negative.
  shr: (a: number, n: number) => Math.floor(a / 2 ** n),
};

/** Unsigned compares, minimum, maximum: the shapes of at most 32 bits. */
const narrowIntegers = (shape: Shape<number>) => ({
  ...integers(shape, NUMBER_OPS, 0),
  lt_u: compare(shape, shape.unsigned, (a, b) => a < b),
  gt_u: compare(shape, shape.unsigned, (a, b) => a > b),
  le_u: compare(shape, shape.unsigned, (a, b) => a <= b),
  ge_u: compare(shape, shape.unsigned, (a, b) => a >= b),
  min_s: map2(shape, shape.signed, smaller),
  min_u: map2(shape, shape.unsigned, smaller),
  max_s: map2(shape, shape.signed, larger),
  max_u: map2(shape, shape.unsigned, larger),
});

/** Saturating arithmetic and rounding averages: 8 and 16 bits. */
function saturating(shape: Shape<number>) {
  const high = 2 ** (shape.bits - 1) - 1;
  const low = -(2 ** (shape.bits - 1));
  const top = 2 ** shape.bits - 1;
  return {
    add_sat_s: map2(shape, shape.signed, (a, b) => clamp(a + b, low, high)),
    add_sat_u: map2(shape, shape.unsigned, (a, b) => Math.min(a + b, top)),
    sub_sat_s: map2(shape, shape.signed, (a, b) => clamp(a - b, low, high)),
    sub_sat_u: map2(shape, shape.unsigned, (a, b) => Math.max(a - b, 0)),
    avgr_u: map2(shape, shape.unsigned, (a, b) => (a + b + 1) >> 1),
  };
}

const narrow =
  (from: Shape<number>, to: Shape<number>, low: number, high: number) =>
  (a: Bytes, b: Bytes): Bytes => {
    const [x, y] = [viewOf(a), viewOf(b)];
    return build(to, (lane) => clamp(from.signed(lane < from.count ? x : y, lane % from.count), low, high));
  };

/** Lane `i` of the result from lane `i` (low) or `i + count` (high) of the narrower shape. */
const widen =
  (from: Shape<number>, to: Shape<number>, high: boolean, read: Reader<number>) =>
  (a: Bytes): Bytes => {
    const view = viewOf(a);
    return build(to, (lane) => read(view, lane + (high ? from.count / 2 : 0)));
  };

const widen64 =
  (high: boolean, read: Reader<number>) =>
  (a: Bytes): Bytes => {
    const view = viewOf(a);
    return build(B64, (lane) => BigInt.asUintN(64, BigInt(read(view, lane + (high ? 2 : 0)))));
  };

const product = (a: number, b: number): number => Number(BigInt.asIntN(32, BigInt(a) * BigInt(b)));

const extendedProduct =
  (from: Shape<number>, to: Shape<number>, high: boolean, read: Reader<number>) =>
  (a: Bytes, b: Bytes): Bytes => {
    const [x, y] = [viewOf(a), viewOf(b)];
    const first = high ? from.count / 2 : 0;
    return build(to, (lane) => product(read(x, first + lane), read(y, first + lane)));
  };

const extendedProduct64 =
  (high: boolean, read: Reader<number>) =>
  (a: Bytes, b: Bytes): Bytes => {
    const [x, y] = [viewOf(a), viewOf(b)];
    const first = high ? 2 : 0;
    return build(B64, (lane) =>
      BigInt.asUintN(64, BigInt(read(x, first + lane)) * BigInt(read(y, first + lane))),
    );
  };

const pairwise =
  (to: Shape<number>, read: Reader<number>) =>
  (a: Bytes): Bytes => {
    const view = viewOf(a);
    return build(to, (lane) => read(view, 2 * lane) + read(view, 2 * lane + 1));
  };

const replace =
  <T extends number | bigint>(shape: Shape<T>) =>
  (a: Bytes, lane: number, value: T): Bytes => {
    const result = Uint8Array.from(a);
    shape.set(viewOf(result), lane, value);
    return result;
  };

/** Truncates toward zero and saturates; NaN is 0. */
export const saturate = (value: number, low: number, high: number): number =>
  Number.isNaN(value) ? 0 : clamp(Math.trunc(value), low, high);
export const toSigned32 = (value: number): number => saturate(value, -(2 ** 31), 2 ** 31 - 1) | 0;
export const toUnsigned32 = (value: number): number => saturate(value, 0, 2 ** 32 - 1) | 0;

/** What both float shapes share. `pmin` and `pmax` pick an operand whole, with its NaN bits. */
function floats<M extends number | bigint>(
  shape: Shape<number>,
  bits: Shape<M>,
  signBit: M,
  xor: Binary<M>,
  andNot: Binary<M>,
) {
  const read = shape.signed;
  const pick =
    (f: (a: number, b: number) => boolean) =>
    (a: Bytes, b: Bytes): Bytes => {
      const [x, y] = [viewOf(a), viewOf(b)];
      return build(bits, (lane) => bits.unsigned(f(read(x, lane), read(y, lane)) ? y : x, lane));
    };
  return {
    eq: compare(shape, read, (a, b) => a === b),
    ne: compare(shape, read, (a, b) => a !== b),
    lt: compare(shape, read, (a, b) => a < b),
    gt: compare(shape, read, (a, b) => a > b),
    le: compare(shape, read, (a, b) => a <= b),
    ge: compare(shape, read, (a, b) => a >= b),
    ceil: map1(shape, read, Math.ceil),
    floor: map1(shape, read, Math.floor),
    trunc: map1(shape, read, Math.trunc),
    nearest: map1(shape, read, nearest),
    abs: map1(bits, bits.unsigned, (a) => andNot(a, signBit)),
    neg: map1(bits, bits.unsigned, (a) => xor(a, signBit)),
    sqrt: map1(shape, read, Math.sqrt),
    add: map2(shape, read, (a, b) => a + b),
    sub: map2(shape, read, (a, b) => a - b),
    mul: map2(shape, read, (a, b) => a * b),
    div: map2(shape, read, (a, b) => a / b),
    min: map2(shape, read, Math.min),
    max: map2(shape, read, Math.max),
    pmin: pick((a, b) => b < a),
    pmax: pick((a, b) => a < b),
  };
}

/** Relaxed multiply-add is the fused one here. */
const fused =
  (shape: Shape<number>, precision: 24 | 53, sign: 1 | -1) =>
  (a: Bytes, b: Bytes, c: Bytes): Bytes => {
    const [x, y, z] = [viewOf(a), viewOf(b), viewOf(c)];
    const read = shape.signed;
    return build(shape, (lane) =>
      fusedMultiplyAdd(sign * read(x, lane), read(y, lane), read(z, lane), precision),
    );
  };

/** Float lanes written from integer or float lanes of another shape. */
const convert =
  (to: Shape<number>, lanes: number, read: Reader<number>, f: (value: number) => number) =>
  (a: Bytes): Bytes => {
    const view = viewOf(a);
    return build(to, (lane) => (lane < lanes ? f(read(view, lane)) : 0));
  };

const same = (value: number): number => value;

/** Methods by group and name; {@link PURE} in pure.ts flattens them. */
export const LANE_OPS = {
  v128: {
    not: (a: Bytes): Bytes => a.map((byte) => ~byte),
    and: bytewise((a, b) => a & b),
    andnot: bytewise((a, b) => a & ~b),
    or: bytewise((a, b) => a | b),
    xor: bytewise((a, b) => a ^ b),
    bitselect: (a: Bytes, b: Bytes, mask: Bytes): Bytes =>
      a.map((byte, i) => (byte & mask[i]!) | (b[i]! & ~mask[i]!)),
    any_true: any,
  },
  i8x16: {
    ...narrowIntegers(B8),
    ...saturating(B8),
    swizzle: (a: Bytes, s: Bytes): Bytes => s.map((index) => a[index] ?? 0),
    splat: (a: number): Bytes => build(B8, () => a),
    extract_lane_s: (a: Bytes, lane: number): number => B8.signed(viewOf(a), lane),
    extract_lane_u: (a: Bytes, lane: number): number => B8.unsigned(viewOf(a), lane),
    replace_lane: replace(B8),
    popcnt: map1(B8, B8.unsigned, (a) => {
      let count = 0;
      for (let rest = a; rest !== 0; rest &= rest - 1) count++;
      return count;
    }),
    narrow_i16x8_s: narrow(B16, B8, -0x80, 0x7f),
    narrow_i16x8_u: narrow(B16, B8, 0, 0xff),
  },
  i16x8: {
    ...narrowIntegers(B16),
    ...saturating(B16),
    splat: (a: number): Bytes => build(B16, () => a),
    extract_lane_s: (a: Bytes, lane: number): number => B16.signed(viewOf(a), lane),
    extract_lane_u: (a: Bytes, lane: number): number => B16.unsigned(viewOf(a), lane),
    replace_lane: replace(B16),
    mul: map2(B16, B16.signed, product),
    q15mulr_sat_s: map2(B16, B16.signed, (a, b) => clamp((a * b + 0x4000) >> 15, -0x8000, 0x7fff)),
    narrow_i32x4_s: narrow(B32, B16, -0x8000, 0x7fff),
    narrow_i32x4_u: narrow(B32, B16, 0, 0xffff),
    extend_low_i8x16_s: widen(B8, B16, false, B8.signed),
    extend_high_i8x16_s: widen(B8, B16, true, B8.signed),
    extend_low_i8x16_u: widen(B8, B16, false, B8.unsigned),
    extend_high_i8x16_u: widen(B8, B16, true, B8.unsigned),
    extmul_low_i8x16_s: extendedProduct(B8, B16, false, B8.signed),
    extmul_high_i8x16_s: extendedProduct(B8, B16, true, B8.signed),
    extmul_low_i8x16_u: extendedProduct(B8, B16, false, B8.unsigned),
    extmul_high_i8x16_u: extendedProduct(B8, B16, true, B8.unsigned),
    extadd_pairwise_i8x16_s: pairwise(B16, B8.signed),
    extadd_pairwise_i8x16_u: pairwise(B16, B8.unsigned),
  },
  i32x4: {
    ...narrowIntegers(B32),
    splat: (a: number): Bytes => build(B32, () => a),
    extract_lane: (a: Bytes, lane: number): number => B32.signed(viewOf(a), lane),
    replace_lane: replace(B32),
    mul: map2(B32, B32.signed, product),
    dot_i16x8_s: (a: Bytes, b: Bytes): Bytes => {
      const [x, y] = [viewOf(a), viewOf(b)];
      const term = (lane: number): number => B16.signed(x, lane) * B16.signed(y, lane);
      return build(B32, (lane) => term(2 * lane) + term(2 * lane + 1));
    },
    extend_low_i16x8_s: widen(B16, B32, false, B16.signed),
    extend_high_i16x8_s: widen(B16, B32, true, B16.signed),
    extend_low_i16x8_u: widen(B16, B32, false, B16.unsigned),
    extend_high_i16x8_u: widen(B16, B32, true, B16.unsigned),
    extmul_low_i16x8_s: extendedProduct(B16, B32, false, B16.signed),
    extmul_high_i16x8_s: extendedProduct(B16, B32, true, B16.signed),
    extmul_low_i16x8_u: extendedProduct(B16, B32, false, B16.unsigned),
    extmul_high_i16x8_u: extendedProduct(B16, B32, true, B16.unsigned),
    extadd_pairwise_i16x8_s: pairwise(B32, B16.signed),
    extadd_pairwise_i16x8_u: pairwise(B32, B16.unsigned),
    trunc_sat_f32x4_s: convert(B32, 4, F32.signed, toSigned32),
    trunc_sat_f32x4_u: convert(B32, 4, F32.signed, toUnsigned32),
    trunc_sat_f64x2_s_zero: convert(B32, 2, F64.signed, toSigned32),
    trunc_sat_f64x2_u_zero: convert(B32, 2, F64.signed, toUnsigned32),
  },
  i64x2: {
    ...integers(
      B64,
      {
        add: (a, b) => BigInt.asUintN(64, a + b),
        sub: (a, b) => BigInt.asUintN(64, a - b),
        shl: (a, n) => BigInt.asUintN(64, a << BigInt(n)),
        shr: (a, n) => a >> BigInt(n),
      },
      0n,
    ),
    splat: (a: bigint): Bytes => build(B64, () => a),
    extract_lane: (a: Bytes, lane: number): bigint => B64.unsigned(viewOf(a), lane),
    replace_lane: replace(B64),
    mul: map2(B64, B64.unsigned, (a, b) => BigInt.asUintN(64, a * b)),
    extend_low_i32x4_s: widen64(false, B32.signed),
    extend_high_i32x4_s: widen64(true, B32.signed),
    extend_low_i32x4_u: widen64(false, B32.unsigned),
    extend_high_i32x4_u: widen64(true, B32.unsigned),
    extmul_low_i32x4_s: extendedProduct64(false, B32.signed),
    extmul_high_i32x4_s: extendedProduct64(true, B32.signed),
    extmul_low_i32x4_u: extendedProduct64(false, B32.unsigned),
    extmul_high_i32x4_u: extendedProduct64(true, B32.unsigned),
  },
  f32x4: {
    ...floats(
      F32,
      B32,
      0x8000_0000,
      (a, b) => a ^ b,
      (a, b) => a & ~b,
    ),
    splat: (a: number): Bytes => build(B32, () => a),
    extract_lane: (a: Bytes, lane: number): number => B32.signed(viewOf(a), lane),
    replace_lane: replace(B32),
    demote_f64x2_zero: convert(F32, 2, F64.signed, same),
    convert_i32x4_s: convert(F32, 4, B32.signed, same),
    convert_i32x4_u: convert(F32, 4, B32.unsigned, same),
    relaxed_madd: fused(F32, 24, 1),
    relaxed_nmadd: fused(F32, 24, -1),
  },
  f64x2: {
    ...floats(
      F64,
      B64,
      1n << 63n,
      (a, b) => a ^ b,
      (a, b) => a & ~b,
    ),
    splat: (a: bigint): Bytes => build(B64, () => a),
    extract_lane: (a: Bytes, lane: number): bigint => B64.unsigned(viewOf(a), lane),
    replace_lane: replace(B64),
    promote_low_f32x4: convert(F64, 2, F32.signed, same),
    convert_low_i32x4_s: convert(F64, 2, B32.signed, same),
    convert_low_i32x4_u: convert(F64, 2, B32.unsigned, same),
    relaxed_madd: fused(F64, 53, 1),
    relaxed_nmadd: fused(F64, 53, -1),
  },
};
