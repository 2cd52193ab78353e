/**
 * One result out of all lanes of a register.
 * Source: Arm DDI 0487, C4.1.96 "Advanced SIMD across lanes", "scalar pairwise"; C7.2, ADDP (scalar), ADDV, SADDLV,
 * SMAXV, SMINV, UADDLV, UMAXV, UMINV.
 */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { insn, type Insn } from '../pattern.ts';
import type { Shape } from '../shared/arrangement.ts';
import { extreme, type LaneBinary, type Sign } from '../shared/lane-arithmetic.ts';
import { pairwiseLong, wider } from '../shared/lane-long.ts';
import { onVectors, type LaneAction } from '../shared/lane-row.ts';
import { joinLow, laneBits, lanes, onlyLanes, setLanes } from '../shared/lanes.ts';
import { oneSource } from '../shared/vector-operands.ts';

const ARRANGEMENTS = ['8b', '16b', '4h', '8h', '4s'] as const;

/** Combines halves, quarters and so on, down to one lane: lane 0 of the result. */
function fold(c: Emitter, size: Size, value: Var<V128>, of: LaneBinary): V128 {
  for (let distance = 8; distance >= 1 << size; distance >>= 1) {
    const rotated = Array.from({ length: 16 }, (_, i) => (i + distance) & 15);
    const other = c.letV128(c.i8x16.shuffle(value.get(), value.get(), rotated));
    value.set(of(c, size, value, other));
  }
  return value.get();
}

const add: LaneBinary = (c, size, a, b) => lanes(c, size).add(a.get(), b.get());

const laneShape = (size: Size): Shape => ({ size, bits: laneBits(size) });

/** ADDV: lanes that do not count read as 0. */
const sum = (c: Emitter, shape: Shape): void => {
  const value = c.letV128(onlyLanes(c, 'b', shape));
  setLanes(c, 'a', fold(c, shape.size, value, add), laneShape(shape.size));
};

/** SADDLV, UADDLV: sums of neighbours fit lanes of twice the size, and so does the sum of all. */
const longSum =
  (sign: Sign) =>
  (c: Emitter, shape: Shape): void => {
    const size = wider(shape.size);
    const value = c.letV128(pairwiseLong(c, shape.size, sign, onlyLanes(c, 'b', shape)));
    setLanes(c, 'a', fold(c, size, value, add), laneShape(size));
  };

/** SMAXV and relatives: a half that does not count is replaced by the one that does. */
const extremeOf =
  (which: 'min' | 'max', sign: Sign) =>
  (c: Emitter, { size, bits }: Shape): void => {
    const value = c.letV128(bits === 64 ? joinLow(c, c.vec('b'), c.vec('b')) : c.vec('b'));
    setLanes(c, 'a', fold(c, size, value, extreme(which, sign)), laneShape(size));
  };

interface Row {
  readonly name: string;
  readonly U: '0' | '1';
  readonly opcode: string;
  readonly act: LaneAction;
}

const ROWS: readonly Row[] = [
  { name: 'SADDLV', U: '0', opcode: '00011', act: longSum('s') },
  { name: 'UADDLV', U: '1', opcode: '00011', act: longSum('u') },
  { name: 'SMAXV', U: '0', opcode: '01010', act: extremeOf('max', 's') },
  { name: 'UMAXV', U: '1', opcode: '01010', act: extremeOf('max', 'u') },
  { name: 'SMINV', U: '0', opcode: '11010', act: extremeOf('min', 's') },
  { name: 'UMINV', U: '1', opcode: '11010', act: extremeOf('min', 'u') },
  { name: 'ADDV', U: '0', opcode: '11011', act: sum },
];

const acrossRow = ({ name, U, opcode, act }: Row): Insn =>
  insn(name, `0 Q:1 ${U} 01110 size:2 11000 ${opcode} 10 Rn:5 Rd:5`, {
    ...onVectors(ARRANGEMENTS, act),
    operands: oneSource,
  });

/** ADDP (scalar). */
const addPair = insn('ADDP_scalar', '01 0 11110 11 11000 11011 10 Rn:5 Rd:5', {
  operands: oneSource,
  emit: (c) => {
    c.requireFp();
    const both = c.letV128(c.vec('b'));
    const low = c.i64x2.extract_lane(both.get(), 0);
    c.setVecLow('a', c.i64.add(low, c.i64x2.extract_lane(both.get(), 1)));
  },
});

export const SIMD_ACROSS_LANES: readonly Insn[] = [...ROWS.map(acrossRow), addPair];
