/**
 * Floating-point data processing with one source. Source: Arm DDI 0487, C4.1.96 "Floating-point data-processing
 * (1 source)"; C7.2 by name.
 */
import type { Emitter, I64, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { convertPrecision, fromHalf, toHalf } from '../shared/fp-conversion.ts';
import {
  RINT32X,
  RINT32Z,
  RINT64X,
  RINT64Z,
  RINTA,
  RINTI,
  RINTM,
  RINTN,
  RINTP,
  RINTX,
  RINTZ,
  SQRT,
  type Unary,
  unary,
} from '../shared/fp-operation.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint, SCALAR_STATICS, scalarPoint } from '../shared/fp-row.ts';
import { oneSource } from '../shared/vector-operands.ts';
import { type Bits, type FpShape, type FpView, fpView } from '../shared/fp-view.ts';

type Operation = (k: FpView, x: Var<Bits>) => Bits;

const rounded =
  (operation: Unary): Operation =>
  (k, x) =>
    unary(k, operation, x);

const ROWS: readonly (readonly [name: string, opcode: string, of: Operation])[] = [
  ['FMOV', '000000', (_k, x) => x.get()],
  ['FABS', '000001', (k, x) => k.absolute(x.get())],
  ['FNEG', '000010', (k, x) => k.negated(x.get())],
  ['FSQRT', '000011', rounded(SQRT)],
  ['FRINTN', '001000', rounded(RINTN)],
  ['FRINTP', '001001', rounded(RINTP)],
  ['FRINTM', '001010', rounded(RINTM)],
  ['FRINTZ', '001011', rounded(RINTZ)],
  ['FRINTA', '001100', rounded(RINTA)],
  ['FRINTX', '001110', rounded(RINTX)],
  ['FRINTI', '001111', rounded(RINTI)],
];

const onScalar = (of: Operation) => ({
  operands: oneSource,
  emit: (c: Emitter, { T }: { readonly T: FpShape }): void => {
    c.requireFp();
    const k = fpView(c, T);
    k.write('a', of(k, k.read('b')));
  },
});

const row = ([name, opcode, of]: (typeof ROWS)[number]): Insn =>
  insn(`${name}_scalar`, `0 0 0 11110 ftype:2 1 ${opcode} 10000 Rn:5 Rd:5`, {
    statics: ANY_SCALAR_STATICS,
    select: anyScalarPoint,
    ...onScalar(of),
  });

/** FEAT_FRINTTS has no half precision. */
const WITHIN: readonly (readonly [name: string, opcode: string, operation: Unary])[] = [
  ['FRINT32Z', '010000', RINT32Z],
  ['FRINT32X', '010001', RINT32X],
  ['FRINT64Z', '010010', RINT64Z],
  ['FRINT64X', '010011', RINT64X],
];

const withinRow = ([name, opcode, operation]: (typeof WITHIN)[number]): Insn =>
  insn(`${name}_scalar`, `0 0 0 11110 ftype:2 1 ${opcode} 10000 Rn:5 Rd:5`, {
    statics: SCALAR_STATICS,
    select: scalarPoint,
    ...onScalar(rounded(operation)),
  });

/** Widths of FCVT by the encoding of `ftype` and `opc`. */
const WIDTHS = [32, 64, 0, 16] as const;
const CONVERSIONS = ['16_32', '16_64', '32_16', '32_64', '64_16', '64_32'] as const;
type Conversion = (typeof CONVERSIONS)[number];

const readBits = (c: Emitter, bits: 32 | 64): I64 =>
  bits === 64 ? c.vecLow('b') : c.i64.extend_i32_u(c.vecLow32('b'));

function convert(c: Emitter, conversion: Conversion): void {
  switch (conversion) {
    case '32_16':
      return c.setVecLow('a', toHalf(c, 32, readBits(c, 32)));
    case '64_16':
      return c.setVecLow('a', toHalf(c, 64, readBits(c, 64)));
    case '16_32':
    case '16_64': {
      const half = c.i64.and(c.vecLow('b'), c.i64.const(0xffff));
      return c.setVecLow('a', fromHalf(c, conversion === '16_32' ? 32 : 64, half));
    }
    default: {
      const from = fpView(c, conversion === '32_64' ? 's' : 'd');
      const to = fpView(c, conversion === '32_64' ? 'd' : 's');
      return to.write('a', convertPrecision(from, to, from.read('b')));
    }
  }
}

const FCVT = insn('FCVT', '0 0 0 11110 ftype:2 1 0001 opc:2 10000 Rn:5 Rd:5', {
  statics: { conversion: CONVERSIONS },
  select: ({ ftype, opc }) => {
    const conversion = CONVERSIONS.find((name) => name === `${WIDTHS[ftype]!}_${WIDTHS[opc]!}`);
    return conversion ? { conversion } : null;
  },
  operands: oneSource,
  emit: (c, { conversion }) => {
    c.requireFp();
    convert(c, conversion);
  },
});

export const FP_DATA_1: readonly Insn[] = [...ROWS.map(row), ...WITHIN.map(withinRow), FCVT];
