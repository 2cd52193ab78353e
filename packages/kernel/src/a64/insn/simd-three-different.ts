/**
 * Long, wide and narrowing operations on two registers.
 * Source: Arm DDI 0487, C4.1.96 "Advanced SIMD three different" and "scalar three different"; C7.2 by name.
 */
import type { Size, V128 } from '../emitter.ts';
import { insn, type Insn } from '../pattern.ts';
import { BYTES_TO_WORDS, HALVES_AND_WORDS, type Arrangement } from '../shared/arrangement.ts';
import {
  longAdded,
  longDifference,
  longDoubled,
  longDoubledAccumulated,
  longProduct,
  longSubtracted,
  longSum,
  wider,
  type LaneLong,
} from '../shared/lane-long.ts';
import { onScalars, onVectors, type LaneAction, type LaneRow } from '../shared/lane-row.ts';
import {
  everySecond,
  laneBits,
  lanes,
  onlyLanes,
  partOf,
  setLanes,
  setPart,
  splat,
  widen,
} from '../shared/lanes.ts';
import { POLYNOMIAL_MULTIPLY_64, POLYNOMIAL_MULTIPLY_BYTES } from '../shared/polynomial.ts';
import { twoSources } from '../shared/vector-operands.ts';

interface Row extends LaneRow {
  /** On the shape of the narrow operand. */
  readonly act: LaneAction;
}

/** Operands of one size, result of twice that. */
const long =
  (of: LaneLong): LaneAction =>
  (c, shape) => {
    const isScalar = shape.bits < 64;
    const a = c.letV128(isScalar ? onlyLanes(c, 'b', shape) : c.vec('b'));
    const b = c.letV128(isScalar ? onlyLanes(c, 'c', shape) : c.vec('c'));
    const result = of(c, shape.size, partOf(shape), a, b);
    if (isScalar) setLanes(c, 'a', result, { size: wider(shape.size), bits: shape.bits === 16 ? 32 : 64 });
    else c.setVec('a', result);
  };

/** SADDW and relatives: the first operand is as wide as the result. */
const wide =
  (op: 'add' | 'sub', sign: 's' | 'u'): LaneAction =>
  (c, shape) => {
    const first = c.vec('b');
    const second = widen(c, shape.size, partOf(shape), sign, c.vec('c'));
    c.setVec('a', lanes(c, wider(shape.size))[op](first, second));
  };

/** ADDHN and relatives: the upper half of each lane of a sum, rounded by the lower half or not. */
const narrow =
  (op: 'add' | 'sub', rounding: boolean): LaneAction =>
  (c, shape) => {
    const size: Size = wider(shape.size);
    const ops = lanes(c, size);
    const sum = ops[op](c.vec('b'), c.vec('c'));
    const half = 1n << BigInt(laneBits(shape.size) - 1);
    const rounded = c.letV128(rounding ? ops.add(sum, splat(c, size, half)) : sum);
    const upper = everySecond(c, shape.size, rounded.get(), rounded.get(), 1);
    setPart(c, 'a', partOf(shape), upper);
  };

const polynomial: LaneLong = (c, size, part, a, b) => {
  if (size === 3) {
    const lane = part === 'low' ? 0 : 1;
    const first = c.i64x2.extract_lane(a.get(), lane);
    return c.call(POLYNOMIAL_MULTIPLY_64, first, c.i64x2.extract_lane(b.get(), lane));
  }
  const first = widen(c, 0, part, 'u', a.get());
  const second: V128 = c.i16x8.shl(widen(c, 0, part, 'u', b.get()), c.i32.const(8));
  return c.call(POLYNOMIAL_MULTIPLY_BYTES, first, second);
};

const DOUBLING = { vector: HALVES_AND_WORDS, scalar: ['h', 's'] } as const;
const BYTES_AND_DOUBLES = ['8b', '16b', '1d', '2d'] as const;

const ROWS: readonly Row[] = [
  { name: 'SADDL', U: '0', opcode: '0000', vector: BYTES_TO_WORDS, act: long(longSum('add', 's')) },
  { name: 'UADDL', U: '1', opcode: '0000', vector: BYTES_TO_WORDS, act: long(longSum('add', 'u')) },
  { name: 'SADDW', U: '0', opcode: '0001', vector: BYTES_TO_WORDS, act: wide('add', 's') },
  { name: 'UADDW', U: '1', opcode: '0001', vector: BYTES_TO_WORDS, act: wide('add', 'u') },
  { name: 'SSUBL', U: '0', opcode: '0010', vector: BYTES_TO_WORDS, act: long(longSum('sub', 's')) },
  { name: 'USUBL', U: '1', opcode: '0010', vector: BYTES_TO_WORDS, act: long(longSum('sub', 'u')) },
  { name: 'SSUBW', U: '0', opcode: '0011', vector: BYTES_TO_WORDS, act: wide('sub', 's') },
  { name: 'USUBW', U: '1', opcode: '0011', vector: BYTES_TO_WORDS, act: wide('sub', 'u') },
  { name: 'ADDHN', U: '0', opcode: '0100', vector: BYTES_TO_WORDS, act: narrow('add', false) },
  { name: 'RADDHN', U: '1', opcode: '0100', vector: BYTES_TO_WORDS, act: narrow('add', true) },
  {
    name: 'SABAL',
    U: '0',
    opcode: '0101',
    vector: BYTES_TO_WORDS,
    act: long(longAdded(longDifference('s'))),
  },
  {
    name: 'UABAL',
    U: '1',
    opcode: '0101',
    vector: BYTES_TO_WORDS,
    act: long(longAdded(longDifference('u'))),
  },
  { name: 'SUBHN', U: '0', opcode: '0110', vector: BYTES_TO_WORDS, act: narrow('sub', false) },
  { name: 'RSUBHN', U: '1', opcode: '0110', vector: BYTES_TO_WORDS, act: narrow('sub', true) },
  { name: 'SABDL', U: '0', opcode: '0111', vector: BYTES_TO_WORDS, act: long(longDifference('s')) },
  { name: 'UABDL', U: '1', opcode: '0111', vector: BYTES_TO_WORDS, act: long(longDifference('u')) },
  { name: 'SMLAL', U: '0', opcode: '1000', vector: BYTES_TO_WORDS, act: long(longAdded(longProduct('s'))) },
  { name: 'UMLAL', U: '1', opcode: '1000', vector: BYTES_TO_WORDS, act: long(longAdded(longProduct('u'))) },
  { name: 'SQDMLAL', U: '0', opcode: '1001', ...DOUBLING, act: long(longDoubledAccumulated('add')) },
  {
    name: 'SMLSL',
    U: '0',
    opcode: '1010',
    vector: BYTES_TO_WORDS,
    act: long(longSubtracted(longProduct('s'))),
  },
  {
    name: 'UMLSL',
    U: '1',
    opcode: '1010',
    vector: BYTES_TO_WORDS,
    act: long(longSubtracted(longProduct('u'))),
  },
  { name: 'SQDMLSL', U: '0', opcode: '1011', ...DOUBLING, act: long(longDoubledAccumulated('sub')) },
  { name: 'SMULL', U: '0', opcode: '1100', vector: BYTES_TO_WORDS, act: long(longProduct('s')) },
  { name: 'UMULL', U: '1', opcode: '1100', vector: BYTES_TO_WORDS, act: long(longProduct('u')) },
  { name: 'SQDMULL', U: '0', opcode: '1101', ...DOUBLING, act: long(longDoubled) },
  { name: 'PMULL', U: '0', opcode: '1110', vector: BYTES_AND_DOUBLES, act: long(polynomial) },
];

const vectorRow = ({ name, U, opcode, vector: arrangements, act }: Row): Insn =>
  insn(name, `0 Q:1 ${U} 01110 size:2 1 Rm:5 ${opcode} 00 Rn:5 Rd:5`, {
    ...onVectors(arrangements, act),
    operands: twoSources,
  });

const scalarRow = ({ name, U, opcode, act }: Row, arrangements: readonly Arrangement[]): Insn =>
  insn(`${name}_scalar`, `01 ${U} 11110 size:2 1 Rm:5 ${opcode} 00 Rn:5 Rd:5`, {
    ...onScalars(arrangements, act),
    operands: twoSources,
  });

export const SIMD_THREE_DIFFERENT: readonly Insn[] = [
  ...ROWS.map(vectorRow),
  ...ROWS.flatMap((row) => (row.scalar ? [scalarRow(row, row.scalar)] : [])),
];
