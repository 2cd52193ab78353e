/**
 * Bitwise logic. Source: Arm DDI 0487, C4.1.92 "Logical (immediate)", C4.1.94 "Logical (shifted register)";
 * C6.2, AND, ANDS, BIC, BICS, EON, EOR, ORN, ORR.
 */
import type { Emitter, Word, WordOps } from '../emitter.ts';
import { insn, orSp, source, target } from '../pattern.ts';
import { decodeBitMask, elementLog } from '../shared/bit-masks.ts';
import { shifted, SHIFT_KINDS, type ShiftKind } from '../shared/shift.ts';

const WIDTHS = [32, 64] as const;
/** By `opc`. */
const OPERATIONS = ['and', 'orr', 'eor', 'ands'] as const;
type Operation = (typeof OPERATIONS)[number];

function emitLogical(c: Emitter, operation: Operation, w: WordOps<Word>, operand: () => Word): void {
  if (operation === 'ands') {
    const result = w.let(w.and(w.reg('b'), operand()));
    c.flagsFromLogic(w, result);
    w.setReg('a', result.get());
  } else if (operation === 'orr') w.setReg('a', w.or(w.reg('b'), operand()));
  else if (operation === 'eor') w.setReg('a', w.xor(w.reg('b'), operand()));
  else w.setReg('a', w.and(w.reg('b'), operand()));
}

const isMask = (sf: number, N: number, imms: number): boolean =>
  (sf === 1 || N === 0) && elementLog(N, imms) >= 0;

const LOGICAL_imm = insn('LOGICAL_imm', 'sf:1 opc:2 100100 N:1 immr:6 imms:6 Rn:5 Rd:5', {
  statics: { operation: OPERATIONS, width: WIDTHS },
  select: ({ sf, opc, N, imms }) =>
    isMask(sf, N, imms) ? { operation: OPERATIONS[opc]!, width: sf ? 64 : 32 } : null,
  operands: ({ opc, N, immr, imms, Rn, Rd }) => {
    const { low, high } = decodeBitMask(N, imms, immr);
    return { a: opc === 3 ? target(Rd) : orSp(Rd), b: source(Rn), immLow: low, immHigh: high };
  },
  emit: (c, { operation, width }) => {
    const w = c.word(width);
    emitLogical(c, operation, w, () => w.imm());
  },
  hot: true,
  pair: ({ operation }) => (operation === 'ands' ? 'compare' : undefined),
  stack: {
    at: ({ operation }) => operation !== 'ands',
    moved: ({ opc, Rd }) => opc !== 3 && Rd === 31,
  },
});

/** ORR of the zero register: the immediate alone, zero-extended if it is 32 bits wide. */
const MOV_bitmask = insn('MOV_bitmask', 'sf:1 01 100100 N:1 immr:6 imms:6 11111 Rd:5', {
  select: ({ sf, N, imms }) => (isMask(sf, N, imms) ? {} : null),
  operands: ({ sf, N, immr, imms, Rd }) => {
    const { low, high } = decodeBitMask(N, imms, immr);
    return { a: orSp(Rd), immLow: low, immHigh: sf ? high : 0 };
  },
  emit: (c) => c.setReg('a', c.imm()),
  hot: true,
  stack: { moved: ({ Rd }) => Rd === 31 },
});

const operandOf = (w: WordOps<Word>, shift: ShiftKind, invert: boolean): Word => {
  const value = shifted(w, shift, w.reg('c'));
  return invert ? w.xor(value, w.const(-1)) : value;
};

const LOGICAL_shifted = insn('LOGICAL_shifted', 'sf:1 opc:2 01010 shift:2 N:1 Rm:5 imm6:6 Rn:5 Rd:5', {
  statics: { operation: OPERATIONS, invert: [false, true], width: WIDTHS, shift: SHIFT_KINDS },
  select: ({ sf, opc, shift, N, imm6 }) => {
    if (!sf && imm6 >= 32) return null;
    const kind = imm6 === 0 ? 'plain' : SHIFT_KINDS[shift + 1]!;
    return { operation: OPERATIONS[opc]!, invert: N === 1, width: sf ? 64 : 32, shift: kind };
  },
  operands: ({ Rm, imm6, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm), imm: imm6 }),
  emit: (c, { operation, invert, width, shift }) => {
    const w = c.word(width);
    emitLogical(c, operation, w, () => operandOf(w, shift, invert));
  },
  hot: ({ operation, invert, shift }) => {
    if (shift === 'plain') return !invert || operation === 'and' || operation === 'ands';
    if (invert || operation === 'ands') return false;
    return shift === 'lsl' || shift === 'lsr' || (shift === 'ror' && operation === 'eor');
  },
});

/** ORR and ORN of the zero register and a register that is not shifted: MOV and MVN. */
const MOV_reg = insn('MOV_reg', 'sf:1 01 01010 00 N:1 Rm:5 000000 11111 Rd:5', {
  statics: { invert: [false, true], width: WIDTHS },
  select: ({ sf, N }) => ({ invert: N === 1, width: sf ? 64 : 32 }),
  operands: ({ Rm, Rd }) => ({ a: target(Rd), c: source(Rm) }),
  emit: (c, { invert, width }) => {
    const w = c.word(width);
    w.setReg('a', operandOf(w, 'plain', invert));
  },
  hot: true,
});

export const LOGICAL = [LOGICAL_imm, MOV_bitmask, LOGICAL_shifted, MOV_reg] as const;
