/**
 * Floating-point operations as rows use them: Wasm's where that is exact, soft float else.
 *
 * Wasm rounds to nearest and keeps no flags. So its result counts where FPCR asks for nothing else, where the flag it
 * could raise is set already (FPSR.IXC stays set once it is), and where the result itself shows that nothing else
 * happened: no NaN, no infinity, nothing tiny. One test covers all lanes of a vector.
 */
import { FPCR } from '../../state/vcpu-state.ts';
import type { Emitter, I32, Var } from '../emitter.ts';
import { FPCR_FZ, FPCR_RMODE, FPSR_IXC, ROUNDING } from './fp-format.ts';
import { integralOf, type IntegralRounding } from './fp-integral.ts';
import { type Bits, type Float, type FpView, type Mask, type Soft, soft } from './fp-view.ts';
import { SOFT_ADD, SOFT_DIV, SOFT_MUL, SOFT_MULX, SOFT_SQRT, SOFT_SUB } from './soft-float-arithmetic.ts';
import { SOFT_MAX, SOFT_MAXNM, SOFT_MIN, SOFT_MINNM } from './soft-float-compare.ts';
import { SOFT_RECPE, SOFT_RECPX, SOFT_RSQRTE } from './soft-float-estimate.ts';
import { SOFT_MULADD, SOFT_RECPS, SOFT_RSQRTS } from './soft-float-fused.ts';
import { type IntegerBits, SOFT_INTEGRAL, SOFT_INTEGRAL_WITHIN } from './soft-float-integer.ts';
import { roundingMode } from './soft-float.ts';

/** When Wasm's result is Arm's. */
interface Exactness {
  /** FPCR bits that must be clear. */
  readonly clear: number;
  /** The result may be inexact: FPSR.IXC must be set. */
  readonly inexact: boolean;
  /**
   * What the result must be: a number; finite; or finite and above the smallest normal, where a zero counts if
   * an operand is zero.
   */
  readonly result: 'number' | 'finite' | 'normal';
}

/** A sum that is tiny is exact, so is a root, so it need not be looked at. */
const ROUNDED_SUM: Exactness = { clear: FPCR_FZ | FPCR_RMODE, inexact: true, result: 'finite' };
const ROUNDED: Exactness = { clear: FPCR_FZ | FPCR_RMODE, inexact: true, result: 'normal' };
const SELECTED: Exactness = { clear: FPCR_FZ, inexact: false, result: 'number' };

/** An operation on one operand. */
export interface Unary {
  readonly soft: Soft;
  /** Further operands of the soft routine. */
  readonly extra?: (c: Emitter) => readonly (() => I32)[];
  readonly fast?: { readonly of: (k: FpView, x: Var<Bits>) => Float; readonly exact: Exactness };
}
/** An operation on two operands. */
export interface Binary {
  readonly soft: Soft;
  readonly fast?: {
    readonly op: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
    readonly exact: Exactness;
  };
}

/** 1 if these FPCR bits are clear and, if asked, FPSR.IXC is set. One load: the two registers are neighbours. */
export function controlAllows(c: Emitter, { clear, inexact }: Pick<Exactness, 'clear' | 'inexact'>): I32 {
  const set = inexact ? BigInt(FPSR_IXC) << 32n : 0n;
  return c.i64.eq(c.i64.and(c.state64(FPCR), c.i64.const(BigInt(clear) | set)), c.i64.const(set));
}

/** The smallest normal value of a view's format. */
const smallestNormal = (k: FpView): number => 2 ** (1 - k.format.bias);

/** 1 if the result alone shows that it is exact, or inexact and nothing else. */
export function resultAllows(
  k: FpView,
  test: Exactness['result'],
  result: Var<Float>,
  operands: readonly Var<Bits>[],
): I32 {
  if (test === 'number') return k.all(k.ops.eq(result.get(), result.get()));
  const finite = (): Mask => k.ops.lt(k.ops.abs(result.get()), k.constFloat(Infinity));
  if (test === 'finite') return k.all(finite());
  let large = (): Mask => k.ops.gt(k.ops.abs(result.get()), k.constFloat(smallestNormal(k)));
  // A scalar product of zeros is quick enough in soft float; a vector must not leave for one zero lane.
  for (const operand of k.isVector ? operands : []) {
    const before = large;
    large = () => k.either(before(), k.ops.eq(k.float(operand), k.constFloat(0)));
  }
  return k.all(k.both(finite(), large()));
}

/** Wasm's result if it is exact, else what `fallback` gives. */
function choose(
  k: FpView,
  exact: Exactness,
  result: Var<Float>,
  operands: readonly Var<Bits>[],
  fallback: () => Bits,
): Bits {
  const { c } = k;
  const bits = k.letBits(k.bits(result));
  c.rarely(
    c.i32.eqz(c.i32.and(controlAllows(c, exact), resultAllows(k, exact.result, result, operands))),
    () => bits.set(fallback()),
  );
  return bits.get();
}

export function unary(k: FpView, { soft: routine, extra, fast }: Unary, x: Var<Bits>): Bits {
  const fallback = (): Bits => k.call(routine, [x], extra?.(k.c));
  if (!fast || k.isHalf) return fallback();
  const result = k.letFloat(fast.of(k, x));
  return choose(k, fast.exact, result, [x], fallback);
}

export function binary(k: FpView, { soft: routine, fast }: Binary, x: Var<Bits>, y: Var<Bits>): Bits {
  const fallback = (): Bits => k.call(routine, [x, y]);
  if (!fast || k.isHalf) return fallback();
  const result = k.letFloat(k.ops[fast.op](k.float(x), k.float(y)));
  // A quotient is exactly zero only if the dividend is.
  return choose(k, fast.exact, result, fast.op === 'div' ? [x] : [x, y], fallback);
}

export const ADD: Binary = { soft: soft(SOFT_ADD), fast: { op: 'add', exact: ROUNDED_SUM } };
export const SUB: Binary = { soft: soft(SOFT_SUB), fast: { op: 'sub', exact: ROUNDED_SUM } };
export const MUL: Binary = { soft: soft(SOFT_MUL), fast: { op: 'mul', exact: ROUNDED } };
export const MULX: Binary = { soft: soft(SOFT_MULX), fast: { op: 'mul', exact: ROUNDED } };
export const DIV: Binary = { soft: soft(SOFT_DIV), fast: { op: 'div', exact: ROUNDED } };
export const MIN: Binary = { soft: soft(SOFT_MIN), fast: { op: 'min', exact: SELECTED } };
export const MAX: Binary = { soft: soft(SOFT_MAX), fast: { op: 'max', exact: SELECTED } };
export const MINNM: Binary = { soft: soft(SOFT_MINNM), fast: { op: 'min', exact: SELECTED } };
export const MAXNM: Binary = { soft: soft(SOFT_MAXNM), fast: { op: 'max', exact: SELECTED } };
export const RECPS: Binary = { soft: soft(SOFT_RECPS) };
export const RSQRTS: Binary = { soft: soft(SOFT_RSQRTS) };

export const SQRT: Unary = {
  soft: soft(SOFT_SQRT),
  fast: { of: (k, x) => k.ops.sqrt(k.float(x)), exact: ROUNDED_SUM },
};
export const RECPE: Unary = { soft: soft(SOFT_RECPE) };
export const RSQRTE: Unary = { soft: soft(SOFT_RSQRTE) };
export const RECPX: Unary = { soft: soft(SOFT_RECPX) };

const INTEGRAL = soft(SOFT_INTEGRAL);

/** FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA: the mode is part of the instruction, and IXC is not raised. */
const integral = (mode: IntegralRounding): Unary => ({
  soft: INTEGRAL,
  extra: (c) => [() => c.i32.const(mode), () => c.i32.const(0)],
  fast: { of: (k, x) => integralOf(k, mode, x), exact: SELECTED },
});

/** FRINTI, FRINTX: by FPCR.RMode, the latter raising IXC. */
const currentIntegral = (inexact: boolean): Unary => ({
  soft: INTEGRAL,
  extra: (c) => [() => roundingMode(c), () => c.i32.const(inexact ? 1 : 0)],
  fast: {
    of: (k, x) => integralOf(k, ROUNDING.NEAREST, x),
    exact: { clear: FPCR_FZ | FPCR_RMODE, inexact, result: 'number' },
  },
});

export const RINTN = integral(ROUNDING.NEAREST);
export const RINTP = integral(ROUNDING.PLUS);
export const RINTM = integral(ROUNDING.MINUS);
export const RINTZ = integral(ROUNDING.ZERO);
export const RINTA = integral(ROUNDING.AWAY);
export const RINTX = currentIntegral(true);
export const RINTI = currentIntegral(false);

/** FRINT32Z and the like: an integral value that a signed integer can hold. */
const within = (bits: IntegerBits, mode: (c: Emitter) => I32): Unary => ({
  soft: soft(SOFT_INTEGRAL_WITHIN[bits]),
  extra: (c) => [() => mode(c)],
});

const towardsZero = (c: Emitter): I32 => c.i32.const(ROUNDING.ZERO);
export const RINT32Z = within(32, towardsZero);
export const RINT32X = within(32, roundingMode);
export const RINT64Z = within(64, towardsZero);
export const RINT64X = within(64, roundingMode);

const MULADD = soft(SOFT_MULADD);

/**
 * Operands whose fused sum is not 0 and whose separately rounded sum is: (1 + ε)(1 − ε) − 1, by width. Wasm leaves it
 * to the host whether `relaxed_madd` is fused.
 */
const FUSED_PROBE = { 32: 2 ** -13, 64: 2 ** -30 } as const;

/** `addend` + `x` × `y`, rounded once. */
export function multiplyAdd(k: FpView, addend: Var<Bits>, x: Var<Bits>, y: Var<Bits>): Bits {
  const { c, format } = k;
  if (format.bits === 16) return k.call(MULADD, [addend, x, y]);
  const wide = format.bits === 64;
  const ops = wide ? c.f64x2 : c.f32x4;
  const epsilon = FUSED_PROBE[format.bits];
  const probe = (value: number) =>
    wide ? c.f64x2.splat(c.f64.const(value)) : c.f32x4.splat(c.f32.const(value));
  // A scalar goes with the probe in its other lanes; vectors need an addition of their own.
  const operand = (value: Var<Bits>, other: number) => {
    if (k.isVector) return value.get();
    return wide
      ? c.i64x2.replace_lane(probe(other), 0, value.get())
      : c.i32x4.replace_lane(probe(other), 0, value.get());
  };
  const sum = c.letV128(
    ops.relaxed_madd(operand(x, 1 + epsilon), operand(y, 1 - epsilon), operand(addend, -1)),
  );
  const isFused = (): I32 => {
    if (k.isVector)
      return c.v128.any_true(ops.relaxed_madd(probe(1 + epsilon), probe(1 - epsilon), probe(-1)));
    return wide
      ? c.f64.ne(c.f64x2.extract_lane(sum.get(), 1), c.f64.const(0))
      : c.f32.ne(c.f32x4.extract_lane(sum.get(), 1), c.f32.const(0));
  };
  const first = (): unknown => {
    if (k.isVector) return sum.get();
    return wide ? c.f64x2.extract_lane(sum.get(), 0) : c.f32x4.extract_lane(sum.get(), 0);
  };
  const result = k.letFloat(first() as Float);
  const bits = k.letBits(k.bits(result));
  c.rarely(
    c.i32.eqz(
      c.i32.and(c.i32.and(controlAllows(c, ROUNDED), isFused()), resultAllows(k, ROUNDED.result, result, [])),
    ),
    () => bits.set(k.call(MULADD, [addend, x, y])),
  );
  return bits.get();
}
