/**
 * Integer operations on the lanes of two registers of one shape.
 * Source: Arm DDI 0487, C4.1.96 "Advanced SIMD three same" and "scalar three same"; C7.2 by name.
 */
import type { Emitter, V128 } from '../emitter.ts';
import { insn, type Insn } from '../pattern.ts';
import {
  ALL_SCALARS,
  ALL_VECTORS,
  BYTES,
  BYTES_TO_WORDS,
  HALVES_AND_WORDS,
  type Arrangement,
  type Shape,
} from '../shared/arrangement.ts';
import {
  absoluteDifference,
  addedTo,
  exceedsUnsigned,
  extreme,
  halvingAdd,
  halvingSubtract,
  multiply,
  reachesUnsigned,
  roundingHalvingAdd,
  subtractedFrom,
  testBits,
  type LaneBinary,
} from '../shared/lane-arithmetic.ts';
import { doublingMultiplyHigh } from '../shared/doubling-multiply.ts';
import { POLYNOMIAL_MULTIPLY } from '../shared/polynomial.ts';
import { shiftByLane } from '../shared/lane-shift.ts';
import { onScalars, onVectors, type LaneRow } from '../shared/lane-row.ts';
import { everySecond, joinLow, lanes, onlyLanes, setLanes } from '../shared/lanes.ts';
import { addSigned, addUnsigned, subtractSigned, subtractUnsigned } from '../shared/saturation.ts';
import { twoSources } from '../shared/vector-operands.ts';

interface Row extends LaneRow {
  readonly of: LaneBinary;
  /** Sets FPSR.QC, so lanes that do not count must read as 0. */
  readonly saturates?: true;
  /** On neighbours within the first operand, then within the second. */
  readonly pairwise?: true;
}

const add: LaneBinary = (c, size, a, b) => lanes(c, size).add(a.get(), b.get());
const subtract: LaneBinary = (c, size, a, b) => lanes(c, size).sub(a.get(), b.get());

const compare =
  (op: 'eq' | 'ge_s' | 'gt_s'): LaneBinary =>
  (c, size, a, b) =>
    lanes(c, size)[op](a.get(), b.get());

const multiplyPolynomials: LaneBinary = (c, _size, a, b) => c.call(POLYNOMIAL_MULTIPLY, a.get(), b.get());

const ROUND = { rounding: true } as const;
const SATURATE = { saturating: true } as const;
const ROUND_SATURATE = { rounding: true, saturating: true } as const;

const ANY = { vector: ALL_VECTORS, scalar: ['d'] } as const;
const SATURATING = { vector: ALL_VECTORS, scalar: ALL_SCALARS, saturates: true } as const;
const DOUBLING = { vector: HALVES_AND_WORDS, scalar: ['h', 's'], saturates: true } as const;

const ROWS: readonly Row[] = [
  { name: 'SHADD', U: '0', opcode: '00000', vector: BYTES_TO_WORDS, of: halvingAdd('s') },
  { name: 'UHADD', U: '1', opcode: '00000', vector: BYTES_TO_WORDS, of: halvingAdd('u') },
  { name: 'SQADD', U: '0', opcode: '00001', ...SATURATING, of: addSigned },
  { name: 'UQADD', U: '1', opcode: '00001', ...SATURATING, of: addUnsigned },
  { name: 'SRHADD', U: '0', opcode: '00010', vector: BYTES_TO_WORDS, of: roundingHalvingAdd('s') },
  { name: 'URHADD', U: '1', opcode: '00010', vector: BYTES_TO_WORDS, of: roundingHalvingAdd('u') },
  { name: 'SHSUB', U: '0', opcode: '00100', vector: BYTES_TO_WORDS, of: halvingSubtract('s') },
  { name: 'UHSUB', U: '1', opcode: '00100', vector: BYTES_TO_WORDS, of: halvingSubtract('u') },
  { name: 'SQSUB', U: '0', opcode: '00101', ...SATURATING, of: subtractSigned },
  { name: 'UQSUB', U: '1', opcode: '00101', ...SATURATING, of: subtractUnsigned },
  { name: 'CMGT', U: '0', opcode: '00110', ...ANY, of: compare('gt_s') },
  { name: 'CMHI', U: '1', opcode: '00110', ...ANY, of: exceedsUnsigned },
  { name: 'CMGE', U: '0', opcode: '00111', ...ANY, of: compare('ge_s') },
  { name: 'CMHS', U: '1', opcode: '00111', ...ANY, of: reachesUnsigned },
  { name: 'SSHL', U: '0', opcode: '01000', ...ANY, of: shiftByLane('s') },
  { name: 'USHL', U: '1', opcode: '01000', ...ANY, of: shiftByLane('u') },
  { name: 'SQSHL', U: '0', opcode: '01001', ...SATURATING, of: shiftByLane('s', SATURATE) },
  { name: 'UQSHL', U: '1', opcode: '01001', ...SATURATING, of: shiftByLane('u', SATURATE) },
  { name: 'SRSHL', U: '0', opcode: '01010', ...ANY, of: shiftByLane('s', ROUND) },
  { name: 'URSHL', U: '1', opcode: '01010', ...ANY, of: shiftByLane('u', ROUND) },
  { name: 'SQRSHL', U: '0', opcode: '01011', ...SATURATING, of: shiftByLane('s', ROUND_SATURATE) },
  { name: 'UQRSHL', U: '1', opcode: '01011', ...SATURATING, of: shiftByLane('u', ROUND_SATURATE) },
  { name: 'SMAX', U: '0', opcode: '01100', vector: BYTES_TO_WORDS, of: extreme('max', 's') },
  { name: 'UMAX', U: '1', opcode: '01100', vector: BYTES_TO_WORDS, of: extreme('max', 'u') },
  { name: 'SMIN', U: '0', opcode: '01101', vector: BYTES_TO_WORDS, of: extreme('min', 's') },
  { name: 'UMIN', U: '1', opcode: '01101', vector: BYTES_TO_WORDS, of: extreme('min', 'u') },
  { name: 'SABD', U: '0', opcode: '01110', vector: BYTES_TO_WORDS, of: absoluteDifference('s') },
  { name: 'UABD', U: '1', opcode: '01110', vector: BYTES_TO_WORDS, of: absoluteDifference('u') },
  { name: 'SABA', U: '0', opcode: '01111', vector: BYTES_TO_WORDS, of: addedTo(absoluteDifference('s')) },
  { name: 'UABA', U: '1', opcode: '01111', vector: BYTES_TO_WORDS, of: addedTo(absoluteDifference('u')) },
  { name: 'ADD', U: '0', opcode: '10000', ...ANY, of: add },
  { name: 'SUB', U: '1', opcode: '10000', ...ANY, of: subtract },
  { name: 'CMTST', U: '0', opcode: '10001', ...ANY, of: testBits },
  { name: 'CMEQ', U: '1', opcode: '10001', ...ANY, of: compare('eq') },
  { name: 'MLA', U: '0', opcode: '10010', vector: BYTES_TO_WORDS, of: addedTo(multiply) },
  { name: 'MLS', U: '1', opcode: '10010', vector: BYTES_TO_WORDS, of: subtractedFrom(multiply) },
  { name: 'MUL', U: '0', opcode: '10011', vector: BYTES_TO_WORDS, of: multiply },
  { name: 'PMUL', U: '1', opcode: '10011', vector: BYTES, of: multiplyPolynomials },
  { name: 'SMAXP', U: '0', opcode: '10100', vector: BYTES_TO_WORDS, of: extreme('max', 's'), pairwise: true },
  { name: 'UMAXP', U: '1', opcode: '10100', vector: BYTES_TO_WORDS, of: extreme('max', 'u'), pairwise: true },
  { name: 'SMINP', U: '0', opcode: '10101', vector: BYTES_TO_WORDS, of: extreme('min', 's'), pairwise: true },
  { name: 'UMINP', U: '1', opcode: '10101', vector: BYTES_TO_WORDS, of: extreme('min', 'u'), pairwise: true },
  { name: 'SQDMULH', U: '0', opcode: '10110', ...DOUBLING, of: doublingMultiplyHigh(false) },
  { name: 'SQRDMULH', U: '1', opcode: '10110', ...DOUBLING, of: doublingMultiplyHigh(true) },
  { name: 'ADDP', U: '0', opcode: '10111', vector: ALL_VECTORS, of: add, pairwise: true },
];

function act(c: Emitter, row: Row, shape: Shape): void {
  const read = (field: 'b' | 'c'): V128 => (row.saturates ? onlyLanes(c, field, shape) : c.vec(field));
  let first = c.letV128(read('b'));
  let second = c.letV128(read('c'));
  if (row.pairwise) {
    if (shape.bits === 64) {
      first.set(joinLow(c, first.get(), second.get()));
      second = first;
    }
    const even = c.letV128(everySecond(c, shape.size, first.get(), second.get(), 0));
    second = c.letV128(everySecond(c, shape.size, first.get(), second.get(), 1));
    first = even;
  }
  setLanes(c, 'a', row.of(c, shape.size, first, second), shape);
}

const vectorRow = (row: Row): Insn =>
  insn(row.name, `0 Q:1 ${row.U} 01110 size:2 1 Rm:5 ${row.opcode} 1 Rn:5 Rd:5`, {
    ...onVectors(row.vector, (c, shape) => act(c, row, shape)),
    operands: twoSources,
  });

const scalarRow = (row: Row, scalar: readonly Arrangement[]): Insn =>
  insn(`${row.name}_scalar`, `01 ${row.U} 11110 size:2 1 Rm:5 ${row.opcode} 1 Rn:5 Rd:5`, {
    ...onScalars(scalar, (c, shape) => act(c, row, shape)),
    operands: twoSources,
  });

export const SIMD_THREE_SAME: readonly Insn[] = [
  ...ROWS.map(vectorRow),
  ...ROWS.flatMap((row) => (row.scalar ? [scalarRow(row, row.scalar)] : [])),
];
