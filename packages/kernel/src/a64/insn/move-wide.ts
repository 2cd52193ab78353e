/** Moves of 16-bit immediates. Source: Arm DDI 0487, C4.1.92 "Move wide (immediate)"; C6.2, MOVK, MOVN, MOVZ. */
import { insn, target } from '../pattern.ts';

/** MOVZ and MOVN: the decoder knows the whole value. A 32-bit one is zero-extended, so one handler serves both widths. */
const MOVZ_MOVN = insn('MOVZ_MOVN', 'sf:1 opc:1 0 100101 hw:2 imm16:16 Rd:5', {
  select: ({ sf, hw }) => (sf || hw < 2 ? {} : null),
  operands: ({ sf, opc, hw, imm16, Rd }) => {
    const low = hw < 2 ? imm16 << (16 * hw) : 0;
    const high = hw < 2 ? 0 : imm16 << (16 * (hw - 2));
    const inverted = opc === 0;
    return {
      a: target(Rd),
      immLow: inverted ? ~low : low,
      immHigh: sf ? (inverted ? ~high : high) : 0,
    };
  },
  emit: (c) => c.setReg('a', c.imm()),
  hot: true,
});

/** The operand is a target and a source: writing to register 31 has no effect, so what is read there does not matter. */
const MOVK = insn('MOVK', 'sf:1 11 100101 hw:2 imm16:16 Rd:5', {
  statics: { width: [32, 64], hw: [0, 1, 2, 3] },
  select: ({ sf, hw }) => (sf || hw < 2 ? { width: sf ? 64 : 32, hw: hw as 0 | 1 | 2 | 3 } : null),
  operands: ({ hw, imm16, Rd }) => {
    const half = imm16 << (16 * (hw & 1));
    return { a: target(Rd), immLow: hw < 2 ? half : 0, immHigh: hw < 2 ? 0 : half };
  },
  emit: (c, { width, hw }) => {
    const w = c.word(width);
    const kept = ~(0xffffn << BigInt(16 * hw));
    w.setReg('a', w.or(w.and(w.reg('a'), w.const(kept)), w.imm()));
  },
  hot: ({ width, hw }) => width === 64 || hw < 2,
});

export const MOVE_WIDE = [MOVZ_MOVN, MOVK] as const;
