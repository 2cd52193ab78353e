/**
 * Conversions between floating point and fixed point in general registers. Source: Arm DDI 0487, C4.1.96 "Conversion
 * between floating-point and fixed-point"; C7.2, FCVTZS, FCVTZU, SCVTF, UCVTF (scalar, fixed-point).
 */
import type { Emitter, I32 } from '../emitter.ts';
import { type Insn, insn, source, target, vector } from '../pattern.ts';
import { fromInteger, toInteger } from '../shared/fp-conversion.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';
import { fpView } from '../shared/fp-view.ts';

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

const fractionBits = (c: Emitter): I32 => c.imm32();

const toRow = (name: string, opcode: '000' | '001'): Insn =>
  insn(`${name}_fixed`, `sf:1 0 0 11110 ftype:2 0 11 ${opcode} scale:6 Rn:5 Rd:5`, {
    statics: STATICS,
    select: fixedPoint,
    operands: ({ scale, Rn, Rd }) => ({ a: target(Rd), b: vector(Rn), imm: 64 - scale }),
    emit: (c, { bits, T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const form = { bits, signed: opcode === '000', rounding: ROUNDING.ZERO };
      c.word(bits).setReg('a', toInteger(k, k.read('b'), form, fractionBits));
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
      const w = c.word(bits);
      const form = { bits, signed: opcode === '010' };
      k.write('a', fromInteger(k, w.let(w.reg('b')), form, fractionBits));
    },
  });

export const FP_FIXED: readonly Insn[] = [
  toRow('FCVTZS', '000'),
  toRow('FCVTZU', '001'),
  fromRow('SCVTF', '010'),
  fromRow('UCVTF', '011'),
];
