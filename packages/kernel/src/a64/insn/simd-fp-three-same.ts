/**
 * Floating-point operations on the lanes of two registers of one shape. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD
 * three same" and "scalar three same"; C7.2 by name.
 */
import type { Emitter, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { compareLanes, type LaneComparison } from '../shared/fp-comparison.ts';
import {
  ADD,
  type Binary,
  binary,
  DIV,
  MAX,
  MAXNM,
  MIN,
  MINNM,
  MUL,
  multiplyAdd,
  MULX,
  RECPS,
  RSQRTS,
  SUB,
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
import { everySecond, joinLow } from '../shared/lanes.ts';
import { twoSources } from '../shared/vector-operands.ts';

type Operation = (k: FpView, x: Var<Bits>, y: Var<Bits>) => Bits;

interface Row {
  readonly name: string;
  readonly U: 0 | 1;
  /** The upper bit of the field `size`. */
  readonly a: 0 | 1;
  readonly opcode: string;
  readonly of: Operation;
  /** There is a scalar form too. */
  readonly scalar?: true;
  /** On neighbours within the first operand, then within the second. */
  readonly pairwise?: true;
}

const plain =
  (operation: Binary): Operation =>
  (k, x, y) =>
    binary(k, operation, x, y);

const comparing =
  (comparison: LaneComparison): Operation =>
  (k, x, y) =>
    compareLanes(k, comparison, x, y);

const multiplyAccumulate: Operation = (k, x, y) => multiplyAdd(k, k.read('a'), x, y);

const multiplySubtract: Operation = (k, x, y) => {
  x.set(k.negated(x.get()));
  return multiplyAdd(k, k.read('a'), x, y);
};

const absoluteDifference: Operation = (k, x, y) => k.absolute(binary(k, SUB, x, y));

const ROWS: readonly Row[] = [
  { name: 'FMAXNM', U: 0, a: 0, opcode: '11000', of: plain(MAXNM) },
  { name: 'FMINNM', U: 0, a: 1, opcode: '11000', of: plain(MINNM) },
  { name: 'FMAXNMP', U: 1, a: 0, opcode: '11000', of: plain(MAXNM), pairwise: true },
  { name: 'FMINNMP', U: 1, a: 1, opcode: '11000', of: plain(MINNM), pairwise: true },
  { name: 'FMLA', U: 0, a: 0, opcode: '11001', of: multiplyAccumulate },
  { name: 'FMLS', U: 0, a: 1, opcode: '11001', of: multiplySubtract },
  { name: 'FADD', U: 0, a: 0, opcode: '11010', of: plain(ADD) },
  { name: 'FSUB', U: 0, a: 1, opcode: '11010', of: plain(SUB) },
  { name: 'FADDP', U: 1, a: 0, opcode: '11010', of: plain(ADD), pairwise: true },
  { name: 'FABD', U: 1, a: 1, opcode: '11010', of: absoluteDifference, scalar: true },
  { name: 'FMULX', U: 0, a: 0, opcode: '11011', of: plain(MULX), scalar: true },
  { name: 'FMUL', U: 1, a: 0, opcode: '11011', of: plain(MUL) },
  { name: 'FCMEQ', U: 0, a: 0, opcode: '11100', of: comparing({ op: 'eq' }), scalar: true },
  { name: 'FCMGE', U: 1, a: 0, opcode: '11100', of: comparing({ op: 'ge' }), scalar: true },
  { name: 'FCMGT', U: 1, a: 1, opcode: '11100', of: comparing({ op: 'gt' }), scalar: true },
  { name: 'FACGE', U: 1, a: 0, opcode: '11101', of: comparing({ op: 'ge', absolute: true }), scalar: true },
  { name: 'FACGT', U: 1, a: 1, opcode: '11101', of: comparing({ op: 'gt', absolute: true }), scalar: true },
  { name: 'FMAX', U: 0, a: 0, opcode: '11110', of: plain(MAX) },
  { name: 'FMIN', U: 0, a: 1, opcode: '11110', of: plain(MIN) },
  { name: 'FMAXP', U: 1, a: 0, opcode: '11110', of: plain(MAX), pairwise: true },
  { name: 'FMINP', U: 1, a: 1, opcode: '11110', of: plain(MIN), pairwise: true },
  { name: 'FRECPS', U: 0, a: 0, opcode: '11111', of: plain(RECPS), scalar: true },
  { name: 'FRSQRTS', U: 0, a: 1, opcode: '11111', of: plain(RSQRTS), scalar: true },
  { name: 'FDIV', U: 1, a: 0, opcode: '11111', of: plain(DIV) },
];

/** Rearranges two operands into the first and the second of each pair. */
function pair(k: FpView, x: Var<Bits>, y: Var<Bits>): [Var<Bits>, Var<Bits>] {
  const { c, shape } = k;
  if (shape === '2s' || shape === '4h') {
    x.set(joinLow(c, x.get(), y.get()) as Bits);
    y.set(x.get());
  }
  const size = k.isHalf ? 1 : shape === '2d' ? 3 : 2;
  const first = k.letBits(everySecond(c, size, x.get(), y.get(), 0) as Bits);
  const second = k.letBits(everySecond(c, size, x.get(), y.get(), 1) as Bits);
  return [first, second];
}

function emit(c: Emitter, { of, pairwise }: Row, shape: FpShape): void {
  c.requireFp();
  const k = fpView(c, shape);
  const x = k.read('b');
  const y = k.read('c');
  const [first, second] = pairwise ? pair(k, x, y) : [x, y];
  k.write('a', of(k, first, second));
}

const vectorRow = (row: Row): Insn =>
  insn(row.name, `0 Q:1 ${row.U} 01110 ${row.a} sz:1 1 Rm:5 ${row.opcode} 1 Rn:5 Rd:5`, {
    statics: VECTOR_STATICS,
    select: vectorPoint,
    operands: twoSources,
    emit: (c, { T }) => emit(c, row, T),
  });

const scalarRow = (row: Row): Insn =>
  insn(`${row.name}_scalar`, `01 ${row.U} 11110 ${row.a} sz:1 1 Rm:5 ${row.opcode} 1 Rn:5 Rd:5`, {
    statics: SCALAR_STATICS,
    select: scalarSimdPoint,
    operands: twoSources,
    emit: (c, { T }) => emit(c, row, T),
  });

/** The opcode of half precision is the lower part of the others'. */
const halfOpcode = ({ opcode }: Row): string => opcode.slice(2);

const halfVectorRow = (row: Row): Insn =>
  insn(`${row.name}_h`, `0 Q:1 ${row.U} 01110 ${row.a} 10 Rm:5 00 ${halfOpcode(row)} 1 Rn:5 Rd:5`, {
    statics: HALF_STATICS,
    select: halfPoint,
    operands: twoSources,
    emit: (c, { T }) => emit(c, row, T),
  });

const halfScalarRow = (row: Row): Insn =>
  insn(`${row.name}_scalar_h`, `01 ${row.U} 11110 ${row.a} 10 Rm:5 00 ${halfOpcode(row)} 1 Rn:5 Rd:5`, {
    operands: twoSources,
    emit: (c) => emit(c, row, 'h'),
  });

const SCALAR_ROWS = ROWS.filter(({ scalar }) => scalar);

export const SIMD_FP_THREE_SAME: readonly Insn[] = [
  ...ROWS.map(vectorRow),
  ...SCALAR_ROWS.map(scalarRow),
  ...ROWS.map(halfVectorRow),
  ...SCALAR_ROWS.map(halfScalarRow),
];
