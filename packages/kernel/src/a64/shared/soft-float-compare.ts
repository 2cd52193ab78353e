/** Comparison, minimum and maximum. Source: Arm DDI 0487, J1.3.3 (FPCompare, FPMax, FPMaxNum, …). */
import type { Emitter, I32, I64, Routine, Var } from '../emitter.ts';
import { FPSR_IOC, type FpFormat, type PerBits, perBits } from './fp-format.ts';
import {
  type BinaryRoutine,
  firstOf,
  flushInputs,
  isNan,
  isQuietNan,
  isSignallingNan,
  isZero,
  nanOf2,
  raiseFlags,
} from './soft-float.ts';

/** NZCV of a comparison, in bits 3:0. Source: Arm DDI 0487, J1.3.3, FPCompare. */
export const NZCV_EQUAL = 0b0110;
export const NZCV_LESS = 0b1000;
export const NZCV_GREATER = 0b0010;
export const NZCV_UNORDERED = 0b0011;

const signExtended = (c: Emitter, f: FpFormat, value: Var<I64>): I64 => {
  if (f.bits === 64) return value.get();
  return f.bits === 32 ? c.i64.extend32_s(value.get()) : c.i64.extend16_s(value.get());
};

/** A signed integer that orders as the value does, but for −0 below +0. */
const orderOf = (c: Emitter, f: FpFormat, value: Var<I64>): Var<I64> => {
  const signed = c.letI64(signExtended(c, f, value));
  return c.letI64(
    c.i64.xor(signed.get(), c.i64.shr_u(c.i64.shr_s(signed.get(), c.i64.const(63)), c.i64.const(1))),
  );
};

/** FPCompare: NZCV. Operands: two values, and whether quiet NaNs raise IOC too. */
export const SOFT_COMPARE = perBits<Routine<readonly ['i64', 'i64', 'i32'], 'i32'>>((f) => ({
  name: `fp${f.bits}_compare`,
  params: ['i64', 'i64', 'i32'],
  result: 'i32',
  emit: (c, x, y, signalling) => {
    const either = (test: typeof isNan): I32 => c.i32.or(test(c, f, x), test(c, f, y));
    const result = c.letI32(c.i32.const(NZCV_UNORDERED));
    flushInputs(c, f, x, y);
    c.if(
      either(isNan),
      () => c.if(c.i32.or(either(isSignallingNan), signalling.get()), () => raiseFlags(c, FPSR_IOC)),
      () => {
        const left = orderOf(c, f, x);
        const right = orderOf(c, f, y);
        result.set(
          c.select(
            c.i32.const(NZCV_EQUAL),
            c.select(c.i32.const(NZCV_LESS), c.i32.const(NZCV_GREATER), c.i64.lt_s(left.get(), right.get())),
            c.i32.or(c.i64.eq(left.get(), right.get()), c.i32.and(isZero(c, f, x), isZero(c, f, y))),
          ),
        );
      },
    );
    return result.get();
  },
}));

/** Operation of the min/max family; the `nm` ones prefer a number to a quiet NaN. */
type Extreme = 'min' | 'max' | 'minnm' | 'maxnm';

function extreme(c: Emitter, f: FpFormat, name: Extreme, x: Var<I64>, y: Var<I64>): I64 {
  const least = name.startsWith('min');
  if (name.endsWith('nm')) {
    // A quiet NaN against anything else counts as the infinity that never wins.
    const loser = f.infinity | (least ? 0n : f.sign);
    const first = c.letI32(c.i32.and(isQuietNan(c, f, x), c.i32.eqz(isQuietNan(c, f, y))));
    const second = c.letI32(c.i32.and(isQuietNan(c, f, y), c.i32.eqz(isQuietNan(c, f, x))));
    x.set(c.select(c.i64.const(loser), x.get(), first.get()));
    y.set(c.select(c.i64.const(loser), y.get(), second.get()));
  }
  return firstOf(c, [[() => c.i32.or(isNan(c, f, x), isNan(c, f, y)), () => nanOf2(c, f, x, y)]], () => {
    // The order that tells the zeros apart gives them as the manual does: min is −0, max is +0.
    const left = orderOf(c, f, x);
    const right = orderOf(c, f, y);
    return c.select(
      x.get(),
      y.get(),
      least ? c.i64.lt_s(left.get(), right.get()) : c.i64.gt_s(left.get(), right.get()),
    );
  });
}

const extremeRoutine = (name: Extreme): PerBits<BinaryRoutine> =>
  perBits((f) => ({
    name: `fp${f.bits}_${name}`,
    params: ['i64', 'i64'],
    result: 'i64',
    emit: (c, x, y) => {
      flushInputs(c, f, x, y);
      return extreme(c, f, name, x, y);
    },
  }));

/** FPMin, FPMax, FPMinNum, FPMaxNum. */
export const SOFT_MIN = extremeRoutine('min');
export const SOFT_MAX = extremeRoutine('max');
export const SOFT_MINNM = extremeRoutine('minnm');
export const SOFT_MAXNM = extremeRoutine('maxnm');
