/**
 * Arithmetic on complex numbers, which are pairs of lanes: the even one is the real part. Source: Arm DDI 0487, C4.1.96
 * "Advanced SIMD three-register extension", "vector x indexed element"; C7.2, FCADD, FCMLA, FCMLA (by element).
 */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { type Insn, insn, vector } from '../pattern.ts';
import { SHAPES } from '../shared/arrangement.ts';
import { ADD, binary, multiplyAdd } from '../shared/fp-operation.ts';
import { type Bits, type FpView, fpView } from '../shared/fp-view.ts';
import { laneBytes, swizzled } from '../shared/lanes.ts';
import { twoSources } from '../shared/vector-operands.ts';

const SHAPE_NAMES = ['4h', '8h', '2s', '4s', '2d'] as const;
type ComplexShape = (typeof SHAPE_NAMES)[number];

/** By `size` and `Q`. */
const BY_SIZE_AND_Q = [null, null, '4h', '8h', '2s', '4s', null, '2d'] as const;

const shapePoint = (size: number, q: number): ComplexShape | null => BY_SIZE_AND_Q[(size << 1) | q]!;

/** What an operand is turned by, in degrees. */
const ROTATIONS = [0, 90, 180, 270] as const;
type Rotation = (typeof ROTATIONS)[number];

/** Each lane replaced by the one whose number `of` gives. */
function rearranged(c: Emitter, size: Size, value: Var<Bits>, of: (lane: number) => number): Bits {
  const picks = Array.from({ length: 16 >> size }, (_, lane) => of(lane));
  return c.i8x16.shuffle(value.get(), value.get(), laneBytes(size, picks)) as Bits;
}

const exchanged = (lane: number): number => lane ^ 1;

/** Lanes that a rotation negates, by the parity of their numbers. */
const NEGATED: { readonly [R in Rotation]: readonly (0 | 1)[] } = { 0: [], 90: [0], 180: [0, 1], 270: [1] };

/** Changes the signs of lanes as a rotation by `degrees` does. */
function negateParts(k: FpView, value: Bits, degrees: Rotation): Bits {
  const { c, format } = k;
  const lanes = NEGATED[degrees];
  if (lanes.length === 0) return value;
  const mask = (at: number): bigint =>
    lanes.includes(((at / format.bits) & 1) as 0 | 1) ? format.sign << BigInt(at % 64) : 0n;
  const half = (from: number): bigint => {
    let bits = 0n;
    for (let at = from; at < from + 64; at += format.bits) bits |= mask(at);
    return bits;
  };
  return c.v128.xor(value, c.v128.const(half(0), half(64))) as Bits;
}

/** The destination plus the product of one part of the first operand, in both lanes, and the turned second operand. */
function accumulate(k: FpView, size: Size, turned: V128, degrees: Rotation): void {
  const y = k.letBits(negateParts(k, turned as Bits, degrees));
  const part = degrees === 90 || degrees === 270 ? 1 : 0;
  const x = k.read('b');
  x.set(rearranged(k.c, size, x, (lane) => (lane & ~1) | part));
  k.write('a', multiplyAdd(k, k.read('a'), x, y));
}

const FCMLA = insn('FCMLA', '0 Q:1 1 01110 size:2 0 Rm:5 1 10 rot:2 1 Rn:5 Rd:5', {
  statics: { T: SHAPE_NAMES, degrees: ROTATIONS },
  select: ({ Q, size, rot }) => {
    const T = shapePoint(size, Q);
    return T && { T, degrees: ROTATIONS[rot]! };
  },
  operands: twoSources,
  emit: (c, { T, degrees }) => {
    c.requireFp();
    const k = fpView(c, T);
    const { size } = SHAPES[T];
    const y = k.read('c');
    const isTurned = degrees === 90 || degrees === 270;
    accumulate(k, size, isTurned ? rearranged(c, size, y, exchanged) : y.get(), degrees);
  },
});

/** Eight byte numbers for a swizzle: a pair of lanes, its parts exchanged if asked, over and over. */
function pairBytes(size: Size, index: number, exchange: boolean): { immLow: number; immHigh: number } {
  const lanes = [2 * index, 2 * index + 1, 2 * index, 2 * index + 1].map((lane) => lane ^ (exchange ? 1 : 0));
  const bytes = laneBytes(size, lanes);
  const word = (at: number): number => bytes.slice(at, at + 4).reduceRight((low, byte) => (low << 8) | byte);
  return { immLow: word(0), immHigh: word(4) };
}

const FCMLA_element = insn('FCMLA_element', '0 Q:1 1 01111 size:2 L:1 M:1 Rm:4 0 rot:2 1 H:1 0 Rn:5 Rd:5', {
  statics: { T: ['4h', '8h', '4s'], degrees: ROTATIONS },
  select: ({ Q, size, L, rot, H }) => {
    const degrees = ROTATIONS[rot]!;
    if (size === 1) return Q || !H ? { T: Q ? '8h' : '4h', degrees } : null;
    return size === 2 && Q && !L ? { T: '4s', degrees } : null;
  },
  operands: ({ size, L, M, Rm, rot, H, Rn, Rd }) => ({
    a: vector(Rd),
    b: vector(Rn),
    c: vector((M << 4) | Rm),
    ...pairBytes(size === 1 ? 1 : 2, size === 1 ? (H << 1) | L : H, (rot & 1) === 1),
  }),
  emit: (c, { T, degrees }) => {
    c.requireFp();
    accumulate(fpView(c, T), SHAPES[T].size, swizzled(c, 'c'), degrees);
  },
});

const FCADD = insn('FCADD', '0 Q:1 1 01110 size:2 0 Rm:5 1 11 rot:1 01 Rn:5 Rd:5', {
  statics: { T: SHAPE_NAMES, degrees: [90, 270] },
  select: ({ Q, size, rot }) => {
    const T = shapePoint(size, Q);
    return T && { T, degrees: rot ? 270 : 90 };
  },
  operands: twoSources,
  emit: (c, { T, degrees }) => {
    c.requireFp();
    const k = fpView(c, T);
    const y = k.read('c');
    y.set(negateParts(k, rearranged(c, SHAPES[T].size, y, exchanged), degrees));
    k.write('a', binary(k, ADD, k.read('b'), y));
  },
});

export const SIMD_FP_COMPLEX: readonly Insn[] = [FCMLA, FCMLA_element, FCADD];
