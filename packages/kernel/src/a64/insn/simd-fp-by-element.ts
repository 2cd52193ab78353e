/**
 * Floating-point multiplication of lanes by one element. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD vector x indexed
 * element" and "scalar x indexed element"; C7.2, FMLA, FMLS, FMUL, FMULX (by element).
 */
import type { Emitter, Size, Var } from '../emitter.ts';
import { type Insn, insn, type Operands } from '../pattern.ts';
import { binary, MUL, multiplyAdd, MULX } from '../shared/fp-operation.ts';
import { HALF_STATICS, halfPoint } from '../shared/fp-row.ts';
import { type Bits, type FpShape, type FpView, fpView } from '../shared/fp-view.ts';
import { repeatedLane } from '../shared/lanes.ts';
import { twoSources } from '../shared/vector-operands.ts';

type Operation = (k: FpView, x: Var<Bits>, element: Var<Bits>) => Bits;

interface Row {
  readonly name: string;
  readonly U: 0 | 1;
  readonly opcode: string;
  readonly of: Operation;
}

const ROWS: readonly Row[] = [
  {
    name: 'FMLA',
    U: 0,
    opcode: '0001',
    of: (k, x, element) => multiplyAdd(k, k.read('a'), x, element),
  },
  {
    name: 'FMLS',
    U: 0,
    opcode: '0101',
    of: (k, x, element) => {
      x.set(k.negated(x.get()));
      return multiplyAdd(k, k.read('a'), x, element);
    },
  },
  { name: 'FMUL', U: 0, opcode: '1001', of: (k, x, element) => binary(k, MUL, x, element) },
  { name: 'FMULX', U: 1, opcode: '1001', of: (k, x, element) => binary(k, MULX, x, element) },
];

function emit(c: Emitter, of: Operation, shape: FpShape): void {
  c.requireFp();
  const k = fpView(c, shape);
  k.write('a', of(k, k.read('b'), k.readElement('c')));
}

/** Operands of an element of `1 << size` bytes. */
const operandsOf = (size: Size, Rd: number, Rn: number, Rm: number, index: number): Operands => ({
  ...twoSources({ Rd, Rn, Rm }),
  ...repeatedLane(size, index << size),
});

/**
 * The number of an element of half precision is `H:L:M`, where the register is one of the first sixteen; of single
 * precision `H:L`, of double precision `H`.
 */
const rows = ({ name, U, opcode, of }: Row): readonly Insn[] => [
  insn(`${name}_element_h`, `0 Q:1 ${U} 01111 00 L:1 M:1 Rm:4 ${opcode} H:1 0 Rn:5 Rd:5`, {
    statics: HALF_STATICS,
    select: halfPoint,
    operands: ({ L, M, Rm, H, Rn, Rd }) => operandsOf(1, Rd, Rn, Rm, (H << 2) | (L << 1) | M),
    emit: (c, { T }) => emit(c, of, T),
  }),
  insn(`${name}_element_scalar_h`, `01 ${U} 11111 00 L:1 M:1 Rm:4 ${opcode} H:1 0 Rn:5 Rd:5`, {
    operands: ({ L, M, Rm, H, Rn, Rd }) => operandsOf(1, Rd, Rn, Rm, (H << 2) | (L << 1) | M),
    emit: (c) => emit(c, of, 'h'),
  }),
  insn(`${name}_element_s`, `0 Q:1 ${U} 01111 10 L:1 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { T: ['2s', '4s'] },
    select: ({ Q }) => ({ T: Q ? '4s' : '2s' }),
    operands: ({ L, Rm, H, Rn, Rd }) => operandsOf(2, Rd, Rn, Rm, (H << 1) | L),
    emit: (c, { T }) => emit(c, of, T),
  }),
  insn(`${name}_element_d`, `0 1 ${U} 01111 11 0 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    operands: ({ Rm, H, Rn, Rd }) => operandsOf(3, Rd, Rn, Rm, H),
    emit: (c) => emit(c, of, '2d'),
  }),
  insn(`${name}_element_scalar_s`, `01 ${U} 11111 10 L:1 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    operands: ({ L, Rm, H, Rn, Rd }) => operandsOf(2, Rd, Rn, Rm, (H << 1) | L),
    emit: (c) => emit(c, of, 's'),
  }),
  insn(`${name}_element_scalar_d`, `01 ${U} 11111 11 0 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    operands: ({ Rm, H, Rn, Rd }) => operandsOf(3, Rd, Rn, Rm, H),
    emit: (c) => emit(c, of, 'd'),
  }),
];

export const SIMD_FP_BY_ELEMENT: readonly Insn[] = ROWS.flatMap(rows);
