/**
 * SHA512H, SHA512H2, SHA512SU0, SHA512SU1. Source: Arm DDI 0487, C4.1.96 "Cryptographic three-register SHA 512",
 * "two-register SHA 512"; C7.2 by name; FIPS 180-4, section 4.1.3.
 */
import type { Emitter, Field, I64, V128, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { oneSource, twoSources } from '../shared/vector-operands.ts';

/** A vector register as two words. */
interface Words2 {
  readonly low: Var<I64>;
  readonly high: Var<I64>;
}

function read(c: Emitter, field: Field): Words2 {
  const vector = c.letV128(c.vec(field));
  return {
    low: c.letI64(c.i64x2.extract_lane(vector.get(), 0)),
    high: c.letI64(c.i64x2.extract_lane(vector.get(), 1)),
  };
}

const vectorOf = (c: Emitter, { low, high }: Words2): V128 =>
  c.i64x2.replace_lane(c.i64x2.splat(low.get()), 1, high.get());

const rotate = (c: Emitter, x: Var<I64>, count: number): I64 => c.i64.rotr(x.get(), c.i64.const(count));

/** Three rotations to the right, xored. */
const rotations = (c: Emitter, x: Var<I64>, [r, s, t]: readonly [number, number, number]): I64 =>
  c.i64.xor(c.i64.xor(rotate(c, x, r), rotate(c, x, s)), rotate(c, x, t));

/** Two rotations and a shift to the right, xored. */
const schedule = (c: Emitter, x: Var<I64>, [r, s, shift]: readonly [number, number, number]): I64 =>
  c.i64.xor(c.i64.xor(rotate(c, x, r), rotate(c, x, s)), c.i64.shr_u(x.get(), c.i64.const(shift)));

const choose = (c: Emitter, x: Var<I64>, y: Var<I64>, z: Var<I64>): I64 =>
  c.i64.xor(c.i64.and(c.i64.xor(y.get(), z.get()), x.get()), z.get());

const majority = (c: Emitter, x: Var<I64>, y: Var<I64>, z: Var<I64>): I64 =>
  c.i64.or(c.i64.and(x.get(), y.get()), c.i64.and(c.i64.or(x.get(), y.get()), z.get()));

/** `word` += the sum of two others. */
const addTo = (c: Emitter, word: Var<I64>, first: I64, second: I64): void =>
  word.set(c.i64.add(c.i64.add(first, second), word.get()));

/** Σ₁ and Ch of two rounds, added to the schedule and to h and g. */
function firstHalf(c: Emitter, sum: Words2, n: Words2, m: Words2): void {
  const { low, high } = sum;
  const rounds = [14, 18, 41] as const;
  addTo(c, high, choose(c, m.high, n.low, n.high), rotations(c, m.high, rounds));
  const next = c.letI64(c.i64.add(high.get(), m.low.get()));
  addTo(c, low, choose(c, next, m.high, n.low), rotations(c, next, rounds));
}

/** Σ₀ and Maj of two rounds, added to what the first half left. */
function secondHalf(c: Emitter, sum: Words2, n: Words2, m: Words2): void {
  const { low, high } = sum;
  const rounds = [28, 34, 39] as const;
  addTo(c, high, majority(c, n.low, m.high, m.low), rotations(c, m.low, rounds));
  addTo(c, low, majority(c, high, m.low, m.high), rotations(c, high, rounds));
}

/** The message schedule: σ₀ of the next two words is the first part, σ₁ of the last two the second. */
function scheduleFirst(c: Emitter, sum: Words2, n: Words2): void {
  const { low, high } = sum;
  const next = c.letI64(high.get());
  high.set(c.i64.add(high.get(), schedule(c, n.low, [1, 8, 7])));
  low.set(c.i64.add(low.get(), schedule(c, next, [1, 8, 7])));
}

function scheduleSecond(c: Emitter, sum: Words2, n: Words2, m: Words2): void {
  const { low, high } = sum;
  addTo(c, high, schedule(c, n.high, [19, 61, 6]), m.high.get());
  addTo(c, low, schedule(c, n.low, [19, 61, 6]), m.low.get());
}

type Change = (c: Emitter, sum: Words2, n: Words2, m: Words2) => void;

const threeRegister = (name: string, opcode: string, change: Change): Insn =>
  insn(name, `1100 1110 011 Rm:5 1000 ${opcode} Rn:5 Rd:5`, {
    operands: twoSources,
    emit: (c) => {
      c.requireFp();
      const sum = read(c, 'a');
      change(c, sum, read(c, 'b'), read(c, 'c'));
      c.setVec('a', vectorOf(c, sum));
    },
  });

const SHA512SU0 = insn('SHA512SU0', '1100 1110 110 00000 1000 00 Rn:5 Rd:5', {
  operands: oneSource,
  emit: (c) => {
    c.requireFp();
    const sum = read(c, 'a');
    scheduleFirst(c, sum, read(c, 'b'));
    c.setVec('a', vectorOf(c, sum));
  },
});

export const CRYPTO_SHA512: readonly Insn[] = [
  threeRegister('SHA512H', '00', firstHalf),
  threeRegister('SHA512H2', '01', secondHalf),
  SHA512SU0,
  threeRegister('SHA512SU1', '10', scheduleSecond),
];
