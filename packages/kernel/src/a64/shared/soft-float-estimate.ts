/** Reciprocal and reciprocal square root estimates. Source: Arm DDI 0487, J1.3.3 (FPRecipEstimate, FPRSqrtEstimate, FPRecpX, UnsignedRecipEstimate). */
import type { Emitter, I32, I64, Routine, Var } from '../emitter.ts';
import { FPSR_DZC, FPSR_IXC, FPSR_OFC, FPSR_UFC, type FpFormat, perBits, ROUNDING } from './fp-format.ts';
import {
  controlBits,
  firstOf,
  flushBit,
  flushInputs,
  invalid,
  isInfinite,
  isNan,
  isZero,
  nanOf1,
  raiseFlags,
  roundingMode,
  signOf,
  type UnaryRoutine,
  unpack,
} from './soft-float.ts';

/** RecipEstimate: 2¹⁸ ÷ (2a + 1), rounded to nearest. @param a - 256 to 511 @returns 256 to 511 */
function estimateReciprocal(c: Emitter, a: I32): I32 {
  const middle = c.letI32(c.i32.add(c.i32.shl(a, c.i32.const(1)), c.i32.const(1)));
  return c.i32.shr_u(
    c.i32.add(c.i32.div_u(c.i32.const(1 << 19), middle.get()), c.i32.const(1)),
    c.i32.const(1),
  );
}

/**
 * RecipSqrtEstimate. The manual counts `b` up from 512 while middle × (b + 1)² < 2²⁸; the host's square root finds it
 * at once, since no middle of an interval makes the two sides equal.
 *
 * @param a - 128 to 511 @returns 256 to 511
 */
function estimateReciprocalRoot(c: Emitter, a: Var<I32>): I32 {
  const twice = c.letI32(c.i32.shl(a.get(), c.i32.const(1)));
  const middle = c.letI32(
    c.select(
      c.i32.add(twice.get(), c.i32.const(1)),
      c.i32.add(c.i32.and(twice.get(), c.i32.const(~3)), c.i32.const(2)),
      c.i32.lt_u(a.get(), c.i32.const(256)),
    ),
  );
  const next = c.i32.trunc_sat_f64_u(
    c.f64.ceil(c.f64.sqrt(c.f64.div(c.f64.const(2 ** 28), c.f64.convert_i32_u(middle.get())))),
  );
  return c.i32.shr_u(next, c.i32.const(1));
}

/** The leading nine bits of a significand: 256 to 511. */
const leadingNine = (c: Emitter, significand: Var<I64>): I32 =>
  c.i32.wrap_i64(c.i64.shr_u(significand.get(), c.i64.const(55)));

/** The fraction that an estimate of nine bits stands for, its leading one dropped. */
const fractionOf = (c: Emitter, f: FpFormat, estimate: Var<I32>): I64 =>
  c.i64.shl(c.i64.extend_i32_u(c.i32.and(estimate.get(), c.i32.const(0xff))), c.i64.const(f.fraction - 8));

/** FPRecipEstimate. */
export const SOFT_RECPE = perBits<UnaryRoutine>((f) => ({
  name: `fp${f.bits}_recpe`,
  params: ['i64'],
  result: 'i64',
  emit: (c, value) => {
    const signed = (magnitude: I64): I64 => c.i64.or(magnitude, c.i64.and(value.get(), c.i64.const(f.sign)));
    flushInputs(c, f, value);
    return firstOf(
      c,
      [
        [() => isNan(c, f, value), () => nanOf1(c, f, value)],
        [() => isInfinite(c, f, value), () => signed(c.i64.const(0))],
        [
          () => isZero(c, f, value),
          () => {
            raiseFlags(c, FPSR_DZC);
            return signed(c.i64.const(f.infinity));
          },
        ],
      ],
      () => {
        const { exponent, significand } = unpack(c, f, value);
        return firstOf(
          c,
          [
            // The reciprocal of a subnormal with two zeros after the point is out of range.
            [
              () => c.i32.lt_s(exponent.get(), c.i32.const(-f.bias - 1)),
              () => {
                raiseFlags(c, FPSR_OFC | FPSR_IXC);
                const mode = c.letI32(roundingMode(c));
                const outward = c.i32.or(
                  c.i32.eqz(mode.get()),
                  c.i32.eq(mode.get(), c.i32.add(signOf(c, f, value), c.i32.const(ROUNDING.PLUS))),
                );
                return signed(c.i64.add(c.i64.extend_i32_u(outward), c.i64.const(f.infinity - 1n)));
              },
            ],
            [
              () =>
                c.i32.and(
                  c.i32.ne(controlBits(c, flushBit(f)), c.i32.const(0)),
                  c.i32.ge_s(exponent.get(), c.i32.const(f.bias - 1)),
                ),
              () => {
                raiseFlags(c, FPSR_UFC);
                return signed(c.i64.const(0));
              },
            ],
          ],
          () => {
            const estimate = c.letI32(estimateReciprocal(c, leadingNine(c, significand)));
            // Biased; 0 and −1 make a subnormal.
            const scale = c.letI32(c.i32.sub(c.i32.const(f.bias - 1), exponent.get()));
            const magnitude = c.letI64(fractionOf(c, f, estimate));
            c.if(
              c.i32.gt_s(scale.get(), c.i32.const(0)),
              () =>
                magnitude.set(
                  c.i64.or(
                    magnitude.get(),
                    c.i64.shl(c.i64.extend_i32_u(scale.get()), c.i64.const(f.fraction)),
                  ),
                ),
              () =>
                magnitude.set(
                  c.i64.shr_u(
                    c.i64.or(magnitude.get(), c.i64.const(1n << BigInt(f.fraction))),
                    c.i64.extend_i32_u(c.i32.sub(c.i32.const(1), scale.get())),
                  ),
                ),
            );
            return signed(magnitude.get());
          },
        );
      },
    );
  },
}));

/** FPRSqrtEstimate. */
export const SOFT_RSQRTE = perBits<UnaryRoutine>((f) => ({
  name: `fp${f.bits}_rsqrte`,
  params: ['i64'],
  result: 'i64',
  emit: (c, value) => {
    flushInputs(c, f, value);
    return firstOf(
      c,
      [
        [() => isNan(c, f, value), () => nanOf1(c, f, value)],
        [
          () => isZero(c, f, value),
          () => {
            raiseFlags(c, FPSR_DZC);
            return c.i64.or(value.get(), c.i64.const(f.infinity));
          },
        ],
        [() => signOf(c, f, value), () => invalid(c, f)],
        [() => isInfinite(c, f, value), () => c.i64.const(0)],
      ],
      () => {
        const { exponent, significand } = unpack(c, f, value);
        // With an even exponent the significand counts as one of ¼ to ½, with an odd one of ½ to 1.
        const index = c.letI32(
          c.i32.shr_u(leadingNine(c, significand), c.i32.eqz(c.i32.and(exponent.get(), c.i32.const(1)))),
        );
        const estimate = c.letI32(estimateReciprocalRoot(c, index));
        // From the biased exponent e the manual makes (3 × bias − 1 − e) ÷ 2, rounded down.
        const scale = c.i32.shr_s(c.i32.sub(c.i32.const(2 * f.bias - 1), exponent.get()), c.i32.const(1));
        return c.i64.or(
          c.i64.shl(c.i64.extend_i32_u(scale), c.i64.const(f.fraction)),
          fractionOf(c, f, estimate),
        );
      },
    );
  },
}));

/** FPRecpX: the exponent of the reciprocal, roughly. */
export const SOFT_RECPX = perBits<UnaryRoutine>((f) => ({
  name: `fp${f.bits}_recpx`,
  params: ['i64'],
  result: 'i64',
  emit: (c, value) => {
    flushInputs(c, f, value);
    return firstOf(c, [[() => isNan(c, f, value), () => nanOf1(c, f, value)]], () => {
      const exponent = c.letI64(c.i64.and(value.get(), c.i64.const(f.infinity)));
      const lowest = 1n << BigInt(f.fraction);
      return c.i64.or(
        c.i64.and(value.get(), c.i64.const(f.sign)),
        c.select(
          c.i64.const(f.infinity - lowest),
          c.i64.xor(exponent.get(), c.i64.const(f.infinity)),
          c.i64.eqz(exponent.get()),
        ),
      );
    });
  },
}));

type WordRoutine = Routine<readonly ['i32'], 'i32'>;

/** UnsignedRecipEstimate, on 0.32 fixed point. */
export const FIXED_RECPE: WordRoutine = {
  name: 'fixed_recpe',
  params: ['i32'],
  result: 'i32',
  emit: (c, value) =>
    c.select(
      c.i32.shl(estimateReciprocal(c, c.i32.shr_u(value.get(), c.i32.const(23))), c.i32.const(23)),
      c.i32.const(-1),
      c.i32.lt_s(value.get(), c.i32.const(0)),
    ),
};

/** UnsignedRSqrtEstimate, on 0.32 fixed point. */
export const FIXED_RSQRTE: WordRoutine = {
  name: 'fixed_rsqrte',
  params: ['i32'],
  result: 'i32',
  emit: (c, value) => {
    const index = c.letI32(c.i32.shr_u(value.get(), c.i32.const(23)));
    const result = c.letI32(c.i32.const(-1));
    c.if(c.i32.ge_u(index.get(), c.i32.const(128)), () =>
      result.set(c.i32.shl(estimateReciprocalRoot(c, index), c.i32.const(23))),
    );
    return result.get();
  },
};
