/**
 * One way to write an operation for a scalar and for a vector of floats.
 *
 * A view holds operands as Wasm computes with them: `F32`, `F64` or `V128`, and half precision, with which it does not,
 * as `I32`. NaNs keep their bits as long as a value is only moved, negated or made absolute. The definition sees all
 * kinds as one type.
 */
import type {
  Emitter,
  F32,
  F64,
  Field,
  Float as ScalarFloat,
  I32,
  I64,
  Routine,
  RoutineType,
  V128,
  Var,
  Word,
} from '../emitter.ts';
import { swizzled } from './lanes.ts';
import { FORMATS, type FpBits, type FpFormat, type PerBits, perBits } from './fp-format.ts';

/** An operand, of the kind that a view has. */
export type Bits = I32 & F32 & F64 & V128;
/** The same where Wasm's floating point takes it: not of half precision. */
export type Float = F32 & F64 & V128;
/** The result of a comparison: 0 or 1, or lanes of zeros or ones. */
export type Mask = I32 & V128;

/** What an operation applies to. Scalars clear the rest of the register; so do `4h` and `2s`. */
export type FpShape = 'h' | 's' | 'd' | '4h' | '8h' | '2s' | '4s' | '2d';

export const SCALAR_SHAPES = ['s', 'd'] as const;
export const VECTOR_SHAPES = ['2s', '4s', '2d'] as const;
export const HALF_SHAPES = ['4h', '8h'] as const;

/** Wasm's floating-point operations, of the kind that a view has. */
interface FloatOps {
  abs(x: Float): Float;
  neg(x: Float): Float;
  add(x: Float, y: Float): Float;
  sub(x: Float, y: Float): Float;
  mul(x: Float, y: Float): Float;
  div(x: Float, y: Float): Float;
  sqrt(x: Float): Float;
  min(x: Float, y: Float): Float;
  max(x: Float, y: Float): Float;
  ceil(x: Float): Float;
  floor(x: Float): Float;
  trunc(x: Float): Float;
  nearest(x: Float): Float;
  eq(x: Float, y: Float): Mask;
  lt(x: Float, y: Float): Mask;
  gt(x: Float, y: Float): Mask;
  ne(x: Float, y: Float): Mask;
  ge(x: Float, y: Float): Mask;
  le(x: Float, y: Float): Mask;
}

type AnyRoutine = Routine<readonly RoutineType[], RoutineType>;
type ValueRoutine<P extends readonly RoutineType[]> = Routine<P, 'i64'>;

/** A soft-float operation for values and for registers full of them. */
export interface Soft {
  readonly scalar: PerBits<AnyRoutine>;
  readonly lanes: PerBits<AnyRoutine>;
}

/** One lane, zero-extended. */
export const extractLane = (c: Emitter, bits: FpBits, source: Var<V128>, lane: number): I64 => {
  if (bits === 64) return c.i64x2.extract_lane(source.get(), lane);
  return c.i64.extend_i32_u(
    bits === 32 ? c.i32x4.extract_lane(source.get(), lane) : c.i16x8.extract_lane_u(source.get(), lane),
  );
};

export const replaceLane = (
  c: Emitter,
  bits: FpBits,
  target: Var<V128>,
  lane: number,
  value: Var<I64>,
): V128 => {
  if (bits === 64) return c.i64x2.replace_lane(target.get(), lane, value.get());
  return c[bits === 32 ? 'i32x4' : 'i16x8'].replace_lane(target.get(), lane, c.i32.wrap_i64(value.get()));
};

/** The lane form of each scalar routine: one, however many operations share it. */
const LANE_ROUTINES = new WeakMap<AnyRoutine, AnyRoutine>();

function laneRoutine(scalar: AnyRoutine, format: FpFormat): AnyRoutine {
  const known = LANE_ROUTINES.get(scalar) ?? makeLaneRoutine(scalar, format);
  LANE_ROUTINES.set(scalar, known);
  return known;
}

/** Calls the scalar routine for each lane. `i32` operands are the same for all lanes. */
const makeLaneRoutine = (scalar: AnyRoutine, { bits }: FpFormat): AnyRoutine => ({
  name: `${scalar.name}_lanes`,
  params: scalar.params.map((type) => (type === 'i64' ? 'v128' : type)),
  result: 'v128',
  emit: (c, ...operands) => {
    const result = c.letV128(c.v128.const(0n, 0n));
    for (let lane = 0; lane < 128 / bits; lane++) {
      const values = operands.map((operand, i) =>
        scalar.params[i] === 'i32' ? operand.get() : extractLane(c, bits, operand as Var<V128>, lane),
      );
      const value = c.letI64(c.call(scalar, ...values) as I64);
      result.set(replaceLane(c, bits, result, lane, value));
    }
    return result.get();
  },
});

/** Adds the lane forms to a pair of routines. All `i64` operands are values of the format. */
export const soft = <P extends readonly RoutineType[]>(scalar: PerBits<ValueRoutine<P>>): Soft => {
  // The parameters of a routine are checked where it is defined; here they are only counted.
  const routines = scalar as unknown as PerBits<AnyRoutine>;
  return { scalar: routines, lanes: perBits((f) => laneRoutine(routines[f.bits], f)) };
};

/** Operands and operations of one shape. */
export interface FpView {
  readonly c: Emitter;
  readonly shape: FpShape;
  readonly format: FpFormat;
  /** Width of the Wasm integer that holds a scalar. */
  readonly wordBits: 32 | 64;
  /** Half precision: Wasm has no operations on it, so `ops` and what takes or gives a `Float` must not be used. */
  readonly isHalf: boolean;
  readonly ops: FloatOps;
  readonly isVector: boolean;
  read(field: Field): Var<Bits>;
  /** One lane of a register, for a vector in all lanes. The immediate has its bytes' numbers: `repeatedLane`. */
  readElement(field: Field): Var<Bits>;
  write(field: Field, value: Bits): void;
  letBits(value: Bits): Var<Bits>;
  /** A constant in each lane. */
  constBits(value: bigint): Bits;
  constFloat(value: number): Float;
  float(value: Var<Bits>): Float;
  letFloat(value: Float): Var<Float>;
  bits(value: Var<Float>): Bits;
  /** A scalar's bits as an integer of `wordBits`. */
  word(value: Bits): Word;
  fromWord(value: Word): Bits;
  /** −x, of NaNs too. */
  negated(value: Bits): Bits;
  /** |x|, of NaNs too. */
  absolute(value: Bits): Bits;
  /** The magnitude of the first value, or each of its lanes, with the second one's sign. */
  withSign(magnitude: bigint, sign: Bits): Bits;
  /** addend + x × y, rounded once if Wasm's operation does that here. */
  multiplyAdd(addend: Var<Float>, x: Var<Float>, y: Var<Float>): Float;
  both(x: Mask, y: Mask): Mask;
  either(x: Mask, y: Mask): Mask;
  /** 1 if it holds in every lane. */
  all(mask: Mask): I32;
  /** 1 if it holds in any lane. */
  any(mask: Mask): I32;
  /** 1 if a lane is infinite or a NaN. */
  anyNotFinite(value: Var<Float>): I32;
  /** 1 if a lane is not above the smallest normal number in magnitude and finite; 1 also for some that are just above. */
  anyNotNormal(value: Var<Float>): I32;
  /** The soft-float operation on values of this shape; the extra operands come last. */
  call(operation: Soft, operands: readonly Var<Bits>[], extra?: readonly (() => I32)[]): Bits;
}

/** A constant in each lane of a vector. */
const splatConst = (c: Emitter, bits: FpBits, value: bigint): V128 => {
  let half = 0n;
  for (let at = 0; at < 64; at += bits) half |= value << BigInt(at);
  return c.v128.const(half, half);
};

const bits32 = (value: number): bigint => BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]!);
const bits64 = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!;

/** One lane of a vector as a scalar. */
export function scalarLane(c: Emitter, bits: FpBits, vector: V128, lane: number): Var<Bits> {
  if (bits === 64) return c.letF64(c.f64x2.extract_lane(vector, lane)) as Var<Bits>;
  if (bits === 32) return c.letF32(c.f32x4.extract_lane(vector, lane)) as Var<Bits>;
  return c.letI32(c.i16x8.extract_lane_u(vector, lane)) as Var<Bits>;
}

/** Half precision lies in the low bits of an `I32`, with which Wasm computes nothing. */
function halfView(c: Emitter): FpView {
  const { i32 } = c;
  const { magnitude, sign } = FORMATS[16];
  const none = (): never => {
    throw new TypeError('Wasm has no half precision');
  };
  return {
    c,
    shape: 'h',
    format: FORMATS[16],
    wordBits: 32,
    isHalf: true,
    ops: undefined as never,
    isVector: false,
    read: (field) => c.letI32(i32.and(c.vecLow32(field), i32.const(0xffff))) as Var<Bits>,
    readElement: (field) => scalarLane(c, 16, swizzled(c, field), 0),
    write: (field, value) => c.setVecLow32(field, value),
    letBits: (value) => c.letI32(value) as Var<Bits>,
    constBits: (value) => i32.const(value) as Bits,
    constFloat: none,
    float: none,
    letFloat: none,
    bits: none,
    word: (value) => value as I32 as Word,
    fromWord: (value) => value as I32 as Bits,
    negated: (value) => i32.xor(value, i32.const(sign)) as Bits,
    absolute: (value) => i32.and(value, i32.const(magnitude)) as Bits,
    withSign: none,
    multiplyAdd: none,
    both: (x, y) => i32.and(x, y) as Mask,
    either: (x, y) => i32.or(x, y) as Mask,
    all: (mask) => mask,
    any: (mask) => mask,
    anyNotFinite: none,
    anyNotNormal: none,
    call: (operation, operands, extra = []) =>
      i32.wrap_i64(
        callScalar(
          c,
          16,
          operation,
          operands.map((operand) => () => i32ToI64(c, operand)),
          extra,
        ),
      ) as Bits,
  };
}

const i32ToI64 = (c: Emitter, value: Var<Bits>): I64 => c.i64.extend_i32_u(value.get());

const callScalar = (
  c: Emitter,
  bits: FpBits,
  operation: Soft,
  operands: readonly (() => I64)[],
  extra: readonly (() => I32)[],
): I64 => c.call(operation.scalar[bits], ...[...operands, ...extra].map((operand) => operand())) as I64;

/** Single and double precision are Wasm's own. */
function scalarView(c: Emitter, shape: 's' | 'd'): FpView {
  const bits = shape === 'd' ? 64 : 32;
  const single = bits === 32;
  const w = c.word(bits);
  const { i32, i64 } = c;
  const ops = (single ? c.f32 : c.f64) as unknown as FloatOps;
  const letFloat = (value: ScalarFloat): unknown => (single ? c.letF32(value) : c.letF64(value));
  const word = (value: ScalarFloat): Word =>
    (single ? i32.reinterpret_f32(value) : i64.reinterpret_f64(value)) as Word;
  const fromWord = (value: Word): Bits =>
    (single ? c.f32.reinterpret_i32(value) : c.f64.reinterpret_i64(value)) as Bits;
  /** Twice the upper half of a double, or of what a single is: its sign is gone, and an integer comparison does. */
  const twice = (value: Var<Float>): I32 => {
    const upper = single ? word(value.get()) : i32.wrap_i64(i64.shr_u(word(value.get()), i64.const(32)));
    return i32.shl(upper, i32.const(1));
  };
  const infinity = single ? 0xff00_0000 : 0xffe0_0000;
  const smallestNormal = single ? 0x0100_0000 : 0x0020_0000;
  return {
    c,
    shape,
    format: FORMATS[bits],
    wordBits: bits,
    isHalf: false,
    ops,
    isVector: false,
    read: (field) => letFloat(c.float(field, bits)) as Var<Bits>,
    readElement: (field) => scalarLane(c, bits, swizzled(c, field), 0),
    write: (field, value) => c.setFloat(field, bits, value),
    letBits: (value) => letFloat(value) as Var<Bits>,
    constBits: (value) => fromWord(w.const(value)),
    constFloat: (value) => (single ? c.f32.const(value) : c.f64.const(value)) as Float,
    float: (value) => value.get(),
    letFloat: (value) => letFloat(value) as Var<Float>,
    bits: (value) => value.get() as Bits,
    word,
    fromWord,
    negated: (value) => ops.neg(value) as Bits,
    absolute: (value) => ops.abs(value) as Bits,
    withSign: (magnitude, sign) =>
      fromWord(w.or(w.and(word(sign), w.const(FORMATS[bits].sign)), w.const(magnitude))),
    // Wasm has it for vectors only.
    multiplyAdd: (addend, x, y) => {
      const lanes = (value: Var<Float>): V128 =>
        single ? c.f32x4.splat(value.get()) : c.f64x2.splat(value.get());
      const sum = (single ? c.f32x4 : c.f64x2).relaxed_madd(lanes(x), lanes(y), lanes(addend));
      return (single ? c.f32x4.extract_lane(sum, 0) : c.f64x2.extract_lane(sum, 0)) as unknown as Float;
    },
    both: (x, y) => i32.and(x, y) as Mask,
    either: (x, y) => i32.or(x, y) as Mask,
    all: (mask) => mask,
    any: (mask) => mask,
    anyNotFinite: (value) => i32.ge_u(twice(value), i32.const(infinity | 0)),
    anyNotNormal: (value) => {
      // What has the smallest exponent and nothing else in its upper half counts as not normal.
      const above = i32.sub(twice(value), i32.const(smallestNormal + 1));
      return i32.ge_u(above, i32.const((infinity - smallestNormal - 1) | 0));
    },
    call: (operation, operands, extra = []) =>
      fromWord(
        w.fromI64(
          callScalar(
            c,
            bits,
            operation,
            operands.map((operand) => () => w.toI64(word(operand.get()))),
            extra,
          ),
        ),
      ),
  };
}

const LANE_BITS = { '4h': 16, '8h': 16, '2s': 32, '4s': 32, '2d': 64 } as const;

function vectorView(c: Emitter, shape: keyof typeof LANE_BITS): FpView {
  const bits = LANE_BITS[shape];
  const isShort = shape === '2s' || shape === '4h';
  const letV128 = (value: V128): Var<Bits> => c.letV128(value) as Var<Bits>;
  const ops = (bits === 64 ? c.f64x2 : c.f32x4) as unknown as FloatOps;
  const { sign, magnitude } = FORMATS[bits];
  const all = (value: bigint): V128 => splatConst(c, bits, value);
  const constFloat = (value: number): Float => all(bits === 64 ? bits64(value) : bits32(value)) as Float;
  const none = (): never => {
    throw new TypeError('a vector is not a word');
  };
  return {
    c,
    shape,
    format: FORMATS[bits],
    wordBits: bits === 64 ? 64 : 32,
    isHalf: bits === 16,
    ops,
    isVector: true,
    // The lanes that do not count repeat those that do: so they raise nothing and pass every test that these pass.
    read: (field) => letV128(isShort ? c.f64x2.splat(c.float(field, 64)) : c.vec(field)),
    readElement: (field) => letV128(swizzled(c, field)),
    write: (field, value) =>
      isShort ? c.setFloat(field, 64, c.f64x2.extract_lane(value, 0) as ScalarFloat) : c.setVec(field, value),
    letBits: letV128,
    constBits: (value) => splatConst(c, bits, value) as Bits,
    constFloat,
    float: (value) => value.get() as unknown as Float,
    letFloat: (value) => c.letV128(value) as Var<Float>,
    bits: (value) => value.get() as unknown as Bits,
    word: none,
    fromWord: none,
    multiplyAdd: (addend, x, y) => {
      const lanes = bits === 64 ? c.f64x2 : c.f32x4;
      return lanes.relaxed_madd(x.get(), y.get(), addend.get()) as Float;
    },
    negated: (value) => (bits === 16 ? c.v128.xor(value, all(sign)) : ops.neg(value as Float)) as Bits,
    absolute: (value) => (bits === 16 ? c.v128.and(value, all(magnitude)) : ops.abs(value as Float)) as Bits,
    withSign: (least, signed) => c.v128.or(c.v128.and(signed, all(sign)), all(least)) as Bits,
    both: (x, y) => c.v128.and(x, y) as Mask,
    either: (x, y) => c.v128.or(x, y) as Mask,
    all: (mask) => c.i32x4.all_true(mask),
    any: (mask) => c.v128.any_true(mask),
    // The difference is 0, or a NaN.
    anyNotFinite: (value) => c.v128.any_true(ops.sub(value.get(), value.get())),
    anyNotNormal: (value) => {
      const tiny = ops.le(ops.abs(value.get()), constFloat(2 ** (1 - FORMATS[bits].bias)));
      return c.v128.any_true(c.v128.or(tiny, ops.sub(value.get(), value.get())));
    },
    call: (operation, operands, extra = []) =>
      c.call(
        operation.lanes[bits],
        ...operands.map((operand) => operand.get()),
        ...extra.map((operand) => operand()),
      ) as Bits,
  };
}

/** The view of a shape. */
export function fpView(c: Emitter, shape: FpShape): FpView {
  if (shape === 'h') return halfView(c);
  return shape === 's' || shape === 'd' ? scalarView(c, shape) : vectorView(c, shape);
}
