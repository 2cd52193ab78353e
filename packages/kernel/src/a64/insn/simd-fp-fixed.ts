/**
 * Conversions between lanes of floating point and of fixed point. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD shift by
 * immediate" and "scalar shift by immediate"; C7.2, FCVTZS, FCVTZU, SCVTF, UCVTF (vector, fixed-point).
 */
import type { Emitter, I32, Var } from '../emitter.ts';
import { type Insn, insn, vector } from '../pattern.ts';
import { lanesFromInteger, lanesToInteger } from '../shared/fp-conversion.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import { type Bits, type FpShape, type FpView, fpView } from '../shared/fp-view.ts';

type Operation = (k: FpView, x: Var<Bits>) => Bits;

const fractionBits = (c: Emitter): I32 => c.imm32();

const from =
  (signed: boolean): Operation =>
  (k, x) =>
    lanesFromInteger(k, x, signed, fractionBits);
const to =
  (signed: boolean): Operation =>
  (k, x) =>
    lanesToInteger(k, x, { signed, rounding: ROUNDING.ZERO }, fractionBits);

interface Row {
  readonly name: string;
  readonly U: 0 | 1;
  readonly opcode: string;
  readonly of: Operation;
}

const ROWS: readonly Row[] = [
  { name: 'SCVTF', U: 0, opcode: '11100', of: from(true) },
  { name: 'UCVTF', U: 1, opcode: '11100', of: from(false) },
  { name: 'FCVTZS', U: 0, opcode: '11111', of: to(true) },
  { name: 'FCVTZU', U: 1, opcode: '11111', of: to(false) },
];

function emit(c: Emitter, of: Operation, shape: FpShape): void {
  c.requireFp();
  const k = fpView(c, shape);
  k.write('a', of(k, k.read('b')));
}

/** The leading one of `immh` tells the lane size; what is below it is the size less the number of fraction bits. */
const rows = ({ name, U, opcode, of }: Row): readonly Insn[] => [
  insn(`${name}_fixed_h`, `0 Q:1 ${U} 011110 001 imm:4 ${opcode} 1 Rn:5 Rd:5`, {
    statics: { T: ['4h', '8h'] },
    select: ({ Q }) => ({ T: Q ? '8h' : '4h' }),
    operands: ({ imm, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), imm: 16 - imm }),
    emit: (c, { T }) => emit(c, of, T),
  }),
  insn(`${name}_fixed_scalar_h`, `01 ${U} 111110 001 imm:4 ${opcode} 1 Rn:5 Rd:5`, {
    operands: ({ imm, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), imm: 16 - imm }),
    emit: (c) => emit(c, of, 'h'),
  }),
  insn(`${name}_fixed_s`, `0 Q:1 ${U} 011110 01 imm:5 ${opcode} 1 Rn:5 Rd:5`, {
    statics: { T: ['2s', '4s'] },
    select: ({ Q }) => ({ T: Q ? '4s' : '2s' }),
    operands: ({ imm, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), imm: 32 - imm }),
    emit: (c, { T }) => emit(c, of, T),
  }),
  insn(`${name}_fixed_d`, `0 1 ${U} 011110 1 imm:6 ${opcode} 1 Rn:5 Rd:5`, {
    operands: ({ imm, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), imm: 64 - imm }),
    emit: (c) => emit(c, of, '2d'),
  }),
  insn(`${name}_fixed_scalar_s`, `01 ${U} 111110 01 imm:5 ${opcode} 1 Rn:5 Rd:5`, {
    operands: ({ imm, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), imm: 32 - imm }),
    emit: (c) => emit(c, of, 's'),
  }),
  insn(`${name}_fixed_scalar_d`, `01 ${U} 111110 1 imm:6 ${opcode} 1 Rn:5 Rd:5`, {
    operands: ({ imm, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), imm: 64 - imm }),
    emit: (c) => emit(c, of, 'd'),
  }),
];

export const SIMD_FP_FIXED: readonly Insn[] = ROWS.flatMap(rows);
