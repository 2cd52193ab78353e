/**
 * Shifts of lanes by a constant.
 * Source: Arm DDI 0487, C4.1.96 "Advanced SIMD shift by immediate", "scalar shift by immediate"; C7.2 by name.
 */
import type { Emitter, I32, Size, V128 } from '../emitter.ts';
import { insn, vector, type Insn } from '../pattern.ts';
import type { Shape } from '../shared/arrangement.ts';
import type { Sign } from '../shared/lane-arithmetic.ts';
import { wider } from '../shared/lane-long.ts';
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
  zeros,
} from '../shared/lanes.ts';
import { rememberSaturation, saturateToHalf, signedLimit, type Narrowing } from '../shared/saturation.ts';

/**
 * What a row does with operand `b`. Field `c` is the amount: 0 to the lane's bits less one to the left; to the right
 * one less than the amount, which is at least 1 and may be all of the lane's bits.
 */
type Action = (c: Emitter, shape: Shape) => void;

const one = (c: Emitter): I32 => c.i32.const(1);

/** In two steps: WebAssembly takes the amount modulo the lane's bits. */
function shiftRight(c: Emitter, size: Size, sign: Sign, rounding: boolean, value: V128): V128 {
  const ops = lanes(c, size);
  const almost = ops[`shr_${sign}`](value, c.field('c'));
  if (!rounding) return ops[`shr_${sign}`](almost, one(c));
  const kept = c.letV128(almost);
  const half = ops[`shr_${sign}`](kept.get(), one(c));
  return ops.add(half, c.v128.and(kept.get(), splat(c, size, 1n)));
}

/** SSHR and relatives. */
const right =
  (sign: Sign, rounding: boolean): Action =>
  (c, shape) =>
    setLanes(c, 'a', shiftRight(c, shape.size, sign, rounding, c.vec('b')), shape);

/** SSRA and relatives. */
const rightAccumulate =
  (sign: Sign, rounding: boolean): Action =>
  (c, shape) => {
    const shifted = c.letV128(shiftRight(c, shape.size, sign, rounding, c.vec('b')));
    setLanes(c, 'a', lanes(c, shape.size).add(c.vec('a'), shifted.get()), shape);
  };

const left: Action = (c, shape) =>
  setLanes(c, 'a', lanes(c, shape.size).shl(c.vec('b'), c.field('c')), shape);

/** SRI, SLI: the bits that the shift leaves open keep the destination's. */
const rightInsert: Action = (c, shape) => {
  const shifted = shiftRight(c, shape.size, 'u', false, c.vec('b'));
  const old = c.vec('a');
  const written = shiftRight(c, shape.size, 'u', false, splat(c, shape.size, -1n));
  setLanes(c, 'a', c.v128.bitselect(shifted, old, written), shape);
};
const leftInsert: Action = (c, shape) => {
  const ops = lanes(c, shape.size);
  const shifted = ops.shl(c.vec('b'), c.field('c'));
  const old = c.vec('a');
  const written = ops.shl(splat(c, shape.size, -1n), c.field('c'));
  setLanes(c, 'a', c.v128.bitselect(shifted, old, written), shape);
};

/** SQSHL, UQSHL: where shifting back does not give the operand, the limit. */
const leftSaturating =
  (sign: Sign): Action =>
  (c, shape) => {
    const { size } = shape;
    const ops = lanes(c, size);
    const value = c.letV128(onlyLanes(c, 'b', shape));
    const shifted = c.letV128(ops.shl(value.get(), c.field('c')));
    const lost = c.letV128(ops.ne(ops[`shr_${sign}`](shifted.get(), c.field('c')), value.get()));
    rememberSaturation(c, lost.get());
    const result =
      sign === 'u'
        ? c.v128.or(shifted.get(), lost.get())
        : c.v128.bitselect(signedLimit(c, size, value), shifted.get(), lost.get());
    setLanes(c, 'a', result, shape);
  };

/** SQSHLU: a signed operand to an unsigned result. */
const leftToUnsigned: Action = (c, shape) => {
  const { size } = shape;
  const ops = lanes(c, size);
  const value = c.letV128(onlyLanes(c, 'b', shape));
  const shifted = c.letV128(ops.shl(value.get(), c.field('c')));
  const lost = c.letV128(ops.ne(ops.shr_u(shifted.get(), c.field('c')), value.get()));
  const negative = c.letV128(ops.lt_s(value.get(), zeros(c)));
  rememberSaturation(c, c.v128.or(lost.get(), negative.get()));
  setLanes(c, 'a', c.v128.andnot(c.v128.or(shifted.get(), lost.get()), negative.get()), shape);
};

/** SHRN and relatives: the shape is that of the narrow result. */
const rightNarrow =
  (sign: Sign, rounding: boolean, narrowing: Narrowing): Action =>
  (c, shape) => {
    const size = wider(shape.size);
    const isScalar = shape.bits < 64;
    const operand = isScalar ? onlyLanes(c, 'b', { size, bits: laneBits(size) }) : c.vec('b');
    const shifted = c.letV128(shiftRight(c, size, sign, rounding, operand));
    const limited = saturateToHalf(c, size, shifted, narrowing);
    if (isScalar) {
      setLanes(c, 'a', limited, shape);
      return;
    }
    const both = c.letV128(limited);
    setPart(c, 'a', partOf(shape), everySecond(c, shape.size, both.get(), both.get(), 0));
  };

/** SSHLL, USHLL: the shape is that of the operand. */
const leftLong =
  (sign: Sign): Action =>
  (c, shape) => {
    const wide = widen(c, shape.size, partOf(shape), sign, c.vec('b'));
    c.setVec('a', lanes(c, wider(shape.size)).shl(wide, c.field('c')));
  };

const ALL_SIZES = [0, 1, 2, 3] as const;
const UP_TO_WORDS = [0, 1, 2] as const;
const DOUBLES = [3] as const;

interface Row {
  readonly name: string;
  readonly U: '0' | '1';
  readonly opcode: string;
  readonly direction: 'left' | 'right';
  /** log2 of the lane size in bytes, of the narrower operand where they differ. */
  readonly vector: readonly Size[];
  readonly scalar?: readonly Size[];
  readonly act: Action;
}

const RIGHT = { direction: 'right', vector: ALL_SIZES, scalar: DOUBLES } as const;
const LEFT = { direction: 'left', vector: ALL_SIZES, scalar: DOUBLES } as const;
const LEFT_SATURATING = { direction: 'left', vector: ALL_SIZES, scalar: ALL_SIZES } as const;
const NARROW = { direction: 'right', vector: UP_TO_WORDS } as const;
const NARROW_SATURATING = { direction: 'right', vector: UP_TO_WORDS, scalar: UP_TO_WORDS } as const;
const LONG = { direction: 'left', vector: UP_TO_WORDS } as const;

const ROWS: readonly Row[] = [
  { name: 'SSHR', U: '0', opcode: '00000', ...RIGHT, act: right('s', false) },
  { name: 'USHR', U: '1', opcode: '00000', ...RIGHT, act: right('u', false) },
  { name: 'SSRA', U: '0', opcode: '00010', ...RIGHT, act: rightAccumulate('s', false) },
  { name: 'USRA', U: '1', opcode: '00010', ...RIGHT, act: rightAccumulate('u', false) },
  { name: 'SRSHR', U: '0', opcode: '00100', ...RIGHT, act: right('s', true) },
  { name: 'URSHR', U: '1', opcode: '00100', ...RIGHT, act: right('u', true) },
  { name: 'SRSRA', U: '0', opcode: '00110', ...RIGHT, act: rightAccumulate('s', true) },
  { name: 'URSRA', U: '1', opcode: '00110', ...RIGHT, act: rightAccumulate('u', true) },
  { name: 'SRI', U: '1', opcode: '01000', ...RIGHT, act: rightInsert },
  { name: 'SHL', U: '0', opcode: '01010', ...LEFT, act: left },
  { name: 'SLI', U: '1', opcode: '01010', ...LEFT, act: leftInsert },
  { name: 'SQSHLU', U: '1', opcode: '01100', ...LEFT_SATURATING, act: leftToUnsigned },
  { name: 'SQSHL', U: '0', opcode: '01110', ...LEFT_SATURATING, act: leftSaturating('s') },
  { name: 'UQSHL', U: '1', opcode: '01110', ...LEFT_SATURATING, act: leftSaturating('u') },
  { name: 'SHRN', U: '0', opcode: '10000', ...NARROW, act: rightNarrow('u', false, 'truncate') },
  {
    name: 'SQSHRUN',
    U: '1',
    opcode: '10000',
    ...NARROW_SATURATING,
    act: rightNarrow('s', false, 'signedToUnsigned'),
  },
  { name: 'RSHRN', U: '0', opcode: '10001', ...NARROW, act: rightNarrow('u', true, 'truncate') },
  {
    name: 'SQRSHRUN',
    U: '1',
    opcode: '10001',
    ...NARROW_SATURATING,
    act: rightNarrow('s', true, 'signedToUnsigned'),
  },
  { name: 'SQSHRN', U: '0', opcode: '10010', ...NARROW_SATURATING, act: rightNarrow('s', false, 'signed') },
  { name: 'UQSHRN', U: '1', opcode: '10010', ...NARROW_SATURATING, act: rightNarrow('u', false, 'unsigned') },
  { name: 'SQRSHRN', U: '0', opcode: '10011', ...NARROW_SATURATING, act: rightNarrow('s', true, 'signed') },
  { name: 'UQRSHRN', U: '1', opcode: '10011', ...NARROW_SATURATING, act: rightNarrow('u', true, 'unsigned') },
  { name: 'SSHLL', U: '0', opcode: '10100', ...LONG, act: leftLong('s') },
  { name: 'USHLL', U: '1', opcode: '10100', ...LONG, act: leftLong('u') },
];

/** `immh` by lane size: its highest set bit tells the size, and what follows counts. 0000 is another class. */
const COUNTED = ['0001 count:3', '001 count:4', '01 count:5', '1 count:6'] as const;

/** Lanes of 64 bits need the whole register. */
const FULL = [128] as const;
const HALF_OR_FULL = [64, 128] as const;

const amountOf = ({ direction }: Row, size: Size, count: number): number =>
  direction === 'left' ? count : laneBits(size) - 1 - count;

const vectorRow = (row: Row, size: Size): Insn =>
  insn(`${row.name}_${laneBits(size)}`, `0 Q:1 ${row.U} 011110 ${COUNTED[size]} ${row.opcode} 1 Rn:5 Rd:5`, {
    statics: { bits: size === 3 ? FULL : HALF_OR_FULL },
    select: ({ Q }) => (size === 3 && !Q ? null : { bits: Q ? 128 : 64 }),
    operands: ({ count, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), c: amountOf(row, size, count) }),
    emit: (c, { bits }) => {
      c.requireFp();
      row.act(c, { size, bits });
    },
  });

const scalarRow = (row: Row, size: Size): Insn =>
  insn(
    `${row.name}_scalar_${laneBits(size)}`,
    `01 ${row.U} 111110 ${COUNTED[size]} ${row.opcode} 1 Rn:5 Rd:5`,
    {
      operands: ({ count, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), c: amountOf(row, size, count) }),
      emit: (c) => {
        c.requireFp();
        row.act(c, { size, bits: laneBits(size) });
      },
    },
  );

export const SIMD_SHIFT_IMMEDIATE: readonly Insn[] = ROWS.flatMap((row) => [
  ...row.vector.map((size) => vectorRow(row, size)),
  ...(row.scalar ?? []).map((size) => scalarRow(row, size)),
]);
