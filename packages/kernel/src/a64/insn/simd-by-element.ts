/**
 * Products with one lane of the second operand.
 * Source: Arm DDI 0487, C4.1.96 "Advanced SIMD vector x indexed element", "scalar x indexed element"; C7.2 by name.
 */
import type { Emitter } from '../emitter.ts';
import { insn, vector, type Insn } from '../pattern.ts';
import {
  allocated,
  HALVES_AND_WORDS,
  scalarArrangement,
  SHAPES,
  vectorArrangement,
  type Shape,
} from '../shared/arrangement.ts';
import { doublingMultiplyAccumulate, doublingMultiplyHigh } from '../shared/doubling-multiply.ts';
import { dotProduct } from '../shared/dot-product.ts';
import { addedTo, multiply, subtractedFrom, type LaneBinary } from '../shared/lane-arithmetic.ts';
import {
  longAdded,
  longDoubled,
  longDoubledAccumulated,
  longProduct,
  longSubtracted,
  wider,
  type LaneLong,
} from '../shared/lane-long.ts';
import { onlyLanes, partOf, repeatedLane, setLanes, swizzled } from '../shared/lanes.ts';

interface Row {
  readonly name: string;
  readonly U: '0' | '1';
  readonly opcode: string;
  /** Halves and words, if absent. */
  readonly T?: readonly (typeof HALVES_AND_WORDS)[number][];
  readonly hasScalar?: true;
  /** The operation, whose results are as wide as the operands or twice as wide. */
  readonly same?: LaneBinary;
  readonly long?: LaneLong;
}

const WORDS = ['2s', '4s'] as const;

const ROWS: readonly Row[] = [
  { name: 'MLA', U: '1', opcode: '0000', same: addedTo(multiply) },
  { name: 'SMLAL', U: '0', opcode: '0010', long: longAdded(longProduct('s')) },
  { name: 'UMLAL', U: '1', opcode: '0010', long: longAdded(longProduct('u')) },
  { name: 'SQDMLAL', U: '0', opcode: '0011', long: longDoubledAccumulated('add'), hasScalar: true },
  { name: 'MLS', U: '1', opcode: '0100', same: subtractedFrom(multiply) },
  { name: 'SMLSL', U: '0', opcode: '0110', long: longSubtracted(longProduct('s')) },
  { name: 'UMLSL', U: '1', opcode: '0110', long: longSubtracted(longProduct('u')) },
  { name: 'SQDMLSL', U: '0', opcode: '0111', long: longDoubledAccumulated('sub'), hasScalar: true },
  { name: 'MUL', U: '0', opcode: '1000', same: multiply },
  { name: 'SMULL', U: '0', opcode: '1010', long: longProduct('s') },
  { name: 'UMULL', U: '1', opcode: '1010', long: longProduct('u') },
  { name: 'SQDMULL', U: '0', opcode: '1011', long: longDoubled, hasScalar: true },
  { name: 'SQDMULH', U: '0', opcode: '1100', same: doublingMultiplyHigh(false), hasScalar: true },
  { name: 'SQRDMULH', U: '0', opcode: '1101', same: doublingMultiplyHigh(true), hasScalar: true },
  { name: 'SQRDMLAH', U: '1', opcode: '1101', same: doublingMultiplyAccumulate('add'), hasScalar: true },
  { name: 'SDOT', U: '0', opcode: '1110', same: dotProduct('s'), T: WORDS },
  { name: 'UDOT', U: '1', opcode: '1110', same: dotProduct('u'), T: WORDS },
  { name: 'SQRDMLSH', U: '1', opcode: '1111', same: doublingMultiplyAccumulate('sub'), hasScalar: true },
];

/** The register and lane of the second operand: H:L:M and four bits of number, or H:L and five. */
function element(
  size: number,
  L: number,
  M: number,
  Rm: number,
  H: number,
): { c: number; immLow: number; immHigh: number } {
  const isHalf = size === 1;
  const lane = isHalf ? (H << 2) | (L << 1) | M : (H << 1) | L;
  return { c: vector(isHalf ? Rm : (M << 4) | Rm), ...repeatedLane(size, lane << size) };
}

function emit(c: Emitter, { same, long }: Row, shape: Shape): void {
  c.requireFp();
  const { size, bits } = shape;
  // A long operation reads half of the operand, whichever it is; lanes above a scalar or a half must not saturate.
  const first = c.letV128(long && bits >= 64 ? c.vec('b') : onlyLanes(c, 'b', shape));
  const second = c.letV128(swizzled(c, 'c'));
  if (same) setLanes(c, 'a', same(c, size, first, second), shape);
  else if (long) {
    const result = long(c, size, partOf(shape), first, second);
    if (bits >= 64) c.setVec('a', result);
    else setLanes(c, 'a', result, { size: wider(size), bits: bits === 16 ? 32 : 64 });
  }
}

const vectorRow = ({ T: arrangements = HALVES_AND_WORDS, ...row }: Row): Insn =>
  insn(`${row.name}_elt`, `0 Q:1 ${row.U} 01111 size:2 L:1 M:1 Rm:4 ${row.opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { T: arrangements },
    select: ({ size, Q }) => allocated(arrangements, vectorArrangement(size, Q)),
    operands: ({ size, L, M, Rm, H, Rn, Rd }) => ({
      a: vector(Rd),
      b: vector(Rn),
      ...element(size, L, M, Rm, H),
    }),
    emit: (c, { T }) => emit(c, row, SHAPES[T]),
  });

const SCALARS = ['h', 's'] as const;

const scalarRow = (row: Row): Insn =>
  insn(`${row.name}_elt_scalar`, `01 ${row.U} 11111 size:2 L:1 M:1 Rm:4 ${row.opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { T: SCALARS },
    select: ({ size }) => allocated(SCALARS, scalarArrangement(size)),
    operands: ({ size, L, M, Rm, H, Rn, Rd }) => ({
      a: vector(Rd),
      b: vector(Rn),
      ...element(size, L, M, Rm, H),
    }),
    emit: (c, { T }) => emit(c, row, SHAPES[T]),
  });

export const SIMD_BY_ELEMENT: readonly Insn[] = [
  ...ROWS.map(vectorRow),
  ...ROWS.filter((row) => row.hasScalar).map(scalarRow),
];
