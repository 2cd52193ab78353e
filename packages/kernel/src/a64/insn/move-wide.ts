/** Moves of 16-bit immediates. Source: Arm DDI 0487, C4.1.92 "Move wide (immediate)"; C6.2, MOVK, MOVN, MOVZ. */
import type { Emitter } from '../emitter.ts';
import { insn, target, type Operands } from '../pattern.ts';

/** The 16 bits at their place. */
const half = (hw: number, imm16: number): Operands => {
  const bits = imm16 << (16 * (hw & 1));
  return { immLow: hw < 2 ? bits : 0, immHigh: hw < 2 ? 0 : bits };
};

/** MOVZ and MOVN: the decoder knows the whole value. A 32-bit one is zero-extended, so one handler serves both widths. */
const MOVZ_MOVN = insn('MOVZ_MOVN', 'sf:1 opc:1 0 100101 hw:2 imm16:16 Rd:5', {
  select: ({ sf, hw }) => (sf || hw < 2 ? {} : null),
  operands: ({ sf, opc, hw, imm16, Rd }) => {
    const { immLow = 0, immHigh = 0 } = half(hw, imm16);
    if (opc) return { a: target(Rd), immLow, immHigh };
    return { a: target(Rd), immLow: ~immLow, immHigh: sf ? ~immHigh : 0 };
  },
  emit: (c) => c.setReg('a', c.imm()),
  hot: true,
});

/** Replaces 16 bits of a target. Writing to register 31 has no effect, so what is read there does not matter. */
function emitKeep(c: Emitter, width: 32 | 64, hw: number): void {
  const w = c.word(width);
  const kept = ~(0xffffn << BigInt(16 * hw));
  w.setReg('a', w.or(w.and(w.reg('a'), w.const(kept)), w.imm()));
}

const MOVK_32 = insn('MOVK_32', '0 11 100101 0 hw:1 imm16:16 Rd:5', {
  statics: { hw: [0, 1] },
  select: ({ hw }) => ({ hw: hw as 0 | 1 }),
  operands: ({ hw, imm16, Rd }) => ({ a: target(Rd), ...half(hw, imm16) }),
  emit: (c, { hw }) => emitKeep(c, 32, hw),
  hot: true,
});

const MOVK_64 = insn('MOVK_64', '1 11 100101 hw:2 imm16:16 Rd:5', {
  statics: { hw: [0, 1, 2, 3] },
  select: ({ hw }) => ({ hw: hw as 0 | 1 | 2 | 3 }),
  operands: ({ hw, imm16, Rd }) => ({ a: target(Rd), ...half(hw, imm16) }),
  emit: (c, { hw }) => emitKeep(c, 64, hw),
  hot: true,
});

export const MOVE_WIDE = [MOVZ_MOVN, MOVK_32, MOVK_64] as const;
