/**
 * The pure operations of wasm/opcode.ts, computed at once. Source: WebAssembly core specification 3.0, section 4.3.
 *
 * i32 is a number in the signed range; i64 an unsigned bigint; f32 and f64 are their bits in the same forms; v128 is
 * 16 bytes, never changed in place.
 */
import type { PureOpName } from '../wasm/opcode.ts';
import { fromBits32, fromBits64, integerForBinary32, nearest, toBits32, toBits64 } from './float.ts';
import { LANE_OPS, toSigned32, toUnsigned32 } from './lanes.ts';

const U64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const S64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const bool = (value: boolean): number => (value ? 1 : 0);

/** What WebAssembly traps on. A definition that gets here is wrong. */
function trapIf(condition: boolean, what: string): void {
  if (condition) throw new RangeError(what);
}

const I32 = {
  eqz: (a: number) => bool(a === 0),
  eq: (a: number, b: number) => bool(a === b),
  ne: (a: number, b: number) => bool(a !== b),
  lt_s: (a: number, b: number) => bool(a < b),
  lt_u: (a: number, b: number) => bool(a >>> 0 < b >>> 0),
  gt_s: (a: number, b: number) => bool(a > b),
  gt_u: (a: number, b: number) => bool(a >>> 0 > b >>> 0),
  le_s: (a: number, b: number) => bool(a <= b),
  le_u: (a: number, b: number) => bool(a >>> 0 <= b >>> 0),
  ge_s: (a: number, b: number) => bool(a >= b),
  ge_u: (a: number, b: number) => bool(a >>> 0 >= b >>> 0),
  clz: (a: number) => Math.clz32(a),
  ctz: (a: number) => (a === 0 ? 32 : 31 - Math.clz32(a & -a)),
  popcnt: (a: number) => {
    let count = 0;
    for (let rest = a; rest !== 0; rest &= rest - 1) count++;
    return count;
  },
  add: (a: number, b: number) => (a + b) | 0,
  sub: (a: number, b: number) => (a - b) | 0,
  mul: (a: number, b: number) => Math.imul(a, b),
  div_s: (a: number, b: number) => {
    trapIf(b === 0, 'i32.div_s by zero');
    trapIf(a === -(2 ** 31) && b === -1, 'i32.div_s overflows');
    return (a / b) | 0;
  },
  div_u: (a: number, b: number) => {
    trapIf(b === 0, 'i32.div_u by zero');
    return ((a >>> 0) / (b >>> 0)) | 0;
  },
  rem_s: (a: number, b: number) => {
    trapIf(b === 0, 'i32.rem_s by zero');
    return (a % b) | 0;
  },
  rem_u: (a: number, b: number) => {
    trapIf(b === 0, 'i32.rem_u by zero');
    return ((a >>> 0) % (b >>> 0)) | 0;
  },
  and: (a: number, b: number) => a & b,
  or: (a: number, b: number) => a | b,
  xor: (a: number, b: number) => a ^ b,
  shl: (a: number, b: number) => a << b,
  shr_s: (a: number, b: number) => a >> b,
  shr_u: (a: number, b: number) => (a >>> b) | 0,
  rotl: (a: number, b: number) => (a << b) | (a >>> -b),
  rotr: (a: number, b: number) => (a >>> b) | (a << -b),
  wrap_i64: (a: bigint) => Number(BigInt.asIntN(32, a)),
  reinterpret_f32: (a: number) => a,
  extend8_s: (a: number) => (a << 24) >> 24,
  extend16_s: (a: number) => (a << 16) >> 16,
  trunc_sat_f32_s: (a: number) => toSigned32(fromBits32(a)),
  trunc_sat_f32_u: (a: number) => toUnsigned32(fromBits32(a)),
  trunc_sat_f64_s: (a: bigint) => toSigned32(fromBits64(a)),
  trunc_sat_f64_u: (a: bigint) => toUnsigned32(fromBits64(a)),
};

const leadingZeros = (a: bigint): bigint => (a === 0n ? 64n : BigInt(64 - a.toString(2).length));

/** Truncates toward zero and saturates; NaN is 0. */
function saturate64(value: number, low: bigint, high: bigint): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value <= Number(low)) return U64(low);
  if (value >= Number(high)) return U64(high);
  return U64(BigInt(Math.trunc(value)));
}
const toSigned64 = (value: number): bigint => saturate64(value, -(2n ** 63n), 2n ** 63n - 1n);
const toUnsigned64 = (value: number): bigint => saturate64(value, 0n, 2n ** 64n - 1n);

const rotateLeft = (a: bigint, b: bigint): bigint => U64((a << (b & 63n)) | (a >> (U64(-b) & 63n)));

const I64 = {
  eqz: (a: bigint) => bool(a === 0n),
  eq: (a: bigint, b: bigint) => bool(a === b),
  ne: (a: bigint, b: bigint) => bool(a !== b),
  lt_s: (a: bigint, b: bigint) => bool(S64(a) < S64(b)),
  lt_u: (a: bigint, b: bigint) => bool(a < b),
  gt_s: (a: bigint, b: bigint) => bool(S64(a) > S64(b)),
  gt_u: (a: bigint, b: bigint) => bool(a > b),
  le_s: (a: bigint, b: bigint) => bool(S64(a) <= S64(b)),
  le_u: (a: bigint, b: bigint) => bool(a <= b),
  ge_s: (a: bigint, b: bigint) => bool(S64(a) >= S64(b)),
  ge_u: (a: bigint, b: bigint) => bool(a >= b),
  clz: leadingZeros,
  ctz: (a: bigint) => (a === 0n ? 64n : 63n - leadingZeros(a & -a)),
  popcnt: (a: bigint) => {
    let count = 0n;
    for (let rest = a; rest !== 0n; rest &= rest - 1n) count++;
    return count;
  },
  add: (a: bigint, b: bigint) => U64(a + b),
  sub: (a: bigint, b: bigint) => U64(a - b),
  mul: (a: bigint, b: bigint) => U64(a * b),
  div_s: (a: bigint, b: bigint) => {
    trapIf(b === 0n, 'i64.div_s by zero');
    trapIf(a === 1n << 63n && S64(b) === -1n, 'i64.div_s overflows');
    return U64(S64(a) / S64(b));
  },
  div_u: (a: bigint, b: bigint) => {
    trapIf(b === 0n, 'i64.div_u by zero');
    return a / b;
  },
  rem_s: (a: bigint, b: bigint) => {
    trapIf(b === 0n, 'i64.rem_s by zero');
    return U64(S64(a) % S64(b));
  },
  rem_u: (a: bigint, b: bigint) => {
    trapIf(b === 0n, 'i64.rem_u by zero');
    return a % b;
  },
  and: (a: bigint, b: bigint) => a & b,
  or: (a: bigint, b: bigint) => a | b,
  xor: (a: bigint, b: bigint) => a ^ b,
  shl: (a: bigint, b: bigint) => U64(a << (b & 63n)),
  shr_s: (a: bigint, b: bigint) => U64(S64(a) >> (b & 63n)),
  shr_u: (a: bigint, b: bigint) => a >> (b & 63n),
  rotl: rotateLeft,
  rotr: (a: bigint, b: bigint) => rotateLeft(a, U64(-b)),
  extend_i32_s: (a: number) => U64(BigInt(a)),
  extend_i32_u: (a: number) => BigInt(a >>> 0),
  reinterpret_f64: (a: bigint) => a,
  extend8_s: (a: bigint) => U64(BigInt.asIntN(8, a)),
  extend16_s: (a: bigint) => U64(BigInt.asIntN(16, a)),
  extend32_s: (a: bigint) => U64(BigInt.asIntN(32, a)),
  trunc_sat_f32_s: (a: number) => toSigned64(fromBits32(a)),
  trunc_sat_f32_u: (a: number) => toUnsigned64(fromBits32(a)),
  trunc_sat_f64_s: (a: bigint) => toSigned64(fromBits64(a)),
  trunc_sat_f64_u: (a: bigint) => toUnsigned64(fromBits64(a)),
};

/** What both float widths share; `T` is the form of the bits. */
function floats<T>(from: (bits: T) => number, to: (value: number) => T) {
  const unary = (f: (a: number) => number) => (a: T) => to(f(from(a)));
  const binary = (f: (a: number, b: number) => number) => (a: T, b: T) => to(f(from(a), from(b)));
  const compare = (f: (a: number, b: number) => boolean) => (a: T, b: T) => bool(f(from(a), from(b)));
  return {
    eq: compare((a, b) => a === b),
    ne: compare((a, b) => a !== b),
    lt: compare((a, b) => a < b),
    gt: compare((a, b) => a > b),
    le: compare((a, b) => a <= b),
    ge: compare((a, b) => a >= b),
    ceil: unary(Math.ceil),
    floor: unary(Math.floor),
    trunc: unary(Math.trunc),
    nearest: unary(nearest),
    sqrt: unary(Math.sqrt),
    add: binary((a, b) => a + b),
    sub: binary((a, b) => a - b),
    mul: binary((a, b) => a * b),
    div: binary((a, b) => a / b),
    min: binary(Math.min),
    max: binary(Math.max),
    convert_i32_s: (a: number) => to(a),
    convert_i32_u: (a: number) => to(a >>> 0),
  };
}

const SIGN64 = 1n << 63n;

const F32 = {
  ...floats(fromBits32, toBits32),
  abs: (a: number) => a & 0x7fff_ffff,
  neg: (a: number) => a ^ 0x8000_0000,
  copysign: (a: number, b: number) => (a & 0x7fff_ffff) | (b & 0x8000_0000),
  convert_i64_s: (a: bigint) => toBits32(integerForBinary32(S64(a))),
  convert_i64_u: (a: bigint) => toBits32(integerForBinary32(a)),
  demote_f64: (a: bigint) => toBits32(fromBits64(a)),
  reinterpret_i32: (a: number) => a,
};

const F64 = {
  ...floats(fromBits64, toBits64),
  abs: (a: bigint) => a & ~SIGN64,
  neg: (a: bigint) => a ^ SIGN64,
  copysign: (a: bigint, b: bigint) => (a & ~SIGN64) | (b & SIGN64),
  convert_i64_s: (a: bigint) => toBits64(Number(S64(a))),
  convert_i64_u: (a: bigint) => toBits64(Number(a)),
  promote_f32: (a: number) => toBits64(fromBits32(a)),
  reinterpret_i64: (a: bigint) => a,
};

type Named<Group extends string, Methods> = {
  [Name in keyof Methods & string as `${Group}.${Name}`]: Methods[Name];
};

/** `{ add }` of group `i32` becomes `{ 'i32.add' }`. */
function named<Group extends string, Methods extends object>(
  group: Group,
  methods: Methods,
): Named<Group, Methods> {
  const entries = Object.entries(methods).map(([name, method]) => [`${group}.${name}`, method] as const);
  // Keys are made from the same two strings as in the type.
  return Object.fromEntries(entries) as Named<Group, Methods>;
}

/** Every pure operation by name. A missing one does not compile. */
export const PURE = {
  ...named('i32', I32),
  ...named('i64', I64),
  ...named('f32', F32),
  ...named('f64', F64),
  ...named('v128', LANE_OPS.v128),
  ...named('i8x16', LANE_OPS.i8x16),
  ...named('i16x8', LANE_OPS.i16x8),
  ...named('i32x4', LANE_OPS.i32x4),
  ...named('i64x2', LANE_OPS.i64x2),
  ...named('f32x4', LANE_OPS.f32x4),
  ...named('f64x2', LANE_OPS.f64x2),
} satisfies Record<PureOpName, (...operands: never[]) => unknown>;
