/**
 * Operations on lanes of three registers, the destination among them. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD
 * three-register extension" and "scalar three same extra"; C7.2, SDOT, UDOT, SQRDMLAH, SQRDMLSH.
 */
import type { Emitter, V128, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import {
  allocated,
  type Arrangement,
  HALVES_AND_WORDS,
  scalarArrangement,
  type Shape,
  SHAPES,
  vectorArrangement,
} from '../shared/arrangement.ts';
import { doublingMultiplyAccumulate } from '../shared/doubling-multiply.ts';
import { dotProduct } from '../shared/dot-product.ts';
import type { LaneBinary } from '../shared/lane-arithmetic.ts';
import { onlyLanes, setLanes } from '../shared/lanes.ts';
import { twoSources } from '../shared/vector-operands.ts';

interface Row {
  readonly name: string;
  readonly U: 0 | 1;
  readonly opcode: string;
  readonly of: LaneBinary;
  readonly vector: readonly Arrangement[];
  readonly scalar?: readonly Arrangement[];
}

const WORDS = ['2s', '4s'] as const;
const ROUNDING = { vector: HALVES_AND_WORDS, scalar: ['h', 's'] } as const;

const ROWS: readonly Row[] = [
  { name: 'SQRDMLAH', U: 1, opcode: '0000', of: doublingMultiplyAccumulate('add'), ...ROUNDING },
  { name: 'SQRDMLSH', U: 1, opcode: '0001', of: doublingMultiplyAccumulate('sub'), ...ROUNDING },
  { name: 'SDOT', U: 0, opcode: '0010', of: dotProduct('s'), vector: WORDS },
  { name: 'UDOT', U: 1, opcode: '0010', of: dotProduct('u'), vector: WORDS },
];

/** Lanes that do not count must not saturate. */
function emit(c: Emitter, of: LaneBinary, shape: Shape): void {
  c.requireFp();
  const read = (field: 'b' | 'c'): Var<V128> => c.letV128(onlyLanes(c, field, shape));
  setLanes(c, 'a', of(c, shape.size, read('b'), read('c')), shape);
}

const vectorRow = ({ name, U, opcode, of, vector }: Row): Insn =>
  insn(name, `0 Q:1 ${U} 01110 size:2 0 Rm:5 1 ${opcode} 1 Rn:5 Rd:5`, {
    statics: { T: vector },
    select: ({ size, Q }) => allocated(vector, vectorArrangement(size, Q)),
    operands: twoSources,
    emit: (c, { T }) => emit(c, of, SHAPES[T]),
  });

const scalarRow = ({ name, U, opcode, of }: Row, scalar: readonly Arrangement[]): Insn =>
  insn(`${name}_scalar`, `01 ${U} 11110 size:2 0 Rm:5 1 ${opcode} 1 Rn:5 Rd:5`, {
    statics: { T: scalar },
    select: ({ size }) => allocated(scalar, scalarArrangement(size)),
    operands: twoSources,
    emit: (c, { T }) => emit(c, of, SHAPES[T]),
  });

export const SIMD_THREE_SAME_EXTRA: readonly Insn[] = [
  ...ROWS.map(vectorRow),
  ...ROWS.flatMap((row) => (row.scalar ? [scalarRow(row, row.scalar)] : [])),
];
