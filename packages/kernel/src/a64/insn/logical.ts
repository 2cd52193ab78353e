/**
 * Bitwise logic. Source: Arm DDI 0487, C4.1.92 "Logical (immediate)", C4.1.94 "Logical (shifted register)";
 * C6.2, AND, ANDS, BIC, BICS, EON, EOR, ORN, ORR.
 */
import type { Word, WordOps } from '../emitter.ts';
import { insn, orSp, source, target } from '../pattern.ts';
import { decodeBitMask, elementLog } from '../shared/bit-masks.ts';
import { shifted, SHIFT_KINDS } from '../shared/shift.ts';

const WIDTHS = [32, 64] as const;
/** By `opc`. */
const OPERATIONS = ['and', 'orr', 'eor', 'ands'] as const;
type Operation = (typeof OPERATIONS)[number];

function combine(w: WordOps<Word>, operation: Operation, a: Word, b: Word): Word {
  if (operation === 'orr') return w.or(a, b);
  if (operation === 'eor') return w.xor(a, b);
  return w.and(a, b);
}

/** ORR of the zero register is a move: the immediate alone. */
const LOGICAL_imm = insn('LOGICAL_imm', 'sf:1 opc:2 100100 N:1 immr:6 imms:6 Rn:5 Rd:5', {
  statics: { operation: ['and', 'orr', 'eor', 'ands', 'mov'], width: [32, 64] },
  select: ({ sf, opc, N, imms, Rn }) => {
    if ((!sf && N) || elementLog(N, imms) < 0) return null;
    return { operation: opc === 1 && Rn === 31 ? 'mov' : OPERATIONS[opc]!, width: sf ? 64 : 32 };
  },
  operands: ({ opc, N, immr, imms, Rn, Rd }) => {
    const { low, high } = decodeBitMask(N, imms, immr);
    return { a: opc === 3 ? target(Rd) : orSp(Rd), b: source(Rn), immLow: low, immHigh: high };
  },
  emit: (c, { operation, width }) => {
    const w = c.word(width);
    if (operation === 'mov') {
      w.setReg('a', w.imm());
    } else if (operation === 'ands') {
      const result = w.let(w.and(w.reg('b'), w.imm()));
      c.flagsFromLogic(w, result);
      w.setReg('a', result.get());
    } else {
      w.setReg('a', combine(w, operation, w.reg('b'), w.imm()));
    }
  },
  hot: true,
});

/** ORR of the zero register and an operand that is not shifted is MOV. */
const LOGICAL_shifted = insn('LOGICAL_shifted', 'sf:1 opc:2 01010 shift:2 N:1 Rm:5 imm6:6 Rn:5 Rd:5', {
  statics: {
    operation: ['and', 'orr', 'eor', 'ands', 'mov'],
    invert: [false, true],
    width: WIDTHS,
    shift: SHIFT_KINDS,
  },
  select: ({ sf, opc, shift, N, imm6, Rn }) => {
    if (!sf && imm6 >= 32) return null;
    const kind = imm6 === 0 ? 'plain' : SHIFT_KINDS[shift + 1]!;
    const operation = opc === 1 && Rn === 31 && kind === 'plain' ? 'mov' : OPERATIONS[opc]!;
    return { operation, invert: N === 1, width: sf ? 64 : 32, shift: kind };
  },
  operands: ({ Rm, imm6, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm), imm: imm6 }),
  emit: (c, { operation, invert, width, shift }) => {
    const w = c.word(width);
    const operand = (): Word => {
      const value = shifted(w, shift, w.reg('c'));
      return invert ? w.xor(value, w.const(-1)) : value;
    };
    if (operation === 'mov') {
      w.setReg('a', operand());
    } else if (operation === 'ands') {
      const result = w.let(w.and(w.reg('b'), operand()));
      c.flagsFromLogic(w, result);
      w.setReg('a', result.get());
    } else {
      w.setReg('a', combine(w, operation, w.reg('b'), operand()));
    }
  },
  hot: ({ operation, invert, shift }) => {
    if (shift === 'plain')
      return !invert || operation === 'mov' || operation === 'and' || operation === 'ands';
    if (invert || operation === 'ands' || operation === 'mov') return false;
    return shift === 'lsl' || shift === 'lsr' || (shift === 'ror' && operation === 'eor');
  },
});

export const LOGICAL = [LOGICAL_imm, LOGICAL_shifted] as const;
