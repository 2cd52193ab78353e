/**
 * Constants. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD modified immediate"; C7.2, MOVI, MVNI, ORR, BIC (vector,
 * immediate), FMOV (vector, immediate); shared pseudocode AdvSIMDExpandImm.
 */
import { insn, vector } from '../pattern.ts';
import { setLanes } from '../shared/lanes.ts';

interface Halves {
  readonly immLow: number;
  readonly immHigh: number;
}

const twice = (word: number): Halves => ({ immLow: word, immHigh: word });

/** VFPExpandImm: `abcdefgh` as a double whose low 48 bits are 0, or as a single whose low 19 bits are 0. */
const doubleTop = (imm8: number): number =>
  ((imm8 & 0x80) << 24) | ((imm8 & 0x40 ? 0x3fc0 : 0x4000) << 16) | ((imm8 & 0x3f) << 16);
const single = (imm8: number): number =>
  ((imm8 & 0x80) << 24) | ((imm8 & 0x40 ? 0x3e00 : 0x4000) << 16) | ((imm8 & 0x3f) << 19);

/** Bit n of `imm8` as byte n, four of them. */
const bytesOfBits = (imm8: number): number =>
  [0, 1, 2, 3].reduce((word, n) => word | ((imm8 >> n) & 1 ? 0xff << (8 * n) : 0), 0);

/** AdvSIMDExpandImm. */
function expand(op: number, cmode: number, imm8: number): Halves {
  const shift = 8 * ((cmode >> 1) & 3);
  if (cmode < 8) return twice(imm8 << shift);
  if (cmode < 12) return twice((imm8 << (shift & 8)) * 0x10001);
  if (cmode === 12) return twice((imm8 << 8) | 0xff);
  if (cmode === 13) return twice((imm8 << 16) | 0xffff);
  if (cmode === 14) {
    return op ? { immLow: bytesOfBits(imm8), immHigh: bytesOfBits(imm8 >> 4) } : twice(imm8 * 0x1010101);
  }
  return op ? { immLow: 0, immHigh: doubleTop(imm8) } : twice(single(imm8));
}

/** The same as a half whose low 6 bits are 0. */
const half = (imm8: number): number =>
  ((imm8 & 0x80) << 8) | (imm8 & 0x40 ? 0x3000 : 0x4000) | ((imm8 & 0x3f) << 6);

const ACTIONS = ['move', 'or', 'clear'] as const;

/** Odd `cmode` below 12 combines the constant with the destination. */
const actionOf = (op: number, cmode: number): (typeof ACTIONS)[number] =>
  cmode < 12 && cmode & 1 ? (op ? 'clear' : 'or') : 'move';

/** Whether the constant is written inverted: MVNI. */
const isInverted = (op: number, cmode: number): boolean =>
  op === 1 && cmode < 14 && actionOf(op, cmode) === 'move';

/** MOVI, MVNI, ORR, BIC, FMOV (vector, immediate). */
const modifiedImmediate = insn('SIMD_imm', '0 Q:1 op:1 0111100000 abc:3 cmode:4 0 1 defgh:5 Rd:5', {
  statics: { action: ACTIONS, bits: [64, 128] },
  select: ({ Q, op, cmode }) =>
    cmode === 15 && op && !Q ? null : { action: actionOf(op, cmode), bits: Q ? 128 : 64 },
  operands: ({ op, abc, cmode, defgh, Rd }) => {
    const { immLow, immHigh } = expand(op, cmode, (abc << 5) | defgh);
    return isInverted(op, cmode)
      ? { a: vector(Rd), immLow: ~immLow, immHigh: ~immHigh }
      : { a: vector(Rd), immLow, immHigh };
  },
  emit: (c, { action, bits }) => {
    c.requireFp();
    if (action === 'move') {
      if (bits === 64) c.setVecLow('a', c.imm());
      else c.setVec('a', c.i64x2.splat(c.imm()));
      return;
    }
    const old = c.vec('a');
    const constant = c.i64x2.splat(c.imm());
    const result = action === 'or' ? c.v128.or(old, constant) : c.v128.andnot(old, constant);
    setLanes(c, 'a', result, { size: 0, bits });
  },
});

const FMOV_half = insn('FMOV_imm_h', '0 Q:1 0 0111100000 abc:3 1111 1 1 defgh:5 Rd:5', {
  statics: { bits: [64, 128] },
  select: ({ Q }) => ({ bits: Q ? 128 : 64 }),
  operands: ({ abc, defgh, Rd }) => ({ a: vector(Rd), ...twice(half((abc << 5) | defgh) * 0x10001) }),
  emit: (c, { bits }) => {
    c.requireFp();
    setLanes(c, 'a', c.i64x2.splat(c.imm()), { size: 1, bits });
  },
});

export const SIMD_MODIFIED_IMMEDIATE = [modifiedImmediate, FMOV_half] as const;
