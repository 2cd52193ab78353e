/**
 * Rearranges bytes and lanes. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD permute", "extract", "table lookup";
 * C7.2, EXT, TBL, TBX, TRN1, TRN2, UZP1, UZP2, ZIP1, ZIP2.
 */
import type { Emitter, Size, V128 } from '../emitter.ts';
import { insn, vector, type Insn } from '../pattern.ts';
import { ALL_VECTORS, allocated, SHAPES, vectorArrangement } from '../shared/arrangement.ts';
import { byteNumbers, joinLow, laneBytes, setLanes, splat } from '../shared/lanes.ts';
import { twoSources } from '../shared/vector-operands.ts';

/**
 * For each permutation its `opcode`, and the lane of `Vn:Vm` (that is, `i` of Vn or `count + i` of Vm) that lane `i`
 * of the result takes.
 */
const PERMUTATIONS = [
  { name: 'UZP1', opcode: '001', pick: (i: number) => 2 * i },
  { name: 'TRN1', opcode: '010', pick: (i: number, count: number) => (i & 1) * count + (i & ~1) },
  { name: 'ZIP1', opcode: '011', pick: (i: number, count: number) => (i & 1) * count + (i >> 1) },
  { name: 'UZP2', opcode: '101', pick: (i: number) => 2 * i + 1 },
  { name: 'TRN2', opcode: '110', pick: (i: number, count: number) => (i & 1) * count + (i | 1) },
  { name: 'ZIP2', opcode: '111', pick: (i: number, count: number) => (i & 1) * count + count / 2 + (i >> 1) },
] as const;

/** Byte numbers for a shuffle of two whole registers, of which `bits` count. */
function shuffleOf(pick: (i: number, count: number) => number, size: Size, bits: number): number[] {
  const count = bits >> (3 + size);
  const inRegisters = (lane: number): number => (lane < count ? lane : lane - count + (16 >> size));
  const picks = Array.from({ length: count }, (_, i) => inRegisters(pick(i, count)));
  const bytes = laneBytes(size, picks);
  return bits === 128 ? bytes : [...bytes, ...bytes];
}

const permuteRow = ({ name, opcode, pick }: (typeof PERMUTATIONS)[number]): Insn =>
  insn(name, `0 Q:1 001110 size:2 0 Rm:5 0 ${opcode} 10 Rn:5 Rd:5`, {
    statics: { T: ALL_VECTORS },
    select: ({ size, Q }) => allocated(ALL_VECTORS, vectorArrangement(size, Q)),
    operands: twoSources,
    emit: (c, { T }) => {
      c.requireFp();
      const { size, bits } = SHAPES[T];
      setLanes(c, 'a', c.i8x16.shuffle(c.vec('b'), c.vec('c'), shuffleOf(pick, size, bits)), SHAPES[T]);
    },
  });

/** EXT. */
const ext = insn('EXT', '0 Q:1 101110000 Rm:5 0 imm4:4 0 Rn:5 Rd:5', {
  statics: { bits: [64, 128] },
  select: ({ Q, imm4 }) => (!Q && imm4 & 8 ? null : { bits: Q ? 128 : 64 }),
  operands: ({ Rm, imm4, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), c: vector(Rm), imm: imm4 }),
  emit: (c, { bits }) => {
    c.requireFp();
    const picks = c.letV128(c.i8x16.add(c.i8x16.splat(c.imm32()), byteNumbers(c)));
    if (bits === 64) {
      const both = joinLow(c, c.vec('b'), c.vec('c'));
      c.setVecLow('a', c.i64x2.extract_lane(c.i8x16.swizzle(both, picks.get()), 0));
      return;
    }
    // A byte number out of a register's range reads as 0, so each half contributes where the other does not.
    const low = c.i8x16.swizzle(c.vec('b'), picks.get());
    const high = c.i8x16.swizzle(c.vec('c'), c.i8x16.sub(picks.get(), splat(c, 0, 16n)));
    c.setVec('a', c.v128.or(low, high));
  },
});

const TABLE_LENGTHS = [1, 2, 3, 4] as const;

/** Byte `picks[i]` of a table of `length` registers, 0 where there is none. */
function lookUp(c: Emitter, length: (typeof TABLE_LENGTHS)[number], picks: () => V128): V128 {
  let result = c.i8x16.swizzle(c.vec('b'), picks());
  for (let n = 1; n < length; n++) {
    const table = c.vecAfter('b', n);
    const part = c.i8x16.swizzle(table, c.i8x16.sub(picks(), splat(c, 0, BigInt(16 * n))));
    result = c.v128.or(result, part);
  }
  return result;
}

/** TBL, TBX. */
const table = insn('TBL_TBX', '0 Q:1 001110000 Rm:5 0 len:2 extend:1 00 Rn:5 Rd:5', {
  statics: { length: TABLE_LENGTHS, extend: [false, true], bits: [64, 128] },
  select: ({ Q, len, extend }) => ({
    length: TABLE_LENGTHS[len]!,
    extend: extend === 1,
    bits: Q ? 128 : 64,
  }),
  operands: twoSources,
  emit: (c, { length, extend, bits }) => {
    c.requireFp();
    const picks = c.letV128(c.vec('c'));
    const found = lookUp(c, length, () => picks.get());
    // TBX keeps the byte of the destination where the table has none.
    const result = extend
      ? c.v128.bitselect(found, c.vec('a'), c.i8x16.lt_u(picks.get(), splat(c, 0, BigInt(16 * length))))
      : found;
    setLanes(c, 'a', result, { size: 0, bits });
  },
});

export const SIMD_PERMUTE: readonly Insn[] = [...PERMUTATIONS.map(permuteRow), ext, table];
