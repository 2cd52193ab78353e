/**
 * Conversions between floating point and integers, and moves between their registers. Source: Arm DDI 0487, C4.1.96
 * "Conversion between floating-point and integer"; C7.2 by name.
 */
import { type Insn, insn, source, target, vector } from '../pattern.ts';
import { fromInteger, toInteger } from '../shared/fp-conversion.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import type { IntegralRounding } from '../shared/fp-integral.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';
import { fpView } from '../shared/fp-view.ts';
import { DOUBLE_TO_WORD } from '../shared/soft-float-integer.ts';

const STATICS = { bits: [32, 64], ...ANY_SCALAR_STATICS } as const;

const conversionPoint = (fields: {
  readonly sf: number;
  readonly ftype: number;
}): { readonly bits: 32 | 64; readonly T: 's' | 'd' | 'h' } | null => {
  const point = anyScalarPoint(fields);
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
/**
 * FJCVTZS: the conversion that ECMAScript has. Z tells whether it was exact. The fast way is that of an integer other
 * than −0.
 */
const FJCVTZS = insn('FJCVTZS', '0 0 0 11110 01 1 11 110 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: vector(Rn) }),
  emit: (c) => {
    c.requireFp();
    const value = c.letI64(c.vecLow('b'));
    const word = c.letI32(c.i32.trunc_sat_f64_s(c.f64.reinterpret_i64(value.get())));
    const exact = c.letI32(c.i64.eq(c.i64.reinterpret_f64(c.f64.convert_i32_s(word.get())), value.get()));
    c.rarely([() => c.i32.eqz(exact.get())], () => {
      const result = c.letI64(c.call(DOUBLE_TO_WORD, value.get()));
      word.set(c.i32.wrap_i64(result.get()));
      exact.set(c.i32.wrap_i64(c.i64.shr_u(result.get(), c.i64.const(32))));
    });
    c.setReg32('a', word.get());
    c.setNzcv(c.i32.shl(exact.get(), c.i32.const(2)));
  },
});

/** To W and to X alike, since the rest is 0. */
const FMOV_to_general_h = insn('FMOV_h_to_general', 'sf:1 0 0 11110 11 1 00 110 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: vector(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setReg32('a', fpView(c, 'h').read('b').get());
  },
});
const FMOV_from_general_h = insn('FMOV_h_from_general', 'sf:1 0 0 11110 11 1 00 111 000000 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: vector(Rd), b: source(Rn) }),
  emit: (c) => {
    c.requireFp();
    c.setVecLow32('a', c.i32.and(c.reg32('b'), c.i32.const(0xffff)));
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
  FJCVTZS,
  FMOV_to_general_s,
  FMOV_from_general_s,
  FMOV_to_general_h,
  FMOV_from_general_h,
  FMOV_to_general_d,
  FMOV_from_general_d,
  FMOV_to_general_top,
  FMOV_from_general_top,
];
