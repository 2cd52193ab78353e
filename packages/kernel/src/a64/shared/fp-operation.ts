/**
 * Floating-point operations as rows use them: Wasm's where that is exact, soft float else.
 *
 * Wasm rounds to nearest and keeps no flags. So its result counts where FPCR asks for nothing else, where it is exact or
 * the flag that it could raise is set already (FPSR.IXC stays set once it is), and where the result itself shows that
 * nothing else happened: no NaN, no infinity, nothing tiny. One test covers all lanes of a vector.
 */
import type { Emitter, I32, Var } from '../emitter.ts';
import {
  isExactDifference,
  isExactFused,
  isExactProduct,
  isExactQuotient,
  isExactSum,
  isLarge,
  isZero,
} from './fp-exactness.ts';
import { ROUNDING } from './fp-format.ts';
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
  /** The result may be inexact. */
  readonly inexact: boolean;
  /**
   * What the result must be: a number; finite; or finite and above the smallest normal, where anything finite counts if
   * an operand is zero.
   */
  readonly result: 'number' | 'finite' | 'normal';
}

/** A sum that is tiny is exact, so is a root, so it need not be looked at. */
const ROUNDED_SUM: Exactness = { inexact: true, result: 'finite' };
export const ROUNDED: Exactness = { inexact: true, result: 'normal' };
/** The result is exact, if it is a number. */
export const EXACT: Exactness = { inexact: false, result: 'number' };

/** An operation on one operand. */
export interface Unary {
  readonly soft: Soft;
  /** Further operands of the soft routine. */
  readonly extra?: (c: Emitter) => readonly (() => I32)[];
  readonly fast?: {
    readonly of: (k: FpView, x: Var<Bits>) => Float;
    readonly exact: Exactness;
    readonly isExact?: (k: FpView, result: Var<Float>, x: Var<Float>) => Mask;
  };
}
/** An operation on two operands. */
export interface Binary {
  readonly soft: Soft;
  readonly fast?: {
    readonly op: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
    readonly exact: Exactness;
    readonly isExact?: (k: FpView, result: Var<Float>, x: Var<Float>, y: Var<Float>) => Mask;
  };
}

/** The smallest normal value of a view's format. */
const smallestNormal = (k: FpView): number => 2 ** (1 - k.format.bias);

/** 1 if a lane of a result is tiny, or not finite, and no operand explains it. */
function isAbnormal(k: FpView, result: Var<Float>, explains: readonly (() => Mask)[]): I32 {
  const { ops } = k;
  let allowed = ops.gt(ops.abs(result.get()), k.constFloat(smallestNormal(k)));
  for (const each of explains) allowed = k.either(allowed, each());
  // A NaN is equal to nothing, and what is infinite has no difference to itself.
  const zero = ops.sub(result.get(), result.get());
  return k.c.i32.eqz(k.all(k.both(allowed, ops.eq(zero, k.constFloat(0)))));
}

/** What a fast way needs to know besides the result. */
interface Evidence {
  /** The result comes from a fused multiply-add. */
  readonly isFused?: boolean;
  /** A lane that is tiny is exact nevertheless where one of these holds. */
  readonly explains?: readonly (() => Mask)[];
  /** The result is exact in the lanes where it holds: asked as long as FPSR.IXC is clear. */
  readonly isExact?: (() => Mask) | undefined;
}

/**
 * Does something where an inexact result would have to be noticed and this one may be inexact.
 *
 * @param isExact - absent = cannot be told
 */
export function unlessExact({ c, all }: FpView, isExact: (() => Mask) | undefined, then: () => void): void {
  if (isExact) c.unlessRounded(() => c.i32.eqz(all(isExact())), then);
  else c.rarely([() => c.fpFails('rounded')], then);
}

/** What Wasm makes if that is exact, or inexact and nothing else; else what `fallback` makes. */
export function choose(
  k: FpView,
  { inexact, result: test }: Exactness,
  result: Var<Float>,
  { isFused = false, explains = [], isExact }: Evidence,
  fallback: () => Bits,
): Bits {
  const { c, ops } = k;
  const bits = k.letBits(k.bits(result));
  const slow = (): void => bits.set(fallback());
  if (isFused || !inexact) c.rarely([() => c.fpFails(isFused ? 'fused' : 'exact')], slow);
  if (inexact) unlessExact(k, isExact, slow);
  switch (test) {
    case 'number':
      c.rarely([() => k.any(ops.ne(result.get(), result.get()))], slow);
      break;
    case 'finite':
      c.rarely([() => k.anyNotFinite(result)], slow);
      break;
    case 'normal':
      c.if(k.anyNotNormal(result), () => c.rarely([() => isAbnormal(k, result, explains)], slow));
  }
  return bits.get();
}

export function unary(k: FpView, { soft: routine, extra, fast }: Unary, x: Var<Bits>): Bits {
  const fallback = (): Bits => k.call(routine, [x], extra?.(k.c));
  if (!fast || k.isHalf) return fallback();
  const result = k.letFloat(fast.of(k, x));
  const isExact = fast.isExact;
  return choose(k, fast.exact, result, { isExact: isExact && (() => isExact(k, result, x)) }, fallback);
}

export function binary(k: FpView, { soft: routine, fast }: Binary, x: Var<Bits>, y: Var<Bits>): Bits {
  const fallback = (): Bits => k.call(routine, [x, y]);
  if (!fast || k.isHalf) return fallback();
  const result = k.letFloat(k.ops[fast.op](k.float(x), k.float(y)));
  // A quotient is exactly zero only if the dividend is.
  const zeros = fast.op === 'div' ? [x] : [x, y];
  const explains = zeros.map((operand) => () => isZero(k, operand.get()));
  const { isExact } = fast;
  return choose(
    k,
    fast.exact,
    result,
    { explains, isExact: isExact && (() => isExact(k, result, x, y)) },
    fallback,
  );
}

export const ADD: Binary = {
  soft: soft(SOFT_ADD),
  fast: { op: 'add', exact: ROUNDED_SUM, isExact: isExactSum },
};
export const SUB: Binary = {
  soft: soft(SOFT_SUB),
  fast: { op: 'sub', exact: ROUNDED_SUM, isExact: isExactDifference },
};
export const MUL: Binary = {
  soft: soft(SOFT_MUL),
  fast: { op: 'mul', exact: ROUNDED, isExact: isExactProduct },
};
export const MULX: Binary = {
  soft: soft(SOFT_MULX),
  fast: { op: 'mul', exact: ROUNDED, isExact: isExactProduct },
};
export const DIV: Binary = {
  soft: soft(SOFT_DIV),
  fast: { op: 'div', exact: ROUNDED, isExact: isExactQuotient },
};
export const MIN: Binary = { soft: soft(SOFT_MIN), fast: { op: 'min', exact: EXACT } };
export const MAX: Binary = { soft: soft(SOFT_MAX), fast: { op: 'max', exact: EXACT } };
export const MINNM: Binary = { soft: soft(SOFT_MINNM), fast: { op: 'min', exact: EXACT } };
export const MAXNM: Binary = { soft: soft(SOFT_MAXNM), fast: { op: 'max', exact: EXACT } };
export const RECPS: Binary = { soft: soft(SOFT_RECPS) };
export const RSQRTS: Binary = { soft: soft(SOFT_RSQRTS) };

export const SQRT: Unary = {
  soft: soft(SOFT_SQRT),
  fast: {
    of: (k, x) => k.ops.sqrt(k.float(x)),
    exact: ROUNDED_SUM,
    isExact: (k, root, x) => isExactQuotient(k, root, x, root),
  },
};
export const RECPE: Unary = { soft: soft(SOFT_RECPE) };
export const RSQRTE: Unary = { soft: soft(SOFT_RSQRTE) };
export const RECPX: Unary = { soft: soft(SOFT_RECPX) };

const INTEGRAL = soft(SOFT_INTEGRAL);

/** FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA: the mode is part of the instruction, and IXC is not raised. */
const integral = (mode: IntegralRounding): Unary => ({
  soft: INTEGRAL,
  extra: (c) => [() => c.i32.const(mode), () => c.i32.const(0)],
  fast: { of: (k, x) => integralOf(k, mode, x), exact: EXACT },
});

/** FRINTI, FRINTX: by FPCR.RMode, the latter raising IXC. */
const currentIntegral = (inexact: boolean): Unary => ({
  soft: INTEGRAL,
  extra: (c) => [() => roundingMode(c), () => c.i32.const(inexact ? 1 : 0)],
  fast: {
    of: (k, x) => integralOf(k, ROUNDING.NEAREST, x),
    exact: { inexact, result: 'number' },
    isExact: (k, result, x) => k.ops.eq(result.get(), x.get()),
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

/** `addend` + `x` × `y`, rounded once. */
export function multiplyAdd(k: FpView, addend: Var<Bits>, x: Var<Bits>, y: Var<Bits>): Bits {
  const fallback = (): Bits => k.call(MULADD, [addend, x, y]);
  if (k.isHalf) return fallback();
  const result = k.letFloat(k.multiplyAdd(addend, x, y));
  // Where the addend is large, a sum that is tiny has no bit too small to be held.
  const explains = [() => isZero(k, x.get()), () => isZero(k, y.get()), () => isLarge(k, addend.get())];
  const isExact = (): Mask => isExactFused(k, result, addend, x, y);
  return choose(k, ROUNDED, result, { isFused: true, explains, isExact }, fallback);
}
