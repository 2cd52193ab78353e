/**
 * Copies between lanes and general registers. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD copy", "scalar copy";
 * C7.2, DUP, INS, SMOV, UMOV.
 */
import type { Size } from '../emitter.ts';
import { insn, source, target, vector } from '../pattern.ts';
import { ALL_VECTORS, allocated, SHAPES, vectorArrangement } from '../shared/arrangement.ts';
import { extendedLane, laneMask, repeatedLane, setLanes, splatValue, swizzled } from '../shared/lanes.ts';

const SIZES = [0, 1, 2, 3] as const;

/** Lane size that `imm5` encodes: its lowest set bit. -1 = reserved. */
const sizeOf = (imm5: number): number => (imm5 & 15 ? Math.log2(imm5 & -imm5) : -1);

/** First byte of the lane that `imm5` encodes. */
const startOf = (imm5: number): number => (imm5 >> (sizeOf(imm5) + 1)) << sizeOf(imm5);

const repeated = (imm5: number) => repeatedLane(sizeOf(imm5), startOf(imm5));
const extended = (imm5: number) => extendedLane(sizeOf(imm5), startOf(imm5));

/** DUP (element), vector. */
const dupElement = insn('DUP_elt', '0 Q:1 0 01110000 imm5:5 0 0000 1 Rn:5 Rd:5', {
  statics: { bits: [64, 128] },
  select: ({ Q, imm5 }) => {
    const size = sizeOf(imm5);
    return size < 0 || (size === 3 && !Q) ? null : { bits: Q ? 128 : 64 };
  },
  operands: ({ imm5, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), ...repeated(imm5) }),
  emit: (c, { bits }) => {
    c.requireFp();
    setLanes(c, 'a', swizzled(c, 'b'), { size: 0, bits });
  },
});

/** DUP (element), scalar; also named MOV. */
const dupScalar = insn('DUP_elt_scalar', '01 0 11110000 imm5:5 0 0000 1 Rn:5 Rd:5', {
  select: ({ imm5 }) => (sizeOf(imm5) < 0 ? null : {}),
  operands: ({ imm5, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), ...extended(imm5) }),
  emit: (c) => {
    c.requireFp();
    c.setVecLow('a', c.i64x2.extract_lane(swizzled(c, 'b'), 0));
  },
});

/** DUP (general). */
const dupGeneral = insn('DUP_gen', '0 Q:1 0 01110000 imm5:5 0 0001 1 Rn:5 Rd:5', {
  statics: { T: ALL_VECTORS },
  select: ({ Q, imm5 }) => (imm5 & 15 ? allocated(ALL_VECTORS, vectorArrangement(sizeOf(imm5), Q)) : null),
  operands: ({ Rn, Rd }) => ({ a: vector(Rd), b: source(Rn) }),
  emit: (c, { T }) => {
    c.requireFp();
    setLanes(c, 'a', splatValue(c, SHAPES[T].size, c.reg('b')), SHAPES[T]);
  },
});

/** UMOV; also named MOV (to general). */
const umov = insn('UMOV', '0 Q:1 0 01110000 imm5:5 0 0111 1 Rn:5 Rd:5', {
  select: ({ Q, imm5 }) => (sizeOf(imm5) < 0 || (sizeOf(imm5) === 3) !== (Q === 1) ? null : {}),
  operands: ({ imm5, Rn, Rd }) => ({ a: target(Rd), b: vector(Rn), ...extended(imm5) }),
  emit: (c) => {
    c.requireFp();
    c.setReg('a', c.i64x2.extract_lane(swizzled(c, 'b'), 0));
  },
});

/** Width of the target and log2 of the lane's bytes. There is no form from 32 to 32 bits. */
const SMOV_FORMS = { wb: [32, 0], wh: [32, 1], xb: [64, 0], xh: [64, 1], xs: [64, 2] } as const;

/** By lane size. */
const SMOV_W = ['wb', 'wh'] as const;
const SMOV_X = ['xb', 'xh', 'xs'] as const;

/** SMOV. */
const smov = insn('SMOV', '0 Q:1 0 01110000 imm5:5 0 0101 1 Rn:5 Rd:5', {
  statics: { form: ['wb', 'wh', 'xb', 'xh', 'xs'] },
  select: ({ Q, imm5 }) => {
    const size = sizeOf(imm5);
    const form = size < 0 ? undefined : (Q ? SMOV_X : SMOV_W)[size];
    return form ? { form } : null;
  },
  operands: ({ imm5, Rn, Rd }) => ({ a: target(Rd), b: vector(Rn), ...extended(imm5) }),
  emit: (c, { form }) => {
    c.requireFp();
    const [width, size] = SMOV_FORMS[form];
    const lane = c.i64x2.extract_lane(swizzled(c, 'b'), 0);
    const value =
      size === 0 ? c.i64.extend8_s(lane) : size === 1 ? c.i64.extend16_s(lane) : c.i64.extend32_s(lane);
    if (width === 64) c.setReg('a', value);
    else c.setReg32('a', c.i32.wrap_i64(value));
  },
});

/** INS (general); also named MOV (from general). */
const insGeneral = insn('INS_gen', '0 1 0 01110000 imm5:5 0 0011 1 Rn:5 Rd:5', {
  statics: { size: SIZES },
  select: ({ imm5 }) => (sizeOf(imm5) < 0 ? null : { size: sizeOf(imm5) as Size }),
  operands: ({ imm5, Rn, Rd }) => ({ a: vector(Rd), b: source(Rn), c: startOf(imm5) }),
  emit: (c, { size }) => {
    c.requireFp();
    const value = splatValue(c, size, c.reg('b'));
    c.setVec('a', c.v128.bitselect(value, c.vec('a'), laneMask(c, size, c.field('c'))));
  },
});

/** INS (element); also named MOV (element). */
const insElement = insn('INS_elt', '0 1 1 01110000 imm5:5 0 imm4:4 1 Rn:5 Rd:5', {
  statics: { size: SIZES },
  select: ({ imm5 }) => (sizeOf(imm5) < 0 ? null : { size: sizeOf(imm5) as Size }),
  operands: ({ imm5, imm4, Rn, Rd }) => {
    const size = sizeOf(imm5);
    const from = (imm4 >> size) << size;
    return { a: vector(Rd), b: vector(Rn), c: startOf(imm5), ...repeatedLane(size, from) };
  },
  emit: (c, { size }) => {
    c.requireFp();
    const value = swizzled(c, 'b');
    c.setVec('a', c.v128.bitselect(value, c.vec('a'), laneMask(c, size, c.field('c'))));
  },
});

export const SIMD_COPY = [dupElement, dupScalar, dupGeneral, umov, smov, insGeneral, insElement] as const;
