/**
 * One way to write an operation for a scalar and for a vector of floats.
 *
 * A view holds operands as their bits (`I32`, `I64` or `V128`) and gives them to Wasm as floats only where those
 * compute: a float may lose the bits of a NaN. The definition sees all kinds as one type.
 */
import type { Emitter, F32, F64, Field, I32, I64, Routine, RoutineType, V128, Var } from '../emitter.ts';
import { swizzled } from './lanes.ts';
import { FORMATS, type FpBits, type FpFormat, type PerBits, perBits } from './fp-format.ts';

/** The bits of an operand, of the kind that a view has. */
export type Bits = I32 & I64 & V128;
/** The same as Wasm's floating point takes it. */
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
  xor(value: Bits, mask: bigint): Bits;
  and(value: Bits, mask: bigint): Bits;
  both(x: Mask, y: Mask): Mask;
  either(x: Mask, y: Mask): Mask;
  /** 1 if it holds in every lane. */
  all(mask: Mask): I32;
  /** The soft-float operation on values of this shape; the extra operands come last. */
  call(operation: Soft, operands: readonly Var<Bits>[], extra?: readonly (() => I32)[]): Bits;
}

/** A constant in each lane of a vector. */
const splatConst = (c: Emitter, bits: FpBits, value: bigint): V128 => {
  let half = 0n;
  for (let at = 0; at < 64; at += bits) half |= value << BigInt(at);
  return c.v128.const(half, half);
};

/** One lane of a vector as a scalar. */
export function scalarLane(c: Emitter, bits: FpBits, vector: V128, lane: number): Var<Bits> {
  if (bits === 64) return c.letI64(c.i64x2.extract_lane(vector, lane)) as Var<Bits>;
  return c.letI32(
    bits === 32 ? c.i32x4.extract_lane(vector, lane) : c.i16x8.extract_lane_u(vector, lane),
  ) as Var<Bits>;
}

/** A scalar of half precision lies in the low bits of an `I32`. */
function scalarView(c: Emitter, shape: 'h' | 's' | 'd'): FpView {
  const bits = ({ h: 16, s: 32, d: 64 } as const)[shape];
  const wordBits = bits === 64 ? 64 : 32;
  const w = c.word(wordBits);
  const single = wordBits === 32;
  const isHalf = bits === 16;
  const read = (field: Field): unknown => {
    if (isHalf) return c.i32.and(c.vecLow32(field), c.i32.const(0xffff));
    return single ? c.vecLow32(field) : c.vecLow(field);
  };
  return {
    c,
    shape,
    format: FORMATS[bits],
    wordBits,
    isHalf,
    ops: (single ? c.f32 : c.f64) as unknown as FloatOps,
    isVector: false,
    read: (field) => w.let(read(field) as Bits) as Var<Bits>,
    readElement: (field) => scalarLane(c, bits, swizzled(c, field), 0),
    write: (field, value) => (single ? c.setVecLow32(field, value) : c.setVecLow(field, value)),
    letBits: (value) => w.let(value) as Var<Bits>,
    constBits: (value) => w.const(value) as Bits,
    constFloat: (value) => (single ? c.f32.const(value) : c.f64.const(value)) as Float,
    float: (value) =>
      (single ? c.f32.reinterpret_i32(value.get()) : c.f64.reinterpret_i64(value.get())) as Float,
    letFloat: (value) => (single ? c.letF32(value) : c.letF64(value)) as unknown as Var<Float>,
    bits: (value) =>
      (single ? c.i32.reinterpret_f32(value.get()) : c.i64.reinterpret_f64(value.get())) as Bits,
    xor: (value, mask) => w.xor(value, w.const(mask)) as Bits,
    and: (value, mask) => w.and(value, w.const(mask)) as Bits,
    both: (x, y) => c.i32.and(x, y) as Mask,
    either: (x, y) => c.i32.or(x, y) as Mask,
    all: (mask) => mask,
    call: (operation, operands, extra = []) =>
      w.fromI64(
        c.call(
          operation.scalar[bits],
          ...operands.map((operand) => w.toI64(operand.get())),
          ...extra.map((operand) => operand()),
        ) as I64,
      ) as Bits,
  };
}

const LANE_BITS = { '4h': 16, '8h': 16, '2s': 32, '4s': 32, '2d': 64 } as const;

function vectorView(c: Emitter, shape: keyof typeof LANE_BITS): FpView {
  const bits = LANE_BITS[shape];
  const isShort = shape === '2s' || shape === '4h';
  const letV128 = (value: V128): Var<Bits> => c.letV128(value) as Var<Bits>;
  return {
    c,
    shape,
    format: FORMATS[bits],
    wordBits: bits === 64 ? 64 : 32,
    isHalf: bits === 16,
    ops: (bits === 64 ? c.f64x2 : c.f32x4) as unknown as FloatOps,
    isVector: true,
    // The lanes that do not count repeat those that do: so they raise nothing and pass every test that these pass.
    read: (field) => letV128(isShort ? c.i64x2.splat(c.vecLow(field)) : c.vec(field)),
    readElement: (field) => letV128(swizzled(c, field)),
    write: (field, value) =>
      isShort ? c.setVecLow(field, c.i64x2.extract_lane(value, 0)) : c.setVec(field, value),
    letBits: letV128,
    constBits: (value) => splatConst(c, bits, value) as Bits,
    constFloat: (value) =>
      (bits === 64 ? c.f64x2.splat(c.f64.const(value)) : c.f32x4.splat(c.f32.const(value))) as Float,
    float: (value) => value.get() as unknown as Float,
    letFloat: (value) => c.letV128(value) as Var<Float>,
    bits: (value) => value.get() as unknown as Bits,
    xor: (value, mask) => c.v128.xor(value, splatConst(c, bits, mask)) as Bits,
    and: (value, mask) => c.v128.and(value, splatConst(c, bits, mask)) as Bits,
    both: (x, y) => c.v128.and(x, y) as Mask,
    either: (x, y) => c.v128.or(x, y) as Mask,
    all: (mask) => c.i32x4.all_true(mask),
    call: (operation, operands, extra = []) =>
      c.call(
        operation.lanes[bits],
        ...operands.map((operand) => operand.get()),
        ...extra.map((operand) => operand()),
      ) as Bits,
  };
}

/** The view of a shape. */
export const fpView = (c: Emitter, shape: FpShape): FpView =>
  shape === 'h' || shape === 's' || shape === 'd' ? scalarView(c, shape) : vectorView(c, shape);

/** −x, of NaNs too. */
export const negated = (k: FpView, value: Bits): Bits => k.xor(value, k.format.sign);
/** |x|, of NaNs too. */
export const absolute = (k: FpView, value: Bits): Bits => k.and(value, k.format.magnitude);
