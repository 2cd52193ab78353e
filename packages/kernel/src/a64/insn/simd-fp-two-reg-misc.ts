/**
 * Floating-point operations on the lanes of one register. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD two-register
 * miscellaneous" and "scalar two-register miscellaneous"; C7.2 by name.
 */
import type { Emitter, I32, Routine, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { compareLanes, type LaneComparison } from '../shared/fp-comparison.ts';
import { lanesFromInteger, lanesToInteger } from '../shared/fp-conversion.ts';
import { ROUNDING } from '../shared/fp-format.ts';
import type { IntegralRounding } from '../shared/fp-integral.ts';
import {
  RECPE,
  RECPX,
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
  RSQRTE,
  SQRT,
  type Unary,
  unary,
} from '../shared/fp-operation.ts';
import {
  HALF_STATICS,
  halfPoint,
  SCALAR_STATICS,
  scalarSimdPoint,
  VECTOR_STATICS,
  vectorPoint,
} from '../shared/fp-row.ts';
import { type Bits, type FpShape, type FpView, fpView } from '../shared/fp-view.ts';
import { FIXED_RECPE, FIXED_RSQRTE } from '../shared/soft-float-estimate.ts';
import { oneSource } from '../shared/vector-operands.ts';

type Operation = (k: FpView, x: Var<Bits>) => Bits;

interface Row {
  readonly name: string;
  readonly U: 0 | 1;
  /** The upper bit of the field `size`. */
  readonly a: 0 | 1;
  readonly opcode: string;
  readonly of: Operation;
  readonly forms: 'vector' | 'scalar' | 'both';
  /** There is no half precision. */
  readonly noHalf?: true;
}

const plain =
  (operation: Unary): Operation =>
  (k, x) =>
    unary(k, operation, x);

const withZero =
  (op: LaneComparison['op']): Operation =>
  (k, x) =>
    compareLanes(k, { op }, x, k.letBits(k.constBits(0n)));

const toSigned =
  (rounding: IntegralRounding): Operation =>
  (k, x) =>
    lanesToInteger(k, x, { signed: true, rounding });

const toUnsigned =
  (rounding: IntegralRounding): Operation =>
  (k, x) =>
    lanesToInteger(k, x, { signed: false, rounding });

const from =
  (signed: boolean): Operation =>
  (k, x) =>
    lanesFromInteger(k, x, signed);

const { NEAREST, PLUS, MINUS, ZERO, AWAY } = ROUNDING;

const ROWS: readonly Row[] = [
  { name: 'FCMGT_zero', U: 0, a: 1, opcode: '01100', of: withZero('gt'), forms: 'both' },
  { name: 'FCMEQ_zero', U: 0, a: 1, opcode: '01101', of: withZero('eq'), forms: 'both' },
  { name: 'FCMLT_zero', U: 0, a: 1, opcode: '01110', of: withZero('lt'), forms: 'both' },
  { name: 'FCMGE_zero', U: 1, a: 1, opcode: '01100', of: withZero('ge'), forms: 'both' },
  { name: 'FCMLE_zero', U: 1, a: 1, opcode: '01101', of: withZero('le'), forms: 'both' },
  { name: 'FABS', U: 0, a: 1, opcode: '01111', of: (k, x) => k.absolute(x.get()), forms: 'vector' },
  { name: 'FNEG', U: 1, a: 1, opcode: '01111', of: (k, x) => k.negated(x.get()), forms: 'vector' },
  { name: 'FRINTN', U: 0, a: 0, opcode: '11000', of: plain(RINTN), forms: 'vector' },
  { name: 'FRINTP', U: 0, a: 1, opcode: '11000', of: plain(RINTP), forms: 'vector' },
  { name: 'FRINTA', U: 1, a: 0, opcode: '11000', of: plain(RINTA), forms: 'vector' },
  { name: 'FRINTM', U: 0, a: 0, opcode: '11001', of: plain(RINTM), forms: 'vector' },
  { name: 'FRINTZ', U: 0, a: 1, opcode: '11001', of: plain(RINTZ), forms: 'vector' },
  { name: 'FRINTX', U: 1, a: 0, opcode: '11001', of: plain(RINTX), forms: 'vector' },
  { name: 'FRINTI', U: 1, a: 1, opcode: '11001', of: plain(RINTI), forms: 'vector' },
  { name: 'FCVTNS', U: 0, a: 0, opcode: '11010', of: toSigned(NEAREST), forms: 'both' },
  { name: 'FCVTPS', U: 0, a: 1, opcode: '11010', of: toSigned(PLUS), forms: 'both' },
  { name: 'FCVTNU', U: 1, a: 0, opcode: '11010', of: toUnsigned(NEAREST), forms: 'both' },
  { name: 'FCVTPU', U: 1, a: 1, opcode: '11010', of: toUnsigned(PLUS), forms: 'both' },
  { name: 'FCVTMS', U: 0, a: 0, opcode: '11011', of: toSigned(MINUS), forms: 'both' },
  { name: 'FCVTZS', U: 0, a: 1, opcode: '11011', of: toSigned(ZERO), forms: 'both' },
  { name: 'FCVTMU', U: 1, a: 0, opcode: '11011', of: toUnsigned(MINUS), forms: 'both' },
  { name: 'FCVTZU', U: 1, a: 1, opcode: '11011', of: toUnsigned(ZERO), forms: 'both' },
  { name: 'FCVTAS', U: 0, a: 0, opcode: '11100', of: toSigned(AWAY), forms: 'both' },
  { name: 'FCVTAU', U: 1, a: 0, opcode: '11100', of: toUnsigned(AWAY), forms: 'both' },
  { name: 'SCVTF', U: 0, a: 0, opcode: '11101', of: from(true), forms: 'both' },
  { name: 'UCVTF', U: 1, a: 0, opcode: '11101', of: from(false), forms: 'both' },
  { name: 'FRECPE', U: 0, a: 1, opcode: '11101', of: plain(RECPE), forms: 'both' },
  { name: 'FRSQRTE', U: 1, a: 1, opcode: '11101', of: plain(RSQRTE), forms: 'both' },
  { name: 'FRINT32Z', U: 0, a: 0, opcode: '11110', of: plain(RINT32Z), forms: 'vector', noHalf: true },
  { name: 'FRINT32X', U: 1, a: 0, opcode: '11110', of: plain(RINT32X), forms: 'vector', noHalf: true },
  { name: 'FRINT64Z', U: 0, a: 0, opcode: '11111', of: plain(RINT64Z), forms: 'vector', noHalf: true },
  { name: 'FRINT64X', U: 1, a: 0, opcode: '11111', of: plain(RINT64X), forms: 'vector', noHalf: true },
  { name: 'FRECPX', U: 0, a: 1, opcode: '11111', of: plain(RECPX), forms: 'scalar' },
  { name: 'FSQRT', U: 1, a: 1, opcode: '11111', of: plain(SQRT), forms: 'vector' },
];

function emit(c: Emitter, of: Operation, shape: FpShape): void {
  c.requireFp();
  const k = fpView(c, shape);
  k.write('a', of(k, k.read('b')));
}

const vectorRow = ({ name, U, a, opcode, of }: Row): Insn =>
  insn(name, `0 Q:1 ${U} 01110 ${a} sz:1 10000 ${opcode} 10 Rn:5 Rd:5`, {
    statics: VECTOR_STATICS,
    select: vectorPoint,
    operands: oneSource,
    emit: (c, { T }) => emit(c, of, T),
  });

const scalarRow = ({ name, U, a, opcode, of }: Row): Insn =>
  insn(`${name}_scalar`, `01 ${U} 11110 ${a} sz:1 10000 ${opcode} 10 Rn:5 Rd:5`, {
    statics: SCALAR_STATICS,
    select: scalarSimdPoint,
    operands: oneSource,
    emit: (c, { T }) => emit(c, of, T),
  });

const halfVectorRow = ({ name, U, a, opcode, of }: Row): Insn =>
  insn(`${name}_h`, `0 Q:1 ${U} 01110 ${a} 1111 00 ${opcode} 10 Rn:5 Rd:5`, {
    statics: HALF_STATICS,
    select: halfPoint,
    operands: oneSource,
    emit: (c, { T }) => emit(c, of, T),
  });

const halfScalarRow = ({ name, U, a, opcode, of }: Row): Insn =>
  insn(`${name}_scalar_h`, `01 ${U} 11110 ${a} 1111 00 ${opcode} 10 Rn:5 Rd:5`, {
    operands: oneSource,
    emit: (c) => emit(c, of, 'h'),
  });

/** Estimates on lanes of 0.32 fixed point. */
const fixedEstimate = (name: string, U: 0 | 1, routine: Routine<readonly ['i32'], 'i32'>): Insn =>
  insn(name, `0 Q:1 ${U} 01110 10 10000 11100 10 Rn:5 Rd:5`, {
    statics: { T: ['2s', '4s'] },
    select: ({ Q }) => ({ T: Q ? '4s' : '2s' }),
    operands: oneSource,
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const x = k.read('b');
      const lane = (n: number): I32 => c.call(routine, c.i32x4.extract_lane(x.get(), n));
      for (let n = 0; n < (T === '4s' ? 4 : 2); n++) {
        const estimate = c.letI32(lane(n));
        x.set(c.i32x4.replace_lane(x.get(), n, estimate.get()) as Bits);
      }
      k.write('a', x.get());
    },
  });

const VECTOR_ROWS = ROWS.filter(({ forms }) => forms !== 'scalar');
const SCALAR_ROWS = ROWS.filter(({ forms }) => forms !== 'vector');

export const SIMD_FP_TWO_REG_MISC: readonly Insn[] = [
  ...VECTOR_ROWS.map(vectorRow),
  ...SCALAR_ROWS.map(scalarRow),
  ...VECTOR_ROWS.filter(({ noHalf }) => !noHalf).map(halfVectorRow),
  ...SCALAR_ROWS.map(halfScalarRow),
  fixedEstimate('URECPE', 0, FIXED_RECPE),
  fixedEstimate('URSQRTE', 1, FIXED_RSQRTE),
];
