/**
 * What all soft-float routines share: taking values apart, NaNs, flushing, rounding.
 *
 * A value is its bits in an `I64`, zero-extended. Taken apart, a non-zero finite value is
 * significand × 2^(exponent − 63) with bit 63 of the significand set. Source: Arm DDI 0487, J1.3.3 "shared/functions/float"
 * (FPUnpack, FPProcessNaNs, FPRound).
 */
import { FPCR, FPSR } from '../../state/vcpu-state.ts';
import type { Emitter, I32, I64, Routine, Var } from '../emitter.ts';
import {
  FORMATS,
  FPCR_AHP,
  FPCR_DN,
  FPCR_FZ,
  FPCR_FZ16,
  FPCR_RMODE_SHIFT,
  FPSR_IDC,
  FPSR_IOC,
  FPSR_IXC,
  FPSR_OFC,
  FPSR_UFC,
  type FpFormat,
  perBits,
  ROUNDING,
} from './fp-format.ts';

export type UnaryRoutine = Routine<readonly ['i64'], 'i64'>;
export type BinaryRoutine = Routine<readonly ['i64', 'i64'], 'i64'>;
export type TernaryRoutine = Routine<readonly ['i64', 'i64', 'i64'], 'i64'>;

/** A finite value taken apart, without its sign. */
export interface Unpacked {
  readonly exponent: Var<I32>;
  readonly significand: Var<I64>;
}

/** A condition, and the result where it holds. */
export type Case = readonly [condition: () => I32, result: () => I64];

/** The result of the first case that holds, or else of the last argument. */
export function firstOf(c: Emitter, cases: readonly Case[], otherwise: () => I64): I64 {
  const result = c.letI64(c.i64.const(0));
  const from = (n: number): void => {
    const row = cases[n];
    if (row) {
      const [condition, value] = row;
      c.if(
        condition(),
        () => result.set(value()),
        () => from(n + 1),
      );
    } else result.set(otherwise());
  };
  from(0);
  return result.get();
}

// ---- status and control

/** Sets cumulative exception bits. */
export const raiseFlags = (c: Emitter, flags: number): void =>
  c.setState32(FPSR, c.i32.or(c.state32(FPSR), c.i32.const(flags)));

/** Not 0 if any of these FPCR bits is set. */
export const controlBits = (c: Emitter, bits: number): I32 => c.i32.and(c.state32(FPCR), c.i32.const(bits));

/** FPCR.RMode as a `ROUNDING` number. */
export const roundingMode = (c: Emitter): I32 =>
  c.i32.and(c.i32.shr_u(c.state32(FPCR), c.i32.const(FPCR_RMODE_SHIFT)), c.i32.const(3));

// ---- fields and classes

/** 1 if negative. */
export const signOf = (c: Emitter, f: FpFormat, value: Var<I64>): I32 =>
  c.i32.wrap_i64(c.i64.shr_u(value.get(), c.i64.const(f.bits - 1)));

export const magnitudeOf = (c: Emitter, f: FpFormat, value: Var<I64>): I64 =>
  c.i64.and(value.get(), c.i64.const(f.magnitude));

export const isNan = (c: Emitter, f: FpFormat, value: Var<I64>): I32 =>
  c.i64.gt_u(magnitudeOf(c, f, value), c.i64.const(f.infinity));

export const isSignallingNan = (c: Emitter, f: FpFormat, value: Var<I64>): I32 =>
  c.i32.and(isNan(c, f, value), c.i64.eqz(c.i64.and(value.get(), c.i64.const(f.quiet))));

export const isQuietNan = (c: Emitter, f: FpFormat, value: Var<I64>): I32 =>
  c.i32.and(isNan(c, f, value), c.i64.ne(c.i64.and(value.get(), c.i64.const(f.quiet)), c.i64.const(0)));

export const isInfinite = (c: Emitter, f: FpFormat, value: Var<I64>): I32 =>
  c.i64.eq(magnitudeOf(c, f, value), c.i64.const(f.infinity));

export const isZero = (c: Emitter, f: FpFormat, value: Var<I64>): I32 => c.i64.eqz(magnitudeOf(c, f, value));

/** The sign bit at its place, from 0 or 1. */
export const signBit = (c: Emitter, f: FpFormat, negative: I32): I64 =>
  c.i64.shl(c.i64.extend_i32_u(negative), c.i64.const(f.bits - 1));

/** Takes a finite value apart. Zero gives significand 0 and an exponent below all others. */
export function unpack(c: Emitter, f: FpFormat, value: Var<I64>): Unpacked {
  const exponent = c.letI32(c.i32.wrap_i64(c.i64.shr_u(magnitudeOf(c, f, value), c.i64.const(f.fraction))));
  const significand = c.letI64(
    c.i64.or(
      c.i64.and(value.get(), c.i64.const(f.fractionMask)),
      c.i64.shl(c.i64.extend_i32_u(c.i32.ne(exponent.get(), c.i32.const(0))), c.i64.const(f.fraction)),
    ),
  );
  const leading = c.letI64(c.i64.clz(significand.get()));
  significand.set(c.i64.shl(significand.get(), leading.get()));
  exponent.set(
    c.i32.add(
      c.i32.sub(c.i32.add(exponent.get(), c.i32.eqz(exponent.get())), c.i32.wrap_i64(leading.get())),
      c.i32.const(63 - f.fraction - f.bias),
    ),
  );
  return { exponent, significand };
}

// ---- flushing and NaNs

const FLUSH = perBits<UnaryRoutine>((f) => ({
  name: `fp${f.bits}_flush`,
  params: ['i64'],
  result: 'i64',
  emit: (c, value) => {
    const magnitude = c.letI64(magnitudeOf(c, f, value));
    c.if(
      c.i32.and(
        c.i64.ne(magnitude.get(), c.i64.const(0)),
        c.i64.le_u(magnitude.get(), c.i64.const(f.fractionMask)),
      ),
      () => {
        if (f.bits !== 16) raiseFlags(c, FPSR_IDC);
        value.set(c.i64.and(value.get(), c.i64.const(f.sign)));
      },
    );
    return value.get();
  },
}));

/** The FPCR bit that makes subnormals of a format zero. */
export const flushBit = (f: FpFormat): number => (f.bits === 16 ? FPCR_FZ16 : FPCR_FZ);

/** Under FPCR.FZ, makes subnormal operands zero (IDC); those of half precision under FZ16, silently. */
export function flushInputs(c: Emitter, f: FpFormat, ...values: readonly Var<I64>[]): void {
  const routine = FLUSH[f.bits];
  c.if(controlBits(c, flushBit(f)), () => {
    for (const value of values) value.set(c.call(routine, value.get()));
  });
}

/** The NaN that a choice among operands yields: quieted, or the default one. Signalling operands raise IOC. */
function propagate(c: Emitter, f: FpFormat, operands: readonly Var<I64>[]): I64 {
  const chosen = c.letI64(operands[0]!.get());
  // Signalling NaNs win over quiet ones, earlier operands over later ones: so the last assignment has priority.
  for (const test of [isNan, isSignallingNan]) {
    for (const operand of operands.toReversed()) {
      c.if(test(c, f, operand), () => {
        chosen.set(operand.get());
        if (test === isSignallingNan) raiseFlags(c, FPSR_IOC);
      });
    }
  }
  return c.select(
    c.i64.const(f.defaultNan),
    c.i64.or(chosen.get(), c.i64.const(f.quiet)),
    controlBits(c, FPCR_DN),
  );
}

const NAN_OF_1 = perBits<UnaryRoutine>((f) => ({
  name: `fp${f.bits}_nan1`,
  params: ['i64'],
  result: 'i64',
  emit: (c, x) => propagate(c, f, [x]),
}));
const NAN_OF_2 = perBits<BinaryRoutine>((f) => ({
  name: `fp${f.bits}_nan2`,
  params: ['i64', 'i64'],
  result: 'i64',
  emit: (c, x, y) => propagate(c, f, [x, y]),
}));
const NAN_OF_3 = perBits<TernaryRoutine>((f) => ({
  name: `fp${f.bits}_nan3`,
  params: ['i64', 'i64', 'i64'],
  result: 'i64',
  emit: (c, x, y, z) => propagate(c, f, [x, y, z]),
}));

/** FPProcessNaN, for an operand that is one. */
export const nanOf1 = (c: Emitter, f: FpFormat, x: Var<I64>): I64 => c.call(NAN_OF_1[f.bits], x.get());
/** FPProcessNaNs, where at least one operand is a NaN. */
export const nanOf2 = (c: Emitter, f: FpFormat, x: Var<I64>, y: Var<I64>): I64 =>
  c.call(NAN_OF_2[f.bits], x.get(), y.get());
/** FPProcessNaNs3, where at least one operand is a NaN. */
export const nanOf3 = (c: Emitter, f: FpFormat, x: Var<I64>, y: Var<I64>, z: Var<I64>): I64 =>
  c.call(NAN_OF_3[f.bits], x.get(), y.get(), z.get());

/** The default NaN, and IOC. */
export function invalid(c: Emitter, f: FpFormat): I64 {
  raiseFlags(c, FPSR_IOC);
  return c.i64.const(f.defaultNan);
}

// ---- rounding

/** `value` >> `count`, with the lowest bit set if a one was lost. Any count from 0 up. */
export function shiftRightJam(c: Emitter, value: Var<I64>, count: I32): I64 {
  const given = c.letI32(count);
  const shift = c.letI64(
    c.i64.extend_i32_u(c.select(given.get(), c.i32.const(63), c.i32.lt_u(given.get(), c.i32.const(63)))),
  );
  const kept = c.letI64(c.i64.shr_u(value.get(), shift.get()));
  return c.i64.or(kept.get(), c.i64.extend_i32_u(c.i64.ne(c.i64.shl(kept.get(), shift.get()), value.get())));
}

/** What is to be rounded, besides the number of the rounding mode. */
interface Rounded {
  readonly mode: Var<I32>;
  readonly negative: Var<I32>;
  /** The part cut off; 2⁶³ is one half. */
  readonly rest: Var<I64>;
}

/** 1 if the magnitude `kept` must go up by one. To odd never does. */
export function roundsUp(c: Emitter, kept: Var<I64>, { mode, negative, rest }: Rounded): I32 {
  const up = c.letI32(
    c.i64.gt_u(rest.get(), c.i64.sub(c.i64.const(1n << 63n), c.i64.and(kept.get(), c.i64.const(1)))),
  );
  c.if(mode.get(), () => {
    up.set(
      c.select(
        c.i64.lt_s(rest.get(), c.i64.const(0)),
        c.i32.and(c.i64.ne(rest.get(), c.i64.const(0)), isOutward(c, mode, negative)),
        c.i32.eq(mode.get(), c.i32.const(ROUNDING.AWAY)),
      ),
    );
  });
  return up.get();
}

/** 1 if the directed mode is away from zero for this sign. */
const isOutward = (c: Emitter, mode: Var<I32>, negative: Var<I32>): I32 =>
  c.i32.eq(mode.get(), c.i32.add(c.i32.const(ROUNDING.PLUS), negative.get()));

type RoundRoutine = Routine<readonly ['i32', 'i32', 'i64', 'i32'], 'i64'>;

/** @param converts - to half precision from another format: FZ16 does not apply, AHP does */
const roundRoutine = (f: FpFormat, converts = false): RoundRoutine => ({
  name: converts ? `fp${f.bits}_round_converted` : `fp${f.bits}_round`,
  params: ['i32', 'i32', 'i64', 'i32'],
  result: 'i64',
  emit: (c, negative, exponent, significand, mode) => {
    const leading = c.letI64(c.i64.clz(significand.get()));
    significand.set(c.i64.shl(significand.get(), leading.get()));
    // From here the exponent is biased: 1 is that of the smallest normal, less is tiny.
    exponent.set(c.i32.add(c.i32.sub(exponent.get(), c.i32.wrap_i64(leading.get())), c.i32.const(f.bias)));
    const tiny = c.letI32(c.i32.lt_s(exponent.get(), c.i32.const(1)));
    const magnitude = c.letI64(c.i64.const(0));
    const finish = (): void => {
      c.if(tiny.get(), () => {
        significand.set(shiftRightJam(c, significand, c.i32.sub(c.i32.const(1), exponent.get())));
        exponent.set(c.i32.const(1));
      });
      const kept = c.letI64(c.i64.shr_u(significand.get(), c.i64.const(63 - f.fraction)));
      const rest = c.letI64(c.i64.shl(significand.get(), c.i64.const(f.fraction + 1)));
      const flags = c.letI32(c.i32.const(0));
      c.if(c.i64.ne(rest.get(), c.i64.const(0)), () => {
        flags.set(c.select(c.i32.const(FPSR_IXC | FPSR_UFC), c.i32.const(FPSR_IXC), tiny.get()));
        kept.set(
          c.i64.or(
            c.i64.add(kept.get(), c.i64.extend_i32_u(roundsUp(c, kept, { mode, negative, rest }))),
            c.i64.extend_i32_u(c.i32.eq(mode.get(), c.i32.const(ROUNDING.ODD))),
          ),
        );
      });
      // The leading one of `kept` adds the last unit of the exponent field; a carry out of the fraction another.
      magnitude.set(
        c.i64.add(
          c.i64.shl(c.i64.extend_i32_u(c.i32.sub(exponent.get(), c.i32.const(1))), c.i64.const(f.fraction)),
          kept.get(),
        ),
      );
      const overflow = (): void =>
        c.if(c.i64.ge_u(magnitude.get(), c.i64.const(f.infinity)), () => {
          flags.set(c.i32.const(FPSR_OFC | FPSR_IXC));
          magnitude.set(
            c.i64.add(
              c.i64.const(f.infinity - 1n),
              c.i64.extend_i32_u(c.i32.or(c.i32.eqz(mode.get()), isOutward(c, mode, negative))),
            ),
          );
        });
      if (converts) {
        c.if(
          controlBits(c, FPCR_AHP),
          () =>
            c.if(c.i64.gt_u(magnitude.get(), c.i64.const(f.magnitude)), () => {
              flags.set(c.i32.const(FPSR_IOC));
              magnitude.set(c.i64.const(f.magnitude));
            }),
          overflow,
        );
      } else overflow();
      c.setState32(FPSR, c.i32.or(c.state32(FPSR), flags.get()));
    };
    if (converts) finish();
    else {
      c.if(
        c.i32.and(tiny.get(), c.i32.ne(controlBits(c, flushBit(f)), c.i32.const(0))),
        () => raiseFlags(c, FPSR_UFC),
        finish,
      );
    }
    return c.i64.or(signBit(c, f, negative.get()), magnitude.get());
  },
});

/**
 * FPRound: the value of the format for a sign, a significand (not 0; need not be normalised) whose bit 63 has weight
 * 2^exponent, and a `ROUNDING` mode. Raises OFC, UFC (tininess before rounding) and IXC.
 */
export const ROUND = perBits((f) => roundRoutine(f));

/** FPRoundCV to half precision. */
export const ROUND_TO_HALF = roundRoutine(FORMATS[16], true);
