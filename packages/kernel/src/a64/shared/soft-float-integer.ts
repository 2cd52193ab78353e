/** Conversions to and from integers and fixed point, and rounding to integral. Source: Arm DDI 0487, J1.3.3 (FPToFixed, FixedToFP, FPRoundInt). */
import type { Emitter, I64, Routine, Var } from '../emitter.ts';
import { FPSR_IOC, FPSR_IXC, type FpFormat, type PerBits, perBits } from './fp-format.ts';
import {
  firstOf,
  flushInputs,
  isInfinite,
  isNan,
  isZero,
  nanOf1,
  raiseFlags,
  ROUND,
  roundsUp,
  signBit,
  signOf,
  unpack,
  type Unpacked,
} from './soft-float.ts';

/** An integer and what was cut off below it; 2⁶³ of `rest` is one half. */
interface Split {
  readonly whole: Var<I64>;
  readonly rest: Var<I64>;
}

/** The integral part of a value below 2⁶⁴. */
function split(c: Emitter, { exponent, significand }: Unpacked): Split {
  const shift = c.letI64(c.i64.extend_i32_s(c.i32.sub(c.i32.const(63), exponent.get())));
  const whole = c.letI64(c.i64.const(0));
  // Below one half, all that matters is that the rest is not 0.
  const rest = c.letI64(c.i64.extend_i32_u(c.i64.ne(significand.get(), c.i64.const(0))));
  c.if(c.i64.lt_s(shift.get(), c.i64.const(64)), () => {
    whole.set(c.i64.shr_u(significand.get(), shift.get()));
    // In two shifts, because a shift by 64 would be one by 0.
    rest.set(
      c.i64.shl(c.i64.shl(significand.get(), c.i64.const(1)), c.i64.sub(c.i64.const(63), shift.get())),
    );
  });
  c.if(c.i64.eq(shift.get(), c.i64.const(64)), () => rest.set(significand.get()));
  return { whole, rest };
}

/** The integer that conversions make. */
export interface IntegerForm {
  readonly bits: 32 | 64;
  readonly signed: boolean;
}
const FORMS: readonly IntegerForm[] = [
  { bits: 32, signed: false },
  { bits: 32, signed: true },
  { bits: 64, signed: false },
  { bits: 64, signed: true },
];
const indexOf = ({ bits, signed }: IntegerForm): number => (bits === 64 ? 2 : 0) + (signed ? 1 : 0);
const formName = ({ bits, signed }: IntegerForm): string => `${signed ? 's' : 'u'}${bits}`;

/** Operands: value, fraction bits, rounding mode. The result is zero-extended. */
type ToFixed = Routine<readonly ['i64', 'i32', 'i32'], 'i64'>;

const toFixedRoutine = (f: FpFormat<32 | 64>, form: IntegerForm): ToFixed => {
  const limit = 1n << BigInt(form.signed ? form.bits - 1 : form.bits);
  const mask = (1n << BigInt(form.bits)) - 1n;
  return {
    name: `fp${f.bits}_to_${formName(form)}`,
    params: ['i64', 'i32', 'i32'],
    result: 'i64',
    emit: (c, value, fractionBits, mode) => {
      const saturated = (): I64 => {
        raiseFlags(c, FPSR_IOC);
        return c.select(c.i64.const(form.signed ? limit : 0n), c.i64.const(limit - 1n), signOf(c, f, value));
      };
      flushInputs(c, f, value);
      return firstOf(
        c,
        [
          [
            () => isNan(c, f, value),
            () => {
              raiseFlags(c, FPSR_IOC);
              return c.i64.const(0);
            },
          ],
          [() => isInfinite(c, f, value), saturated],
          [() => isZero(c, f, value), () => c.i64.const(0)],
        ],
        () => {
          const unpacked = unpack(c, f, value);
          unpacked.exponent.set(c.i32.add(unpacked.exponent.get(), fractionBits.get()));
          return firstOf(c, [[() => c.i32.gt_s(unpacked.exponent.get(), c.i32.const(63)), saturated]], () => {
            const { whole, rest } = split(c, unpacked);
            const negative = c.letI32(signOf(c, f, value));
            whole.set(
              c.i64.add(whole.get(), c.i64.extend_i32_u(roundsUp(c, whole, { mode, negative, rest }))),
            );
            // The largest magnitude that fits: one more below zero if signed, none if not.
            const largest = (): I64 =>
              c.select(c.i64.const(form.signed ? limit : 0n), c.i64.const(limit - 1n), negative.get());
            return firstOf(c, [[() => c.i64.gt_u(whole.get(), largest()), saturated]], () => {
              c.if(c.i64.ne(rest.get(), c.i64.const(0)), () => raiseFlags(c, FPSR_IXC));
              return c.i64.and(
                c.select(c.i64.sub(c.i64.const(0), whole.get()), whole.get(), negative.get()),
                c.i64.const(mask),
              );
            });
          });
        },
      );
    },
  };
};

const TO_FIXED: PerBits<readonly ToFixed[]> = perBits((f) => FORMS.map((form) => toFixedRoutine(f, form)));

/** FPToFixed to one kind of integer. */
export const toFixed = (bits: 32 | 64, form: IntegerForm): ToFixed => TO_FIXED[bits][indexOf(form)]!;

/** Operands: integer (its upper bits do not matter), fraction bits, rounding mode. */
type FromFixed = Routine<readonly ['i64', 'i32', 'i32'], 'i64'>;

const fromFixedRoutine = (f: FpFormat<32 | 64>, form: IntegerForm): FromFixed => ({
  name: `fp${f.bits}_from_${formName(form)}`,
  params: ['i64', 'i32', 'i32'],
  result: 'i64',
  emit: (c, value, fractionBits, mode) => {
    if (form.bits === 32) {
      value.set(
        form.signed ? c.i64.extend32_s(value.get()) : c.i64.and(value.get(), c.i64.const(0xffff_ffffn)),
      );
    }
    const negative = c.letI32(form.signed ? c.i64.lt_s(value.get(), c.i64.const(0)) : c.i32.const(0));
    c.if(negative.get(), () => value.set(c.i64.sub(c.i64.const(0), value.get())));
    return firstOf(c, [[() => c.i64.eqz(value.get()), () => c.i64.const(0)]], () =>
      c.call(
        ROUND[f.bits],
        negative.get(),
        c.i32.sub(c.i32.const(63), fractionBits.get()),
        value.get(),
        mode.get(),
      ),
    );
  },
});

const FROM_FIXED: PerBits<readonly FromFixed[]> = perBits((f) =>
  FORMS.map((form) => fromFixedRoutine(f, form)),
);

/** FixedToFP from one kind of integer. */
export const fromFixed = (bits: 32 | 64, form: IntegerForm): FromFixed => FROM_FIXED[bits][indexOf(form)]!;

/** FPRoundInt. Operands: value, rounding mode, whether IXC is raised. */
export const SOFT_INTEGRAL = perBits<Routine<readonly ['i64', 'i32', 'i32'], 'i64'>>((f) => ({
  name: `fp${f.bits}_integral`,
  params: ['i64', 'i32', 'i32'],
  result: 'i64',
  emit: (c, value, mode, exact) => {
    flushInputs(c, f, value);
    return firstOf(c, [[() => isNan(c, f, value), () => nanOf1(c, f, value)]], () => {
      const unpacked = unpack(c, f, value);
      return firstOf(
        c,
        [
          // No fraction, or no value at all.
          [
            () => c.i32.or(c.i32.ge_s(unpacked.exponent.get(), c.i32.const(f.fraction)), isZero(c, f, value)),
            () => value.get(),
          ],
        ],
        () => {
          const { whole, rest } = split(c, unpacked);
          const negative = c.letI32(signOf(c, f, value));
          whole.set(c.i64.add(whole.get(), c.i64.extend_i32_u(roundsUp(c, whole, { mode, negative, rest }))));
          c.if(c.i32.and(c.i64.ne(rest.get(), c.i64.const(0)), c.i32.ne(exact.get(), c.i32.const(0))), () =>
            raiseFlags(c, FPSR_IXC),
          );
          return firstOf(c, [[() => c.i64.eqz(whole.get()), () => signBit(c, f, negative.get())]], () =>
            c.call(ROUND[f.bits], negative.get(), c.i32.const(63), whole.get(), mode.get()),
          );
        },
      );
    });
  },
}));
