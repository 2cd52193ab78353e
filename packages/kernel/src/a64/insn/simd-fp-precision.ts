/**
 * Conversions between lanes of different precision. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD two-register
 * miscellaneous" and "scalar two-register miscellaneous"; C7.2, FCVTL, FCVTN, FCVTXN.
 */
import type { Emitter, Routine, V128, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import { choose, EXACT, ROUNDED } from '../shared/fp-operation.ts';
import { type Bits, extractLane, type Float, fpView, replaceLane } from '../shared/fp-view.ts';
import { SOFT_CONVERT } from '../shared/soft-float-convert.ts';
import { roundingMode } from '../shared/soft-float.ts';
import { oneSource } from '../shared/vector-operands.ts';

/** Operands: the source, rounding mode. */
type Convert = Routine<readonly ['v128', 'i32'], 'v128'>;

/** Converts the lowest lanes, as many as fit both formats. */
const convertRoutine = (from: 16 | 32 | 64, to: 16 | 32 | 64): Convert => ({
  name: `fp${from}_to_fp${to}_lanes`,
  params: ['v128', 'i32'],
  result: 'v128',
  emit: (c, source, mode) => {
    const routine = SOFT_CONVERT[`${from}_${to}` as keyof typeof SOFT_CONVERT];
    const result = c.letV128(c.v128.const(0n, 0n));
    for (let lane = 0; lane < 128 / Math.max(from, to); lane++) {
      const value = c.letI64(c.call(routine, extractLane(c, from, source, lane), mode.get()));
      result.set(replaceLane(c, to, result, lane, value));
    }
    return result.get();
  },
});

const HALF_TO_SINGLE = convertRoutine(16, 32);
const SINGLE_TO_DOUBLE = convertRoutine(32, 64);
const SINGLE_TO_HALF = convertRoutine(32, 16);
const DOUBLE_TO_SINGLE = convertRoutine(64, 32);

/** The upper half of a register in both halves, or the lower one. */
const readHalf = (c: Emitter, upper: boolean): V128 =>
  c.i64x2.splat(upper ? c.i64x2.extract_lane(c.vec('b'), 1) : c.vecLow('b'));

/** Writes the lower half and clears the upper one, or writes the upper half and keeps the lower one. */
function writeHalf(c: Emitter, upper: boolean, value: V128): void {
  const low = c.letI64(c.i64x2.extract_lane(value, 0));
  if (upper) c.setVec('a', c.i64x2.replace_lane(c.vec('a'), 1, low.get()));
  else c.setVecLow('a', low.get());
}

function widenSingles(c: Emitter, source: Var<V128>): V128 {
  const k = fpView(c, '2d');
  const result = k.letFloat(c.f64x2.promote_low_f32x4(source.get()) as Float);
  return choose(k, EXACT, result, {}, () => c.call(SINGLE_TO_DOUBLE, source.get(), roundingMode(c)) as Bits);
}

/** Two doubles as singles in the lower half. */
function narrowDoubles(c: Emitter, source: Var<V128>): V128 {
  const k = fpView(c, '2s');
  // In both halves, as a view of this shape has it: the upper lanes are those that do not count.
  const result = k.letFloat(
    c.i64x2.splat(c.i64x2.extract_lane(c.f32x4.demote_f64x2_zero(source.get()), 0)) as Float,
  );
  return choose(
    k,
    ROUNDED,
    result,
    {},
    () => c.call(DOUBLE_TO_SINGLE, source.get(), roundingMode(c)) as Bits,
  );
}

const HALVES = { upper: [false, true] } as const;

const FCVTL = insn('FCVTL', '0 Q:1 0 01110 0 sz:1 10000 10111 10 Rn:5 Rd:5', {
  statics: { ...HALVES, fromHalf: [false, true] },
  select: ({ Q, sz }) => ({ upper: Q === 1, fromHalf: sz === 0 }),
  operands: oneSource,
  emit: (c, { upper, fromHalf }) => {
    c.requireFp();
    const source = c.letV128(readHalf(c, upper));
    c.setVec('a', fromHalf ? c.call(HALF_TO_SINGLE, source.get(), roundingMode(c)) : widenSingles(c, source));
  },
});

const FCVTN = insn('FCVTN', '0 Q:1 0 01110 0 sz:1 10000 10110 10 Rn:5 Rd:5', {
  statics: { ...HALVES, toHalf: [false, true] },
  select: ({ Q, sz }) => ({ upper: Q === 1, toHalf: sz === 0 }),
  operands: oneSource,
  emit: (c, { upper, toHalf }) => {
    c.requireFp();
    const source = c.letV128(c.vec('b'));
    writeHalf(
      c,
      upper,
      toHalf ? c.call(SINGLE_TO_HALF, source.get(), roundingMode(c)) : narrowDoubles(c, source),
    );
  },
});

const FCVTXN = insn('FCVTXN', '0 Q:1 1 01110 0 1 10000 10110 10 Rn:5 Rd:5', {
  statics: HALVES,
  select: ({ Q }) => ({ upper: Q === 1 }),
  operands: oneSource,
  emit: (c, { upper }) => {
    c.requireFp();
    writeHalf(c, upper, c.call(DOUBLE_TO_SINGLE, c.vec('b'), c.i32.const(ROUNDING.ODD)));
  },
});

const FCVTXN_scalar = insn('FCVTXN_scalar', '01 1 11110 0 1 10000 10110 10 Rn:5 Rd:5', {
  operands: oneSource,
  emit: (c) => {
    c.requireFp();
    c.setVecLow('a', c.call(SOFT_CONVERT['64_32'], c.vecLow('b'), c.i32.const(ROUNDING.ODD)));
  },
});

export const SIMD_FP_PRECISION: readonly Insn[] = [FCVTL, FCVTN, FCVTXN, FCVTXN_scalar];
