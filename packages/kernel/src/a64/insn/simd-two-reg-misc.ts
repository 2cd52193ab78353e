/**
 * Integer operations on the lanes of one register.
 * Source: Arm DDI 0487, C4.1.96 "Advanced SIMD two-register miscellaneous", "scalar two-register miscellaneous";
 * C7.2 by name.
 */
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { insn, type Insn } from '../pattern.ts';
import {
  ALL_SCALARS,
  ALL_VECTORS,
  BYTES,
  BYTES_TO_WORDS,
  SHAPES,
  type Arrangement,
} from '../shared/arrangement.ts';
import { bitCount, leadingSignBits, leadingZeros, reversedBits } from '../shared/lane-bits.ts';
import type { LaneBinary, Sign } from '../shared/lane-arithmetic.ts';
import { pairwiseLong, wider } from '../shared/lane-long.ts';
import { onScalars, onVectors, type LaneAction, type LaneRow } from '../shared/lane-row.ts';
import {
  everySecond,
  laneBits,
  lanes,
  onlyLanes,
  partOf,
  setLanes,
  setPart,
  widen,
  zeros,
} from '../shared/lanes.ts';
import {
  absolute,
  addSignedToUnsigned,
  addUnsignedToSigned,
  negated,
  saturateToHalf,
  type Narrowing,
} from '../shared/saturation.ts';
import { oneSource } from '../shared/vector-operands.ts';

interface Row extends LaneRow {
  readonly act: LaneAction;
}

type LaneUnary = (c: Emitter, size: Size, value: Var<V128>) => V128;

/** A result of the operand's shape. */
const each =
  (of: LaneUnary): LaneAction =>
  (c, shape) =>
    setLanes(c, 'a', of(c, shape.size, c.letV128(c.vec('b'))), shape);

/** As {@link each}; sets FPSR.QC, so lanes that do not count read as 0. */
const eachSaturating =
  (of: LaneUnary): LaneAction =>
  (c, shape) =>
    setLanes(c, 'a', of(c, shape.size, c.letV128(onlyLanes(c, 'b', shape))), shape);

const compareZero = (op: 'eq' | 'ge_s' | 'gt_s' | 'le_s' | 'lt_s'): LaneAction =>
  each((c, size, value) => lanes(c, size)[op](value.get(), zeros(c)));

/** Lanes in reverse order within containers of `container` bytes. */
const reversed = (container: 2 | 4 | 8): LaneAction =>
  each((c, size, value) => {
    const flip = container - (1 << size);
    const picks = Array.from({ length: 16 }, (_, byte) => byte ^ flip);
    return c.i8x16.shuffle(value.get(), value.get(), picks);
  });

/** SADDLP, UADDLP. */
const pairs =
  (sign: Sign): LaneAction =>
  (c, shape) =>
    setLanes(c, 'a', pairwiseLong(c, shape.size, sign, c.vec('b')), shape);

/** SADALP, UADALP. */
const pairsAccumulated =
  (sign: Sign): LaneAction =>
  (c, shape) => {
    const sums = c.letV128(pairwiseLong(c, shape.size, sign, c.vec('b')));
    setLanes(c, 'a', lanes(c, wider(shape.size)).add(c.vec('a'), sums.get()), shape);
  };

/** SUQADD, USQADD: the operand to the destination. */
const saturatingAccumulate =
  (of: LaneBinary): LaneAction =>
  (c, shape) => {
    const value = c.letV128(onlyLanes(c, 'b', shape));
    const destination = c.letV128(onlyLanes(c, 'a', shape));
    setLanes(c, 'a', of(c, shape.size, value, destination), shape);
  };

/** XTN, SQXTN, UQXTN, SQXTUN: `T` is that of the narrow result. */
const narrowed =
  (narrowing: Narrowing): LaneAction =>
  (c, shape) => {
    const isScalar = shape.bits < 64;
    const size = wider(shape.size);
    const operand = isScalar ? onlyLanes(c, 'b', { size, bits: laneBits(size) }) : c.vec('b');
    const limited = saturateToHalf(c, size, c.letV128(operand), narrowing);
    if (isScalar) {
      setLanes(c, 'a', limited, shape);
      return;
    }
    const both = c.letV128(limited);
    setPart(c, 'a', partOf(shape), everySecond(c, shape.size, both.get(), both.get(), 0));
  };

/** SHLL: by the size of the narrow lane. */
const shiftedLong: LaneAction = (c, shape) => {
  const wide = widen(c, shape.size, partOf(shape), 'u', c.vec('b'));
  c.setVec('a', lanes(c, wider(shape.size)).shl(wide, c.i32.const(laneBits(shape.size))));
};

const magnitude: LaneUnary = (c, size, value) => lanes(c, size).abs(value.get());
const opposite: LaneUnary = (c, size, value) => lanes(c, size).neg(value.get());

const ANY = { vector: ALL_VECTORS, scalar: ['d'] } as const;
const SATURATING = { vector: ALL_VECTORS, scalar: ALL_SCALARS } as const;
const NARROWING = { vector: BYTES_TO_WORDS, scalar: ['b', 'h', 's'] } as const;
const BYTES_AND_HALVES = ['8b', '16b', '4h', '8h'] as const;

const ROWS: readonly Row[] = [
  { name: 'REV64', U: '0', opcode: '00000', vector: BYTES_TO_WORDS, act: reversed(8) },
  { name: 'REV32', U: '1', opcode: '00000', vector: BYTES_AND_HALVES, act: reversed(4) },
  { name: 'REV16', U: '0', opcode: '00001', vector: BYTES, act: reversed(2) },
  { name: 'SADDLP', U: '0', opcode: '00010', vector: BYTES_TO_WORDS, act: pairs('s') },
  { name: 'UADDLP', U: '1', opcode: '00010', vector: BYTES_TO_WORDS, act: pairs('u') },
  { name: 'SUQADD', U: '0', opcode: '00011', ...SATURATING, act: saturatingAccumulate(addUnsignedToSigned) },
  { name: 'USQADD', U: '1', opcode: '00011', ...SATURATING, act: saturatingAccumulate(addSignedToUnsigned) },
  { name: 'CLS', U: '0', opcode: '00100', vector: BYTES_TO_WORDS, act: each(leadingSignBits) },
  { name: 'CLZ', U: '1', opcode: '00100', vector: BYTES_TO_WORDS, act: each(leadingZeros) },
  { name: 'CNT', U: '0', opcode: '00101', vector: BYTES, act: each(bitCount) },
  { name: 'SADALP', U: '0', opcode: '00110', vector: BYTES_TO_WORDS, act: pairsAccumulated('s') },
  { name: 'UADALP', U: '1', opcode: '00110', vector: BYTES_TO_WORDS, act: pairsAccumulated('u') },
  { name: 'SQABS', U: '0', opcode: '00111', ...SATURATING, act: eachSaturating(absolute) },
  { name: 'SQNEG', U: '1', opcode: '00111', ...SATURATING, act: eachSaturating(negated) },
  { name: 'CMGT_zero', U: '0', opcode: '01000', ...ANY, act: compareZero('gt_s') },
  { name: 'CMGE_zero', U: '1', opcode: '01000', ...ANY, act: compareZero('ge_s') },
  { name: 'CMEQ_zero', U: '0', opcode: '01001', ...ANY, act: compareZero('eq') },
  { name: 'CMLE_zero', U: '1', opcode: '01001', ...ANY, act: compareZero('le_s') },
  { name: 'CMLT_zero', U: '0', opcode: '01010', ...ANY, act: compareZero('lt_s') },
  { name: 'ABS', U: '0', opcode: '01011', ...ANY, act: each(magnitude) },
  { name: 'NEG', U: '1', opcode: '01011', ...ANY, act: each(opposite) },
  { name: 'XTN', U: '0', opcode: '10010', vector: BYTES_TO_WORDS, act: narrowed('truncate') },
  { name: 'SQXTUN', U: '1', opcode: '10010', ...NARROWING, act: narrowed('signedToUnsigned') },
  { name: 'SHLL', U: '1', opcode: '10011', vector: BYTES_TO_WORDS, act: shiftedLong },
  { name: 'SQXTN', U: '0', opcode: '10100', ...NARROWING, act: narrowed('signed') },
  { name: 'UQXTN', U: '1', opcode: '10100', ...NARROWING, act: narrowed('unsigned') },
];

const vectorRow = ({ name, U, opcode, vector: arrangements, act }: Row): Insn =>
  insn(name, `0 Q:1 ${U} 01110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`, {
    ...onVectors(arrangements, act),
    operands: oneSource,
  });

const scalarRow = ({ name, U, opcode, act }: Row, arrangements: readonly Arrangement[]): Insn =>
  insn(`${name}_scalar`, `01 ${U} 11110 size:2 10000 ${opcode} 10 Rn:5 Rd:5`, {
    ...onScalars(arrangements, act),
    operands: oneSource,
  });

/** NOT and RBIT share an opcode; `size` tells them apart and both act on bytes. */
const byteRow = (name: string, size: '00' | '01', act: LaneAction): Insn =>
  insn(name, `0 Q:1 1 01110 ${size} 10000 00101 10 Rn:5 Rd:5`, {
    statics: { T: BYTES },
    select: ({ Q }) => ({ T: BYTES[Q]! }),
    operands: oneSource,
    emit: (c, { T }) => {
      c.requireFp();
      act(c, SHAPES[T]);
    },
  });

export const SIMD_TWO_REG_MISC: readonly Insn[] = [
  ...ROWS.map(vectorRow),
  ...ROWS.flatMap((row) => (row.scalar ? [scalarRow(row, row.scalar)] : [])),
  byteRow(
    'NOT',
    '00',
    each((c, _size, value) => c.v128.not(value.get())),
  ),
  byteRow('RBIT_vec', '01', each(reversedBits)),
];
