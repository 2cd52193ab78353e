/** Conversions to and from integers and fixed point, and rounding to integral. Source: Arm DDI 0487, J1.3.3 (FPToFixed, FixedToFP, FPRoundInt). */
import type { Emitter, I32, I64, Routine, Var } from '../emitter.ts';
import {
  FORMATS,
  FPSR_IOC,
  FPSR_IXC,
  type FpBits,
  type FpFormat,
  type PerBits,
  perBits,
} from './fp-format.ts';
import {
  firstOf,
  flushInputs,
  isInfinite,
  isNan,
  isZero,
  magnitudeOf,
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
  /** 16 is for half precision only. */
  readonly bits: 16 | 32 | 64;
  readonly signed: boolean;
}
const FORMS: readonly IntegerForm[] = [
  { bits: 32, signed: false },
  { bits: 32, signed: true },
  { bits: 64, signed: false },
  { bits: 64, signed: true },
  { bits: 16, signed: false },
  { bits: 16, signed: true },
];
const INDEX = { 32: 0, 64: 2, 16: 4 } as const;
const indexOf = ({ bits, signed }: IntegerForm): number => INDEX[bits] + (signed ? 1 : 0);
const formName = ({ bits, signed }: IntegerForm): string => `${signed ? 's' : 'u'}${bits}`;

/** Operands: value, fraction bits, rounding mode. The result is zero-extended. */
type ToFixed = Routine<readonly ['i64', 'i32', 'i32'], 'i64'>;

const toFixedRoutine = (f: FpFormat, form: IntegerForm): ToFixed => {
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
export const toFixed = (bits: FpBits, form: IntegerForm): ToFixed => TO_FIXED[bits][indexOf(form)]!;

/** Operands: integer (its upper bits do not matter), fraction bits, rounding mode. */
type FromFixed = Routine<readonly ['i64', 'i32', 'i32'], 'i64'>;

const fromFixedRoutine = (f: FpFormat, form: IntegerForm): FromFixed => ({
  name: `fp${f.bits}_from_${formName(form)}`,
  params: ['i64', 'i32', 'i32'],
  result: 'i64',
  emit: (c, value, fractionBits, mode) => {
    if (form.bits !== 64) {
      const places = (): I64 => c.i64.const(64 - form.bits);
      value.set(c.i64.shl(value.get(), places()));
      value.set(c.i64[form.signed ? 'shr_s' : 'shr_u'](value.get(), places()));
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
export const fromFixed = (bits: FpBits, form: IntegerForm): FromFixed => FROM_FIXED[bits][indexOf(form)]!;

/** Integers that values can be made to fit. */
export type IntegerBits = 32 | 64;

/** FPRoundIntN, to a signed integer of `n` bits that stays a value. Operands: value, rounding mode. */
const withinRoutine = (f: FpFormat, n: IntegerBits): Routine<readonly ['i64', 'i32'], 'i64'> => {
  const limit = BigInt(f.bias + n - 1) << BigInt(f.fraction);
  return {
    name: `fp${f.bits}_integral_${n}`,
    params: ['i64', 'i32'],
    result: 'i64',
    emit: (c, value, mode) => {
      flushInputs(c, f, value);
      const result = c.letI64(c.call(SOFT_INTEGRAL[f.bits], value.get(), mode.get(), c.i32.const(0)));
      const fits = c.i32.or(
        c.i64.lt_u(magnitudeOf(c, f, result), c.i64.const(limit)),
        c.i64.eq(result.get(), c.i64.const(f.sign | limit)),
      );
      c.if(
        fits,
        () => c.if(c.i64.ne(result.get(), value.get()), () => raiseFlags(c, FPSR_IXC)),
        () => {
          raiseFlags(c, FPSR_IOC);
          result.set(c.i64.const(f.sign | limit));
        },
      );
      return result.get();
    },
  };
};

/** FPRoundIntN, by the width of the integer. */
export const SOFT_INTEGRAL_WITHIN = {
  32: perBits((f) => withinRoutine(f, 32)),
  64: perBits((f) => withinRoutine(f, 64)),
} as const;

/**
 * FPToFixedJS: a double as the word that its integral part is modulo 2³², and in bit 32 whether that is exact. Raises
 * IOC where the word is not the integral part, IXC where there is a fraction.
 */
export const DOUBLE_TO_WORD: Routine<readonly ['i64'], 'i64'> = {
  name: 'fp64_to_word',
  params: ['i64'],
  result: 'i64',
  emit: (c, value) => {
    const f = FORMATS[64];
    const given = c.letI64(value.get());
    flushInputs(c, f, value);
    const special = (): I32 => c.i64.ge_u(magnitudeOf(c, f, value), c.i64.const(f.infinity));
    const indefinite = (): I64 => {
      raiseFlags(c, FPSR_IOC);
      return c.i64.const(0);
    };
    // Of the zeros only a positive one, not flushed, is exact.
    const zero = (): I64 => c.i64.shl(c.i64.extend_i32_u(c.i64.eqz(given.get())), c.i64.const(32));
    return firstOf(
      c,
      [
        [special, indefinite],
        [() => isZero(c, f, value), zero],
      ],
      () => {
        const { exponent, significand } = unpack(c, f, value);
        const word = c.letI64(c.i64.const(0));
        const rest = c.letI64(significand.get());
        // Where the point is, counted from the top of the significand.
        const places = c.letI64(c.i64.extend_i32_s(c.i32.add(exponent.get(), c.i32.const(1))));
        c.if(c.i64.gt_s(places.get(), c.i64.const(0)), () => {
          c.if(
            c.i64.le_s(places.get(), c.i64.const(64)),
            () => {
              word.set(c.i64.shr_u(significand.get(), c.i64.sub(c.i64.const(64), places.get())));
              // In two shifts, because a shift by 64 would be one by 0.
              const shifted = c.i64.shl(significand.get(), c.i64.sub(places.get(), c.i64.const(1)));
              rest.set(c.i64.shl(shifted, c.i64.const(1)));
            },
            () => {
              rest.set(c.i64.const(0));
              c.if(c.i64.lt_s(places.get(), c.i64.const(96)), () =>
                word.set(c.i64.shl(significand.get(), c.i64.sub(places.get(), c.i64.const(64)))),
              );
            },
          );
        });
        c.if(signOf(c, f, value), () => word.set(c.i64.sub(c.i64.const(0), word.get())));
        const exact = c.letI64(c.i64.const(0));
        c.if(
          c.i32.or(
            c.i64.gt_s(places.get(), c.i64.const(63)),
            c.i64.ne(word.get(), c.i64.extend32_s(word.get())),
          ),
          () => raiseFlags(c, FPSR_IOC),
          () =>
            c.if(
              c.i64.eqz(rest.get()),
              () => exact.set(c.i64.const(1n << 32n)),
              () => raiseFlags(c, FPSR_IXC),
            ),
        );
        return c.i64.or(c.i64.and(word.get(), c.i64.const(0xffff_ffffn)), exact.get());
      },
    );
  },
};

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
