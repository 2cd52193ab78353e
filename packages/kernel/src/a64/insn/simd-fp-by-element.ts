/**
 * Floating-point multiplication of lanes by one element. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD vector x indexed
 * element" and "scalar x indexed element"; C7.2, FMLA, FMLS, FMUL, FMULX (by element).
 */
import type { Emitter, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { binary, MUL, multiplyAdd, MULX } from '../shared/fp-operation.ts';
import { type Bits, type FpShape, type FpView, fpView, negated } from '../shared/fp-view.ts';
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
      x.set(negated(k, x.get()));
      return multiplyAdd(k, k.read('a'), x, element);
    },
  },
  { name: 'FMUL', U: 0, opcode: '1001', of: (k, x, element) => binary(k, MUL, x, element) },
  { name: 'FMULX', U: 1, opcode: '1001', of: (k, x, element) => binary(k, MULX, x, element) },
];

function emit(c: Emitter, of: Operation, shape: FpShape, index: number): void {
  c.requireFp();
  const k = fpView(c, shape);
  k.write('a', of(k, k.read('b'), k.readLane('c', index)));
}

/** The number of an element of single precision is `H:L`, of double precision `H`. */
const SINGLES = [0, 1, 2, 3] as const;
const DOUBLES = [0, 1] as const;

const rows = ({ name, U, opcode, of }: Row): readonly Insn[] => [
  insn(`${name}_element_s`, `0 Q:1 ${U} 01111 10 L:1 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { T: ['2s', '4s'], index: SINGLES },
    select: ({ Q, L, H }) => ({ T: Q ? '4s' : '2s', index: SINGLES[(H << 1) | L]! }),
    operands: twoSources,
    emit: (c, { T, index }) => emit(c, of, T, index),
  }),
  insn(`${name}_element_d`, `0 1 ${U} 01111 11 0 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { index: DOUBLES },
    select: ({ H }) => ({ index: DOUBLES[H]! }),
    operands: twoSources,
    emit: (c, { index }) => emit(c, of, '2d', index),
  }),
  insn(`${name}_element_scalar_s`, `01 ${U} 11111 10 L:1 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { index: SINGLES },
    select: ({ L, H }) => ({ index: SINGLES[(H << 1) | L]! }),
    operands: twoSources,
    emit: (c, { index }) => emit(c, of, 's', index),
  }),
  insn(`${name}_element_scalar_d`, `01 ${U} 11111 11 0 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`, {
    statics: { index: DOUBLES },
    select: ({ H }) => ({ index: DOUBLES[H]! }),
    operands: twoSources,
    emit: (c, { index }) => emit(c, of, 'd', index),
  }),
];

export const SIMD_FP_BY_ELEMENT: readonly Insn[] = ROWS.flatMap(rows);
