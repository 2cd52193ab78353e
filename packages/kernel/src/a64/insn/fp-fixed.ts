/**
 * Conversions between floating point and fixed point in general registers. Source: Arm DDI 0487, C4.1.96 "Conversion
 * between floating-point and fixed-point"; C7.2, FCVTZS, FCVTZU, SCVTF, UCVTF (scalar, fixed-point).
 */
import { type Insn, insn, source, target, vector } from '../pattern.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';
import { fpView } from '../shared/fp-view.ts';
import { fromFixed, toFixed } from '../shared/soft-float-integer.ts';
import { roundingMode } from '../shared/soft-float.ts';

const STATICS = { bits: [32, 64], ...ANY_SCALAR_STATICS } as const;

/** `scale` is 64 less the number of fraction bits, which the integer must have. */
const fixedPoint = (fields: {
  readonly sf: number;
  readonly ftype: number;
  readonly scale: number;
}): { readonly bits: 32 | 64; readonly T: 's' | 'd' | 'h' } | null => {
  const point = anyScalarPoint(fields);
  if (!point || (!fields.sf && fields.scale < 32)) return null;
  return { bits: fields.sf ? 64 : 32, ...point };
};

const toRow = (name: string, opcode: '000' | '001'): Insn =>
  insn(`${name}_fixed`, `sf:1 0 0 11110 ftype:2 0 11 ${opcode} scale:6 Rn:5 Rd:5`, {
    statics: STATICS,
    select: fixedPoint,
    operands: ({ scale, Rn, Rd }) => ({ a: target(Rd), b: vector(Rn), imm: 64 - scale }),
    emit: (c, { bits, T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const routine = toFixed(k.format.bits, { bits, signed: opcode === '000' });
      const value = c.word(k.wordBits).toI64(k.word(k.read('b').get()));
      c.setReg('a', c.call(routine, value, c.imm32(), c.i32.const(ROUNDING.ZERO)));
    },
  });

const fromRow = (name: string, opcode: '010' | '011'): Insn =>
  insn(`${name}_fixed`, `sf:1 0 0 11110 ftype:2 0 00 ${opcode} scale:6 Rn:5 Rd:5`, {
    statics: STATICS,
    select: fixedPoint,
    operands: ({ scale, Rn, Rd }) => ({ a: vector(Rd), b: source(Rn), imm: 64 - scale }),
    emit: (c, { bits, T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const routine = fromFixed(k.format.bits, { bits, signed: opcode === '010' });
      const value = c.call(routine, c.reg('b'), c.imm32(), roundingMode(c));
      k.write('a', k.fromWord(c.word(k.wordBits).fromI64(value)));
    },
  });

export const FP_FIXED: readonly Insn[] = [
  toRow('FCVTZS', '000'),
  toRow('FCVTZU', '001'),
  fromRow('SCVTF', '010'),
  fromRow('UCVTF', '011'),
];
