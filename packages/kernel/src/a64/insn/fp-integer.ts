/**
 * Conversions between floating point and integers, and moves between their registers. Source: Arm DDI 0487, C4.1.96
 * "Conversion between floating-point and integer"; C7.2 by name.
 */
import { type Insn, insn, source, target, vector } from '../pattern.ts';
import { fromInteger, toInteger } from '../shared/fp-conversion.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import type { IntegralRounding } from '../shared/fp-integral.ts';
import { SCALAR_STATICS, scalarPoint } from '../shared/fp-row.ts';
import { fpView } from '../shared/fp-view.ts';

const STATICS = { bits: [32, 64], ...SCALAR_STATICS } as const;

const conversionPoint = (fields: {
  readonly sf: number;
  readonly ftype: number;
}): { readonly bits: 32 | 64; readonly T: 's' | 'd' } | null => {
  const point = scalarPoint(fields);
  return point && { bits: fields.sf ? 64 : 32, ...point };
};

const toRow = (name: string, rmode: string, opcode: string, rounding: IntegralRounding): Insn =>
  insn(`${name}_general`, `sf:1 0 0 11110 ftype:2 1 ${rmode} ${opcode} 000000 Rn:5 Rd:5`, {
    statics: STATICS,
    select: conversionPoint,
    operands: ({ Rn, Rd }) => ({ a: target(Rd), b: vector(Rn) }),
    emit: (c, { bits, T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const form = { bits, signed: opcode.endsWith('0'), rounding };
      c.word(bits).setReg('a', toInteger(k, k.read('b'), form));
    },
  });

const fromRow = (name: string, opcode: string): Insn =>
  insn(`${name}_general`, `sf:1 0 0 11110 ftype:2 1 00 ${opcode} 000000 Rn:5 Rd:5`, {
    statics: STATICS,
    select: conversionPoint,
    operands: ({ Rn, Rd }) => ({ a: vector(Rd), b: source(Rn) }),
    emit: (c, { bits, T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const w = c.word(bits);
      k.write('a', fromInteger(k, w.let(w.reg('b')), { bits, signed: opcode.endsWith('0') }));
    },
  });

const FMOV_to_general_s = insn('FMOV_s_to_general', '0 0 0 11110 00 1 00 110 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: vector(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setReg32('a', c.vecLow32('b'));
  },
});
const FMOV_from_general_s = insn('FMOV_s_from_general', '0 0 0 11110 00 1 00 111 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: vector(Rd), b: source(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setVecLow32('a', c.reg32('b'));
  },
});
const FMOV_to_general_d = insn('FMOV_d_to_general', '1 0 0 11110 01 1 00 110 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: vector(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setReg('a', c.vecLow('b'));
  },
});
const FMOV_from_general_d = insn('FMOV_d_from_general', '1 0 0 11110 01 1 00 111 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: vector(Rd), b: source(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setVecLow('a', c.reg('b'));
  },
});
const FMOV_to_general_top = insn('FMOV_top_to_general', '1 0 0 11110 10 1 01 110 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: vector(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setReg('a', c.i64x2.extract_lane(c.vec('b'), 1));
  },
});
/** Keeps the lower half. */
const FMOV_from_general_top = insn('FMOV_top_from_general', '1 0 0 11110 10 1 01 111 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: vector(Rd), b: source(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setVec('a', c.i64x2.replace_lane(c.vec('a'), 1, c.reg('b')));
  },
});

export const FP_INTEGER: readonly Insn[] = [
  toRow('FCVTNS', '00', '000', ROUNDING.NEAREST),
  toRow('FCVTNU', '00', '001', ROUNDING.NEAREST),
  toRow('FCVTAS', '00', '100', ROUNDING.AWAY),
  toRow('FCVTAU', '00', '101', ROUNDING.AWAY),
  toRow('FCVTPS', '01', '000', ROUNDING.PLUS),
  toRow('FCVTPU', '01', '001', ROUNDING.PLUS),
  toRow('FCVTMS', '10', '000', ROUNDING.MINUS),
  toRow('FCVTMU', '10', '001', ROUNDING.MINUS),
  toRow('FCVTZS', '11', '000', ROUNDING.ZERO),
  toRow('FCVTZU', '11', '001', ROUNDING.ZERO),
  fromRow('SCVTF', '010'),
  fromRow('UCVTF', '011'),
  FMOV_to_general_s,
  FMOV_from_general_s,
  FMOV_to_general_d,
  FMOV_from_general_d,
  FMOV_to_general_top,
  FMOV_from_general_top,
];
