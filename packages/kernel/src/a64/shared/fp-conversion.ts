/** Conversions as rows use them: Wasm's where that is exact, soft float else. See fp-operation.ts. */
import type { Emitter, F32, F64, I32, I64, V128, Var, Word } from '../emitter.ts';
import { perBits, ROUNDING } from './fp-format.ts';
import { integralOf, type IntegralRounding } from './fp-integral.ts';
import { choose, EXACT, ROUNDED, unlessExact } from './fp-operation.ts';
import { type Bits, type Float, type FpView, type Mask, type Soft, soft } from './fp-view.ts';
import { SOFT_CONVERT } from './soft-float-convert.ts';
import { fromFixed, type IntegerForm, toFixed } from './soft-float-integer.ts';
import { roundingMode } from './soft-float.ts';

const suffix = ({ signed }: IntegerForm): 's' | 'u' => (signed ? 's' : 'u');

/** 1 if the value is within the integers of a form, or is truncated to one of them. */
function fits(k: FpView, value: Var<Float>, { bits, signed }: IntegerForm): Mask {
  if (signed) return k.ops.lt(k.ops.abs(value.get()), k.constFloat(2 ** (bits - 1)));
  return k.both(k.ops.gt(value.get(), k.constFloat(-1)), k.ops.lt(value.get(), k.constFloat(2 ** bits)));
}

/** What a conversion to an integer is, besides its operand. */
interface ToInteger extends IntegerForm {
  readonly rounding: IntegralRounding;
}

/** The number of fraction bits: an operand of the instruction. Absent = none. */
export type FractionBits = (c: Emitter) => I32;

const fractionOf = (c: Emitter, bits: FractionBits | undefined): I32 => (bits ? bits(c) : c.i32.const(0));

/** 2 to this power. */
function powerOfTwo(k: FpView, exponent: I32): Float {
  const { c } = k;
  const { bits, bias, fraction } = k.format;
  const word = c.i32.add(exponent, c.i32.const(bias));
  if (bits === 32) {
    const value = c.f32.reinterpret_i32(c.i32.shl(word, c.i32.const(fraction)));
    return (k.isVector ? c.f32x4.splat(value) : value) as Float;
  }
  const value = c.f64.reinterpret_i64(c.i64.shl(c.i64.extend_i32_u(word), c.i64.const(fraction)));
  return (k.isVector ? c.f64x2.splat(value) : value) as Float;
}

/** The value made integral where the conversion itself, which truncates, does not do that. */
const beforeTruncation = (k: FpView, x: Var<Bits>, { rounding }: Pick<ToInteger, 'rounding'>): Float =>
  rounding === ROUNDING.ZERO ? k.float(x) : integralOf(k, rounding, x);

/** Width of the general register that holds an integer. */
const wordBits = ({ bits }: Pick<IntegerForm, 'bits'>): 32 | 64 => (bits === 64 ? 64 : 32);

/** Wasm's conversion of a scalar that fits. */
function truncate(k: FpView, value: Var<Float>, form: IntegerForm): Word {
  const { c } = k;
  const ops = form.bits === 64 ? c.i64 : c.i32;
  const single = k.format.bits === 32;
  return (
    single
      ? ops[`trunc_sat_f32_${suffix(form)}`](value.get() as F32)
      : ops[`trunc_sat_f64_${suffix(form)}`](value.get() as F64)
  ) as Word;
}

const isIntegral = (k: FpView, x: Var<Bits>): Mask => k.ops.eq(k.ops.trunc(k.float(x)), k.float(x));

/** An integer that has become this value has lost nothing: it is shorter than the fraction. */
const isHeld = (k: FpView, value: Var<Bits>): Mask =>
  k.ops.lt(k.ops.abs(k.float(value)), k.constFloat(2 ** k.format.fraction));

/** As many times as large as fraction bits make it: exact, unless it is then too large for an integer. */
const scaledUp = (k: FpView, x: Var<Bits>, fraction: FractionBits | undefined): Var<Bits> =>
  fraction ? k.letBits(k.ops.mul(k.float(x), powerOfTwo(k, fraction(k.c))) as Bits) : x;

/** An integer as small as fraction bits make it: exact. */
const scaledDown = (k: FpView, x: Var<Bits>, fraction: FractionBits | undefined): Bits =>
  fraction
    ? (k.ops.mul(k.float(x), powerOfTwo(k, k.c.i32.sub(k.c.i32.const(0), fraction(k.c)))) as Bits)
    : x.get();

/** A scalar as an integer of the form's width. */
export function toInteger(k: FpView, x: Var<Bits>, form: ToInteger, fraction?: FractionBits): Word {
  const { c } = k;
  const w = c.word(wordBits(form));
  const slow = (): Word =>
    w.fromI64(
      c.call(
        toFixed(k.format.bits, form),
        c.word(k.wordBits).toI64(k.word(x.get())),
        fractionOf(c, fraction),
        c.i32.const(form.rounding),
      ),
    );
  if (k.isHalf) return slow();
  const scaled = scaledUp(k, x, fraction);
  const value = k.letFloat(beforeTruncation(k, scaled, form));
  const result = w.let(truncate(k, value, form));
  c.rarely([() => c.i32.eqz(fits(k, value, form))], () => result.set(slow()));
  unlessExact(
    k,
    () => isIntegral(k, scaled),
    () => result.set(slow()),
  );
  return result.get();
}

/** An integer of the form's width as a scalar. */
export function fromInteger(k: FpView, value: Var<Word>, form: IntegerForm, fraction?: FractionBits): Bits {
  const { c } = k;
  const { bits } = k.format;
  const slow = (): Bits =>
    k.fromWord(
      c
        .word(k.wordBits)
        .fromI64(
          c.call(
            fromFixed(bits, form),
            c.word(wordBits(form)).toI64(value.get()),
            fractionOf(c, fraction),
            roundingMode(c),
          ),
        ),
    );
  if (k.isHalf) return slow();
  const name = `convert_i${wordBits(form)}_${suffix(form)}` as const;
  const source = value.get();
  const converted: unknown = bits === 64 ? c.f64[name](source) : c.f32[name](source);
  const integer = k.letBits(converted as Bits);
  const result = k.letBits(scaledDown(k, integer, fraction));
  // Every 32-bit integer is a double.
  if (bits === 64 && form.bits === 32) return result.get();
  unlessExact(
    k,
    () => isHeld(k, integer),
    () => result.set(slow()),
  );
  return result.get();
}

/** Double to single or single to double precision. `from` and `to` are scalar views. */
export function convertPrecision(from: FpView, to: FpView, x: Var<Bits>): Bits {
  const { c } = from;
  const widens = to.format.bits === 64;
  const result = to.letFloat(
    (widens ? c.f64.promote_f32(from.float(x)) : c.f32.demote_f64(from.float(x))) as Float,
  );
  const fallback = (): Bits =>
    to.fromWord(
      c
        .word(to.wordBits)
        .fromI64(
          c.call(
            SOFT_CONVERT[widens ? '32_64' : '64_32'],
            c.word(from.wordBits).toI64(from.word(x.get())),
            roundingMode(c),
          ),
        ),
    );
  const exact = widens ? EXACT : ROUNDED;
  const explains = widens ? [] : [() => from.ops.eq(from.float(x), from.constFloat(0))];
  const isExact = widens
    ? undefined
    : (): Mask => c.f64.eq(c.f64.promote_f32(result.get()), from.float(x)) as Mask;
  return choose(to, exact, result, { explains, isExact }, fallback);
}

/** To half precision, in the low 16 bits. */
export const toHalf = (c: Emitter, bits: 32 | 64, x: I64): I64 =>
  c.call(SOFT_CONVERT[`${bits}_16`], x, roundingMode(c));

/** From half precision in the low 16 bits. */
export const fromHalf = (c: Emitter, bits: 32 | 64, x: I64): I64 =>
  c.call(SOFT_CONVERT[`16_${bits}`], x, roundingMode(c));

/** Conversions between values and integers of the same width, with a number of fraction bits and a rounding mode. */
const LANES_TO_FIXED: Readonly<Record<'s' | 'u', Soft>> = {
  s: soft(perBits(({ bits }) => toFixed(bits, { bits, signed: true }))),
  u: soft(perBits(({ bits }) => toFixed(bits, { bits, signed: false }))),
};
const LANES_FROM_FIXED: Readonly<Record<'s' | 'u', Soft>> = {
  s: soft(perBits(({ bits }) => fromFixed(bits, { bits, signed: true }))),
  u: soft(perBits(({ bits }) => fromFixed(bits, { bits, signed: false }))),
};

/** Wasm's conversion of lanes that fit. It has none for doubles, so these are converted one by one. */
function truncateLanes({ c, format }: FpView, value: Var<Float>, signed: boolean): V128 {
  if (format.bits === 32) {
    return signed ? c.i32x4.trunc_sat_f32x4_s(value.get()) : c.i32x4.trunc_sat_f32x4_u(value.get());
  }
  const lane = (n: number): I64 =>
    c.i64[`trunc_sat_f64_${signed ? 's' : 'u'}`](c.f64x2.extract_lane(value.get(), n));
  return c.i64x2.replace_lane(c.i64x2.splat(lane(0)), 1, lane(1));
}

/** Wasm's conversion of integer lanes. */
function convertLanes({ c, format }: FpView, x: Var<Bits>, signed: boolean): V128 {
  if (format.bits === 32) {
    return signed ? c.f32x4.convert_i32x4_s(x.get()) : c.f32x4.convert_i32x4_u(x.get());
  }
  const lane = (n: number): F64 =>
    c.f64[`convert_i64_${signed ? 's' : 'u'}`](c.i64x2.extract_lane(x.get(), n));
  return c.f64x2.replace_lane(c.f64x2.splat(lane(0)), 1, lane(1));
}

/** The lanes of a view as integers of the same width. */
export function lanesToInteger(
  k: FpView,
  x: Var<Bits>,
  form: Omit<ToInteger, 'bits'>,
  fraction?: FractionBits,
): Bits {
  const { c } = k;
  const { bits } = k.format;
  if (!k.isVector && !k.isHalf) return k.fromWord(toInteger(k, x, { ...form, bits }, fraction));
  const slow = (): Bits =>
    k.call(
      LANES_TO_FIXED[form.signed ? 's' : 'u'],
      [x],
      [() => fractionOf(c, fraction), () => c.i32.const(form.rounding)],
    );
  if (k.isHalf) return slow();
  const scaled = scaledUp(k, x, fraction);
  const value = k.letFloat(beforeTruncation(k, scaled, form));
  const result = k.letBits(truncateLanes(k, value, form.signed) as Bits);
  c.rarely([() => c.i32.eqz(k.all(fits(k, value, { ...form, bits })))], () => result.set(slow()));
  unlessExact(
    k,
    () => isIntegral(k, scaled),
    () => result.set(slow()),
  );
  return result.get();
}

/** Integer lanes as values of the same width. */
export function lanesFromInteger(k: FpView, x: Var<Bits>, signed: boolean, fraction?: FractionBits): Bits {
  const { c } = k;
  const { bits } = k.format;
  if (!k.isVector && !k.isHalf) {
    const value = c.word(k.wordBits).let(k.word(x.get()));
    return fromInteger(k, value, { bits, signed }, fraction);
  }
  const slow = (): Bits =>
    k.call(LANES_FROM_FIXED[signed ? 's' : 'u'], [x], [() => fractionOf(c, fraction), () => roundingMode(c)]);
  if (k.isHalf) return slow();
  const integer = k.letBits(convertLanes(k, x, signed) as Bits);
  const result = k.letBits(scaledDown(k, integer, fraction));
  unlessExact(
    k,
    () => isHeld(k, integer),
    () => result.set(slow()),
  );
  return result.get();
}
