/** Fused multiply-add and the Newton steps built on it. Source: Arm DDI 0487, J1.3.3 (FPMulAdd, FPRecipStepFused, FPRSqrtStepFused). */
import type { Emitter, I32, I64, Var } from '../emitter.ts';
import { type FpFormat, perBits } from './fp-format.ts';
import { multiplyWide, signOfCancelled, type Wide } from './soft-float-arithmetic.ts';
import {
  type BinaryRoutine,
  type Case,
  firstOf,
  flushInputs,
  invalid,
  isInfinite,
  isNan,
  isQuietNan,
  isZero,
  nanOf2,
  nanOf3,
  ROUND,
  roundingMode,
  shiftRightJam,
  signBit,
  signOf,
  type TernaryRoutine,
  unpack,
} from './soft-float.ts';

/** 1 if `x` × `y` is 0 × ∞. */
const isIndefinite = (c: Emitter, f: FpFormat, x: Var<I64>, y: Var<I64>): I32 =>
  c.i32.or(c.i32.and(isInfinite(c, f, x), isZero(c, f, y)), c.i32.and(isZero(c, f, x), isInfinite(c, f, y)));

/** `value` >> `count` in place, with the lowest bit set if a one was lost. Any count from 0 up. */
function shiftWideRightJam(c: Emitter, { high, low }: Wide, count: Var<I32>): void {
  const shift = c.letI64(c.i64.extend_i32_u(count.get()));
  c.if(
    c.i32.ge_u(count.get(), c.i32.const(64)),
    () => {
      const lost = c.letI64(low.get());
      low.set(shiftRightJam(c, high, c.i32.sub(count.get(), c.i32.const(64))));
      low.set(c.i64.or(low.get(), c.i64.extend_i32_u(c.i64.ne(lost.get(), c.i64.const(0)))));
      high.set(c.i64.const(0));
    },
    () =>
      c.if(count.get(), () => {
        const back = c.letI64(c.i64.sub(c.i64.const(64), shift.get()));
        low.set(c.i64.or(shiftRightJam(c, low, count.get()), c.i64.shl(high.get(), back.get())));
        high.set(c.i64.shr_u(high.get(), shift.get()));
      }),
  );
}

/** `x` += `y`. */
function addWide(c: Emitter, x: Wide, y: Wide): void {
  x.low.set(c.i64.add(x.low.get(), y.low.get()));
  x.high.set(
    c.i64.add(
      c.i64.add(x.high.get(), y.high.get()),
      c.i64.extend_i32_u(c.i64.lt_u(x.low.get(), y.low.get())),
    ),
  );
}

/** `x` = −`x` modulo 2¹²⁸. */
function negateWide(c: Emitter, { high, low }: Wide): void {
  low.set(c.i64.sub(c.i64.const(0), low.get()));
  high.set(
    c.i64.sub(c.i64.sub(c.i64.const(0), high.get()), c.i64.extend_i32_u(c.i64.ne(low.get(), c.i64.const(0)))),
  );
}

/** `addend` + `x` × `y`, all finite, the product not 0, rounded once; halved before that if asked. */
function finiteFused(
  c: Emitter,
  f: FpFormat,
  addend: Var<I64>,
  [x, y]: readonly [Var<I64>, Var<I64>],
  halve: boolean,
): I64 {
  const left = unpack(c, f, x);
  const right = unpack(c, f, y);
  const third = unpack(c, f, addend);
  // Exponents are those of bit 127. Two bits of room above the product and one above the addend.
  left.significand.set(c.i64.shr_u(left.significand.get(), c.i64.const(1)));
  right.significand.set(c.i64.shr_u(right.significand.get(), c.i64.const(1)));
  const product = multiplyWide(c, left.significand, right.significand);
  const exponent = c.letI32(c.i32.add(c.i32.add(left.exponent.get(), right.exponent.get()), c.i32.const(3)));
  const other: Wide = {
    high: c.letI64(c.i64.shr_u(third.significand.get(), c.i64.const(1))),
    low: c.letI64(c.i64.const(0)),
  };
  const distance = c.letI32(c.i32.sub(exponent.get(), c.i32.add(third.exponent.get(), c.i32.const(1))));
  c.if(
    c.i32.lt_s(distance.get(), c.i32.const(0)),
    () => {
      exponent.set(c.i32.sub(exponent.get(), distance.get()));
      distance.set(c.i32.sub(c.i32.const(0), distance.get()));
      shiftWideRightJam(c, product, distance);
    },
    () => shiftWideRightJam(c, other, distance),
  );
  const negative = c.letI32(c.i32.xor(signOf(c, f, x), signOf(c, f, y)));
  const unlike = c.letI32(c.i32.xor(negative.get(), signOf(c, f, addend)));
  c.if(unlike.get(), () => negateWide(c, other));
  addWide(c, product, other);
  c.if(c.i32.and(unlike.get(), c.i64.lt_s(product.high.get(), c.i64.const(0))), () => {
    negateWide(c, product);
    negative.set(c.i32.eqz(negative.get()));
  });
  return firstOf(
    c,
    [
      [
        () => c.i64.eqz(c.i64.or(product.high.get(), product.low.get())),
        () => signBit(c, f, signOfCancelled(c)),
      ],
    ],
    () => {
      // Normalised to the upper half, what remains below becomes one bit.
      c.if(c.i64.eqz(product.high.get()), () => {
        product.high.set(product.low.get());
        product.low.set(c.i64.const(0));
        exponent.set(c.i32.sub(exponent.get(), c.i32.const(64)));
      });
      const leading = c.letI64(c.i64.clz(product.high.get()));
      const lost = c.letI64(c.i64.shl(product.low.get(), leading.get()));
      // In two shifts, because a shift by 64 would be one by 0.
      const joined = c.letI64(
        c.i64.or(
          c.i64.shl(product.high.get(), leading.get()),
          c.i64.shr_u(
            c.i64.shr_u(product.low.get(), c.i64.const(1)),
            c.i64.sub(c.i64.const(63), leading.get()),
          ),
        ),
      );
      return c.call(
        ROUND[f.bits],
        negative.get(),
        c.i32.sub(c.i32.sub(exponent.get(), c.i32.wrap_i64(leading.get())), c.i32.const(halve ? 1 : 0)),
        c.i64.or(joined.get(), c.i64.extend_i32_u(c.i64.ne(lost.get(), c.i64.const(0)))),
        roundingMode(c),
      );
    },
  );
}

/** FPMulAdd: the first operand plus the product of the others. */
export const SOFT_MULADD = perBits<TernaryRoutine>((f) => ({
  name: `fp${f.bits}_muladd`,
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  emit: (c, addend, x, y) => {
    flushInputs(c, f, addend, x, y);
    const either = (test: typeof isNan): I32 => c.i32.or(test(c, f, x), test(c, f, y));
    const signOfProduct = (): I32 => c.i32.xor(signOf(c, f, x), signOf(c, f, y));
    const unlike = (): I32 => c.i32.xor(signOfProduct(), signOf(c, f, addend));
    return firstOf(
      c,
      [
        [() => c.i32.and(isQuietNan(c, f, addend), isIndefinite(c, f, x, y)), () => invalid(c, f)],
        [() => c.i32.or(isNan(c, f, addend), either(isNan)), () => nanOf3(c, f, addend, x, y)],
        [() => isIndefinite(c, f, x, y), () => invalid(c, f)],
        [
          () => c.i32.and(c.i32.and(isInfinite(c, f, addend), either(isInfinite)), unlike()),
          () => invalid(c, f),
        ],
        [() => isInfinite(c, f, addend), () => addend.get()],
        [() => either(isInfinite), () => c.i64.or(signBit(c, f, signOfProduct()), c.i64.const(f.infinity))],
        [
          () => c.i32.and(either(isZero), isZero(c, f, addend)),
          () => signBit(c, f, c.select(signOfCancelled(c), signOfProduct(), unlike())),
        ],
        [() => either(isZero), () => addend.get()],
      ],
      () => finiteFused(c, f, addend, [x, y], false),
    );
  },
}));

/** 2 − x × y, or (3 − x × y) ÷ 2, rounded once. */
const newtonStep = (name: 'recps' | 'rsqrts') =>
  perBits<BinaryRoutine>((f) => ({
    name: `fp${f.bits}_${name}`,
    params: ['i64', 'i64'],
    result: 'i64',
    emit: (c, x, y) => {
      const halve = name === 'rsqrts';
      const one = BigInt(f.bias) << BigInt(f.fraction);
      const half = 1n << BigInt(f.fraction - 1);
      const two = one + (1n << BigInt(f.fraction));
      // What the step gives where the product is 0, or 0 × ∞.
      const constant = (): I64 => c.i64.const(halve ? one + half : two);
      const either = (test: typeof isNan): I32 => c.i32.or(test(c, f, x), test(c, f, y));
      x.set(c.i64.xor(x.get(), c.i64.const(f.sign)));
      flushInputs(c, f, x, y);
      const cases: readonly Case[] = [
        [() => either(isNan), () => nanOf2(c, f, x, y)],
        [() => isIndefinite(c, f, x, y), constant],
        [
          () => either(isInfinite),
          () =>
            c.i64.or(c.i64.and(c.i64.xor(x.get(), y.get()), c.i64.const(f.sign)), c.i64.const(f.infinity)),
        ],
        [() => either(isZero), constant],
      ];
      return firstOf(c, cases, () => {
        const addend = c.letI64(c.i64.const(halve ? two + half : two));
        return finiteFused(c, f, addend, [x, y], halve);
      });
    },
  }));

/** FPRecipStepFused. */
export const SOFT_RECPS = newtonStep('recps');
/** FPRSqrtStepFused. */
export const SOFT_RSQRTS = newtonStep('rsqrts');
