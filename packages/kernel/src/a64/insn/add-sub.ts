/**
 * Addition and subtraction. Source: Arm DDI 0487, C4.1.92 "Data Processing -- Immediate" and C4.1.94
 * "Data Processing -- Register"; C6.2, ADD, ADDS, SUB, SUBS, ADC, ADCS, SBC, SBCS.
 */
import type { Emitter, Word, WordOps } from '../emitter.ts';
import { insn, orSp, source, target, type Operands } from '../pattern.ts';
import { extended, EXTENDS, type Extend } from '../shared/extend.ts';
import { shifted, type ShiftKind } from '../shared/shift.ts';

const WIDTHS = [32, 64] as const;
const OPERATIONS = ['add', 'adds', 'sub', 'subs'] as const;
type Operation = (typeof OPERATIONS)[number];

/** `op:S` in the order of {@link OPERATIONS}. */
const operationOf = (op: number, S: number): Operation => OPERATIONS[(op << 1) | S]!;
const widthOf = (sf: number): 32 | 64 => (sf ? 64 : 32);

/** Rd = Rn op operand. */
function emitAddSub(c: Emitter, operation: Operation, w: WordOps<Word>, operand: () => Word): void {
  if (operation === 'add') {
    w.setReg('a', w.add(w.reg('b'), operand()));
    return;
  }
  if (operation === 'sub') {
    w.setReg('a', w.sub(w.reg('b'), operand()));
    return;
  }
  const a = w.let(w.reg('b'));
  const b = w.let(operand());
  const result = w.let(operation === 'adds' ? w.add(a.get(), b.get()) : w.sub(a.get(), b.get()));
  if (operation === 'adds') c.flagsFromAdd(w, a, b, result);
  else c.flagsFromSub(w, a, b, result);
  w.setReg('a', result.get());
}

/** SUB is ADD of the negated immediate; with flags it is not, since the carry differs. */
const ADD_SUB_imm = insn('ADD_SUB_imm', 'sf:1 op:1 S:1 100010 sh:1 imm12:12 Rn:5 Rd:5', {
  statics: { operation: ['add', 'adds', 'subs'], width: WIDTHS },
  select: ({ sf, op, S }) => ({ operation: S ? (op ? 'subs' : 'adds') : 'add', width: widthOf(sf) }),
  operands: ({ op, S, sh, imm12, Rn, Rd }) => {
    const imm = sh ? imm12 * 4096 : imm12;
    return S ? { a: target(Rd), b: orSp(Rn), imm } : { a: orSp(Rd), b: orSp(Rn), imm: op ? -imm : imm };
  },
  emit: (c, { operation, width }) => {
    const w = c.word(width);
    emitAddSub(c, operation, w, () => w.imm());
  },
  hot: true,
  pair: ({ operation }) => (operation === 'subs' ? 'compare' : undefined),
  stack: {
    at: ({ operation }) => operation === 'add',
    moved: ({ S, imm12, Rn, Rd }) => S === 0 && Rd === 31 && (Rn !== 31 || imm12 % 16 !== 0),
  },
});

const SHIFTS = ['plain', 'lsl', 'lsr', 'asr'] as const satisfies readonly ShiftKind[];

const ADD_SUB_shifted = insn('ADD_SUB_shifted', 'sf:1 op:1 S:1 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5', {
  statics: { operation: OPERATIONS, width: WIDTHS, shift: SHIFTS },
  select: ({ sf, op, S, shift, imm6 }) => {
    if (shift === 3 || (!sf && imm6 >= 32)) return null;
    const kind = imm6 === 0 ? 'plain' : SHIFTS[shift + 1]!;
    return { operation: operationOf(op, S), width: widthOf(sf), shift: kind };
  },
  operands: ({ Rm, imm6, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm), imm: imm6 }),
  emit: (c, { operation, width, shift }) => {
    const w = c.word(width);
    emitAddSub(c, operation, w, () => shifted(w, shift, w.reg('c')));
  },
  hot: ({ operation, shift }) =>
    shift === 'plain' ||
    (operation !== 'adds' && shift === 'lsl') ||
    (operation === 'add' && shift !== 'asr'),
  pair: ({ operation, shift }) => (operation === 'subs' && shift === 'plain' ? 'compare' : undefined),
});

/** By `option`; SXTX is UXTX. At 32 bits, so is the extension of a word. */
const EXTENDS_32 = ['uxtb', 'uxth', 'uxtx', 'uxtx', 'sxtb', 'sxth', 'uxtx', 'uxtx'] as const;
const EXTENDS_64 = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'uxtx'] as const;

/** The register forms that can write SP. */
const EXTENDED_STACK = {
  at: ({ operation }: { readonly operation: Operation }) => operation === 'add' || operation === 'sub',
  moved: ({ S, Rd }: { readonly S: number; readonly Rd: number }) => S === 0 && Rd === 31,
};

/** Operands of both widths. */
const extendedOperands = (fields: {
  readonly S: number;
  readonly Rm: number;
  readonly imm3: number;
  readonly Rn: number;
  readonly Rd: number;
}): Operands => {
  const { S, Rm, imm3, Rn, Rd } = fields;
  return { a: S ? target(Rd) : orSp(Rd), b: orSp(Rn), c: source(Rm), imm: imm3 };
};

function emitExtended(c: Emitter, operation: Operation, width: 32 | 64, extend: Extend): void {
  const w = c.word(width);
  emitAddSub(c, operation, w, () => w.shl(w.fromI64(extended(c, extend)), w.imm()));
}

const ADD_SUB_extended_32 = insn(
  'ADD_SUB_extended_32',
  '0 op:1 S:1 01011 001 Rm:5 option:3 imm3:3 Rn:5 Rd:5',
  {
    statics: { operation: OPERATIONS, extend: ['uxtb', 'uxth', 'uxtx', 'sxtb', 'sxth'] },
    select: ({ op, S, option, imm3 }) =>
      imm3 > 4 ? null : { operation: operationOf(op, S), extend: EXTENDS_32[option]! },
    operands: extendedOperands,
    emit: (c, { operation, extend }) => emitExtended(c, operation, 32, extend),
    stack: EXTENDED_STACK,
  },
);

const ADD_SUB_extended_64 = insn(
  'ADD_SUB_extended_64',
  '1 op:1 S:1 01011 001 Rm:5 option:3 imm3:3 Rn:5 Rd:5',
  {
    statics: { operation: OPERATIONS, extend: EXTENDS },
    select: ({ op, S, option, imm3 }) =>
      imm3 > 4 ? null : { operation: operationOf(op, S), extend: EXTENDS_64[option]! },
    operands: extendedOperands,
    emit: (c, { operation, extend }) => emitExtended(c, operation, 64, extend),
    stack: EXTENDED_STACK,
    hot: ({ operation, extend }) =>
      extend === 'uxtx'
        ? operation !== 'adds'
        : operation === 'add' && (extend === 'uxtw' || extend === 'sxtw'),
  },
);

/** SBC is ADC of the inverted operand, flags included. */
const ADC_SBC = insn('ADC_SBC', 'sf:1 op:1 S:1 11010000 Rm:5 000000 Rn:5 Rd:5', {
  statics: { subtract: [false, true], flags: [false, true], width: WIDTHS },
  select: ({ sf, op, S }) => ({ subtract: op === 1, flags: S === 1, width: widthOf(sf) }),
  operands: ({ Rm, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm) }),
  emit: (c, { subtract, flags, width }) => {
    const w = c.word(width);
    const a = w.let(w.reg('b'));
    const b = w.let(subtract ? w.xor(w.reg('c'), w.const(-1)) : w.reg('c'));
    const carryIn = c.letI32(c.carry());
    const result = w.let(w.add(w.add(a.get(), b.get()), w.fromI32(carryIn.get())));
    if (flags) c.flagsFromAddCarry(w, a, b, carryIn, result);
    w.setReg('a', result.get());
  },
});

export const ADD_SUB = [
  ADD_SUB_imm,
  ADD_SUB_shifted,
  ADD_SUB_extended_32,
  ADD_SUB_extended_64,
  ADC_SBC,
] as const;
