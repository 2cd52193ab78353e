/** Conversions between formats. Source: Arm DDI 0487, J1.3.3 (FPConvert, FPUnpackCV, FPConvertNaN). */
import type { Emitter, I32, I64, Routine, Var } from '../emitter.ts';
import { FORMATS, FPCR_AHP, FPCR_DN, FPSR_IOC, type FpFormat } from './fp-format.ts';
import {
  controlBits,
  firstOf,
  flushInputs,
  isInfinite,
  isNan,
  isSignallingNan,
  isZero,
  raiseFlags,
  ROUND,
  ROUND_TO_HALF,
  signBit,
  signOf,
  unpack,
} from './soft-float.ts';

/** Operands: value, rounding mode. */
type ConvertRoutine = Routine<readonly ['i64', 'i32'], 'i64'>;

/** The fraction keeps its most significant bits. */
function convertNan(c: Emitter, from: FpFormat, to: FpFormat, value: Var<I64>): I64 {
  const places = to.fraction - from.fraction;
  const fraction = c.letI64(c.i64.and(value.get(), c.i64.const(from.fractionMask)));
  c.if(isSignallingNan(c, from, value), () => raiseFlags(c, FPSR_IOC));
  return c.select(
    c.i64.const(to.defaultNan),
    c.i64.or(
      c.i64.or(
        signBit(c, to, signOf(c, from, value)),
        places < 0
          ? c.i64.shr_u(fraction.get(), c.i64.const(-places))
          : c.i64.shl(fraction.get(), c.i64.const(places)),
      ),
      c.i64.const(to.defaultNan),
    ),
    controlBits(c, FPCR_DN),
  );
}

const convertRoutine = (from: FpFormat, to: FpFormat): ConvertRoutine => ({
  name: `fp${from.bits}_to_fp${to.bits}`,
  params: ['i64', 'i32'],
  result: 'i64',
  emit: (c, value, mode) => {
    // Neither FZ nor FZ16 applies to half precision. There AHP makes the top exponent an ordinary one.
    if (from.bits !== 16) flushInputs(c, from, value);
    const half = from.bits === 16 || to.bits === 16;
    const alternative = c.letI32(half ? controlBits(c, FPCR_AHP) : c.i32.const(0));
    const special = (test: typeof isNan): I32 =>
      from.bits === 16 ? c.i32.and(test(c, from, value), c.i32.eqz(alternative.get())) : test(c, from, value);
    const signed = (magnitude: bigint): I64 =>
      c.i64.or(signBit(c, to, signOf(c, from, value)), c.i64.const(magnitude));
    /** What stands for something that the alternative half format does not have; in the others, `otherwise`. */
    const orAlternative = (magnitude: bigint, otherwise: () => I64): I64 =>
      to.bits === 16
        ? firstOf(
            c,
            [
              [
                () => alternative.get(),
                () => {
                  raiseFlags(c, FPSR_IOC);
                  return signed(magnitude);
                },
              ],
            ],
            otherwise,
          )
        : otherwise();
    return firstOf(
      c,
      [
        [() => special(isNan), () => orAlternative(0n, () => convertNan(c, from, to, value))],
        [() => special(isInfinite), () => orAlternative(to.magnitude, () => signed(to.infinity))],
        [() => isZero(c, from, value), () => signed(0n)],
      ],
      () => {
        const { exponent, significand } = unpack(c, from, value);
        const round = to.bits === 16 ? ROUND_TO_HALF : ROUND[to.bits];
        return c.call(round, signOf(c, from, value), exponent.get(), significand.get(), mode.get());
      },
    );
  },
});

type ConvertName = '16_32' | '16_64' | '32_16' | '32_64' | '64_16' | '64_32';

/** FPConvert, by widths in bits: from, to. */
export const SOFT_CONVERT: Readonly<Record<ConvertName, ConvertRoutine>> = {
  '16_32': convertRoutine(FORMATS[16], FORMATS[32]),
  '16_64': convertRoutine(FORMATS[16], FORMATS[64]),
  '32_16': convertRoutine(FORMATS[32], FORMATS[16]),
  '32_64': convertRoutine(FORMATS[32], FORMATS[64]),
  '64_16': convertRoutine(FORMATS[64], FORMATS[16]),
  '64_32': convertRoutine(FORMATS[64], FORMATS[32]),
};
