/** Addition, subtraction, multiplication, division and square root. Source: Arm DDI 0487, J1.3.3 (FPAdd, FPMul, …). */
import type { Emitter, F64, I32, I64, Var } from '../emitter.ts';
import { FPSR_DZC, type FpFormat, type PerBits, perBits, ROUNDING } from './fp-format.ts';
import {
  type BinaryRoutine,
  firstOf,
  flushInputs,
  invalid,
  isInfinite,
  isNan,
  isZero,
  magnitudeOf,
  nanOf1,
  nanOf2,
  raiseFlags,
  ROUND,
  roundingMode,
  shiftRightJam,
  signBit,
  signOf,
  type UnaryRoutine,
  unpack,
} from './soft-float.ts';

/** 1 if an exact zero sum of two values of unlike sign is negative. */
export const signOfCancelled = (c: Emitter): I32 => c.i32.eq(roundingMode(c), c.i32.const(ROUNDING.MINUS));

/** The sum of two finite values. */
function finiteSum(c: Emitter, f: FpFormat, x: Var<I64>, y: Var<I64>): I64 {
  const unlike = c.letI32(c.i32.xor(signOf(c, f, x), signOf(c, f, y)));
  // The larger magnitude first: then the difference has its sign.
  c.if(c.i64.lt_u(magnitudeOf(c, f, x), magnitudeOf(c, f, y)), () => {
    const larger = c.letI64(y.get());
    y.set(x.get());
    x.set(larger.get());
  });
  const large = unpack(c, f, x);
  const small = unpack(c, f, y);
  // One bit of room for the carry.
  large.significand.set(c.i64.shr_u(large.significand.get(), c.i64.const(1)));
  small.significand.set(c.i64.shr_u(small.significand.get(), c.i64.const(1)));
  small.significand.set(
    shiftRightJam(c, small.significand, c.i32.sub(large.exponent.get(), small.exponent.get())),
  );
  const total = c.letI64(
    c.select(
      c.i64.sub(large.significand.get(), small.significand.get()),
      c.i64.add(large.significand.get(), small.significand.get()),
      unlike.get(),
    ),
  );
  return firstOf(
    c,
    [
      [
        () => c.i64.eqz(total.get()),
        () => signBit(c, f, c.select(signOfCancelled(c), signOf(c, f, x), unlike.get())),
      ],
    ],
    () =>
      c.call(
        ROUND[f.bits],
        signOf(c, f, x),
        c.i32.add(large.exponent.get(), c.i32.const(1)),
        total.get(),
        roundingMode(c),
      ),
  );
}

const additive = (name: 'add' | 'sub'): PerBits<BinaryRoutine> =>
  perBits((f) => ({
    name: `fp${f.bits}_${name}`,
    params: ['i64', 'i64'],
    result: 'i64',
    emit: (c, x, y) => {
      flushInputs(c, f, x, y);
      return firstOf(c, [[() => c.i32.or(isNan(c, f, x), isNan(c, f, y)), () => nanOf2(c, f, x, y)]], () => {
        if (name === 'sub') y.set(c.i64.xor(y.get(), c.i64.const(f.sign)));
        return firstOf(
          c,
          [
            [
              () => isInfinite(c, f, x),
              () =>
                firstOf(
                  c,
                  [[() => c.i64.eq(c.i64.xor(x.get(), y.get()), c.i64.const(f.sign)), () => invalid(c, f)]],
                  () => x.get(),
                ),
            ],
            [() => isInfinite(c, f, y), () => y.get()],
          ],
          () => finiteSum(c, f, x, y),
        );
      });
    },
  }));

/** FPAdd. */
export const SOFT_ADD = additive('add');
/** FPSub. */
export const SOFT_SUB = additive('sub');

/** A 128-bit value. */
export interface Wide {
  readonly high: Var<I64>;
  readonly low: Var<I64>;
}

/** All 128 bits of the product of two unsigned 64-bit values. */
export function multiplyWide(c: Emitter, x: Var<I64>, y: Var<I64>): Wide {
  const upper = (value: Var<I64>): I64 => c.i64.shr_u(value.get(), c.i64.const(32));
  const lower = (value: Var<I64>): I64 => c.i64.and(value.get(), c.i64.const(0xffff_ffffn));
  const cross = c.letI64(c.i64.mul(upper(x), lower(y)));
  const other = c.letI64(c.i64.mul(lower(x), upper(y)));
  const middle = c.letI64(c.i64.mul(lower(x), lower(y)));
  middle.set(c.i64.add(c.i64.add(upper(middle), lower(cross)), lower(other)));
  const high = c.letI64(
    c.i64.add(c.i64.add(c.i64.mul(upper(x), upper(y)), upper(middle)), c.i64.add(upper(cross), upper(other))),
  );
  const low = c.letI64(c.i64.mul(x.get(), y.get()));
  return { high, low };
}

/** The product of two finite values that are not 0. */
function finiteProduct(c: Emitter, f: FpFormat, x: Var<I64>, y: Var<I64>): I64 {
  const left = unpack(c, f, x);
  const right = unpack(c, f, y);
  const { high, low } = multiplyWide(c, left.significand, right.significand);
  return c.call(
    ROUND[f.bits],
    c.i32.xor(signOf(c, f, x), signOf(c, f, y)),
    c.i32.add(c.i32.add(left.exponent.get(), right.exponent.get()), c.i32.const(1)),
    c.i64.or(high.get(), c.i64.extend_i32_u(c.i64.ne(low.get(), c.i64.const(0)))),
    roundingMode(c),
  );
}

const multiplicative = (name: 'mul' | 'mulx'): PerBits<BinaryRoutine> =>
  perBits((f) => ({
    name: `fp${f.bits}_${name}`,
    params: ['i64', 'i64'],
    result: 'i64',
    emit: (c, x, y) => {
      flushInputs(c, f, x, y);
      const either = (test: typeof isNan): I32 => c.i32.or(test(c, f, x), test(c, f, y));
      const signed = (value: bigint): I64 =>
        c.i64.or(c.i64.and(c.i64.xor(x.get(), y.get()), c.i64.const(f.sign)), c.i64.const(value));
      const two = BigInt(f.bias + 1) << BigInt(f.fraction);
      return firstOf(
        c,
        [
          [() => either(isNan), () => nanOf2(c, f, x, y)],
          [
            () => c.i32.and(either(isInfinite), either(isZero)),
            () => (name === 'mulx' ? signed(two) : invalid(c, f)),
          ],
          [() => either(isInfinite), () => signed(f.infinity)],
          [() => either(isZero), () => signed(0n)],
        ],
        () => finiteProduct(c, f, x, y),
      );
    },
  }));

/** FPMul. */
export const SOFT_MUL = multiplicative('mul');
/** FPMulX: as {@link SOFT_MUL}, but 0 × ∞ is 2. */
export const SOFT_MULX = multiplicative('mulx');

/** A significand as an integer of 53 bits. */
const integral = (c: Emitter, significand: Var<I64>): I64 => c.i64.shr_u(significand.get(), c.i64.const(11));

/** The digits of a value that is an integer once multiplied by `scale`. */
const digitsOf = (c: Emitter, value: F64, scale: number): I64 =>
  c.i64.trunc_sat_f64_u(c.f64.mul(value, c.f64.const(scale)));

/**
 * Quotients and roots take 53 digits from the host's double precision, which rounds to nearest; the exact remainder
 * then tells on which side of them the result lies. Its sign becomes eight bits more, so that the value compares with
 * everything representable, and with the midpoints, as the exact result does.
 */
const withRemainder = (c: Emitter, digits: Var<I64>, remainder: Var<I64>): I64 =>
  c.i64.add(
    c.i64.shl(digits.get(), c.i64.const(8)),
    c.i64.sub(
      c.i64.extend_i32_u(c.i64.gt_s(remainder.get(), c.i64.const(0))),
      c.i64.shr_u(remainder.get(), c.i64.const(63)),
    ),
  );

/** The quotient of two finite values that are not 0. */
function finiteQuotient(c: Emitter, f: FpFormat, x: Var<I64>, y: Var<I64>): I64 {
  const left = unpack(c, f, x);
  const right = unpack(c, f, y);
  // ½ to 2 with 53 significant bits, times 2⁵⁴.
  const digits = c.letI64(
    digitsOf(
      c,
      c.f64.div(
        c.f64.convert_i64_u(integral(c, left.significand)),
        c.f64.convert_i64_u(integral(c, right.significand)),
      ),
      2 ** 54,
    ),
  );
  // Below 2⁵⁵ in magnitude, so that arithmetic modulo 2⁶⁴ is enough.
  const remainder = c.letI64(
    c.i64.sub(
      c.i64.shl(integral(c, left.significand), c.i64.const(54)),
      c.i64.mul(digits.get(), integral(c, right.significand)),
    ),
  );
  return c.call(
    ROUND[f.bits],
    c.i32.xor(signOf(c, f, x), signOf(c, f, y)),
    c.i32.add(c.i32.sub(left.exponent.get(), right.exponent.get()), c.i32.const(63 - 54 - 8)),
    withRemainder(c, digits, remainder),
    roundingMode(c),
  );
}

/** FPDiv. */
export const SOFT_DIV = perBits<BinaryRoutine>((f) => ({
  name: `fp${f.bits}_div`,
  params: ['i64', 'i64'],
  result: 'i64',
  emit: (c, x, y) => {
    flushInputs(c, f, x, y);
    const both = (test: typeof isNan): I32 => c.i32.and(test(c, f, x), test(c, f, y));
    const signed = (value: bigint): I64 =>
      c.i64.or(c.i64.and(c.i64.xor(x.get(), y.get()), c.i64.const(f.sign)), c.i64.const(value));
    return firstOf(
      c,
      [
        [() => c.i32.or(isNan(c, f, x), isNan(c, f, y)), () => nanOf2(c, f, x, y)],
        [() => c.i32.or(both(isZero), both(isInfinite)), () => invalid(c, f)],
        [() => isInfinite(c, f, x), () => signed(f.infinity)],
        [
          () => isZero(c, f, y),
          () => {
            raiseFlags(c, FPSR_DZC);
            return signed(f.infinity);
          },
        ],
        [() => c.i32.or(isZero(c, f, x), isInfinite(c, f, y)), () => signed(0n)],
      ],
      () => finiteQuotient(c, f, x, y),
    );
  },
}));

/** The square root of a positive finite value. */
function finiteRoot(c: Emitter, f: FpFormat, x: Var<I64>): I64 {
  const { exponent, significand } = unpack(c, f, x);
  // 2⁵² to 2⁵⁴, for the even exponent below.
  const radicand = c.letI64(
    c.i64.shl(integral(c, significand), c.i64.extend_i32_u(c.i32.and(exponent.get(), c.i32.const(1)))),
  );
  // 2²⁶ to 2²⁷ with 53 significant bits, times 2²⁶.
  const digits = c.letI64(digitsOf(c, c.f64.sqrt(c.f64.convert_i64_u(radicand.get())), 2 ** 26));
  const remainder = c.letI64(
    c.i64.sub(c.i64.shl(radicand.get(), c.i64.const(52)), c.i64.mul(digits.get(), digits.get())),
  );
  return c.call(
    ROUND[f.bits],
    c.i32.const(0),
    c.i32.add(c.i32.shr_s(exponent.get(), c.i32.const(1)), c.i32.const(63 - 52 - 8)),
    withRemainder(c, digits, remainder),
    roundingMode(c),
  );
}

/** FPSqrt. */
export const SOFT_SQRT = perBits<UnaryRoutine>((f) => ({
  name: `fp${f.bits}_sqrt`,
  params: ['i64'],
  result: 'i64',
  emit: (c, x) => {
    flushInputs(c, f, x);
    return firstOf(
      c,
      [
        [() => isNan(c, f, x), () => nanOf1(c, f, x)],
        [() => isZero(c, f, x), () => x.get()],
        [() => signOf(c, f, x), () => invalid(c, f)],
        [() => isInfinite(c, f, x), () => x.get()],
      ],
      () => finiteRoot(c, f, x),
    );
  },
}));
