/**
 * Floating-point operations among the lanes of one register. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD scalar
 * pairwise" and "across lanes"; C7.2 by name.
 */
import type { Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { ADD, type Binary, binary, MAX, MAXNM, MIN, MINNM } from '../shared/fp-operation.ts';
import { HALF_STATICS, halfPoint, SCALAR_STATICS, scalarSimdPoint } from '../shared/fp-row.ts';
import { type Bits, type FpView, fpView, scalarLane } from '../shared/fp-view.ts';
import { everySecond } from '../shared/lanes.ts';
import { oneSource } from '../shared/vector-operands.ts';

/** The operation on the two lowest lanes. */
function pairOf(k: FpView, operation: Binary): void {
  const lane = (n: number): Var<Bits> => scalarLane(k.c, k.format.bits, k.c.vec('b'), n);
  k.write('a', binary(k, operation, lane(0), lane(1)));
}

const pairRow = (name: string, a: 0 | 1, opcode: string, operation: Binary): Insn =>
  insn(`${name}_scalar`, `01 1 11110 ${a} sz:1 11000 ${opcode} 10 Rn:5 Rd:5`, {
    statics: SCALAR_STATICS,
    select: scalarSimdPoint,
    operands: oneSource,
    emit: (c, { T }) => {
      c.requireFp();
      pairOf(fpView(c, T), operation);
    },
  });

const halfPairRow = (name: string, a: 0 | 1, opcode: string, operation: Binary): Insn =>
  insn(`${name}_scalar_h`, `01 0 11110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`, {
    operands: oneSource,
    emit: (c) => {
      c.requireFp();
      pairOf(fpView(c, 'h'), operation);
    },
  });

/** Neighbours first, then neighbours among the results, and so on. */
const halfAcrossRow = (name: string, a: 0 | 1, opcode: string, operation: Binary): Insn =>
  insn(`${name}_h`, `0 Q:1 0 01110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`, {
    statics: HALF_STATICS,
    select: halfPoint,
    operands: oneSource,
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, 'h');
      const source = c.letV128(c.vec('b'));
      let values = Array.from({ length: T === '8h' ? 8 : 4 }, (_, lane) =>
        scalarLane(c, 16, source.get(), lane),
      );
      while (values.length > 1) {
        const pairs = Array.from({ length: values.length / 2 }, (_, i) => i);
        values = pairs.map((i) => k.letBits(binary(k, operation, values[2 * i]!, values[2 * i + 1]!)));
      }
      k.write('a', values[0]!.get());
    },
  });

/** Neighbours first, then the two results. */
const acrossRow = (name: string, a: 0 | 1, opcode: string, operation: Binary): Insn =>
  insn(name, `0 1 1 01110 ${a} 0 11000 ${opcode} 10 Rn:5 Rd:5`, {
    operands: oneSource,
    emit: (c) => {
      c.requireFp();
      const lanes = fpView(c, '4s');
      const source = lanes.read('b');
      const even = lanes.letBits(everySecond(c, 2, source.get(), source.get(), 0) as Bits);
      const odd = lanes.letBits(everySecond(c, 2, source.get(), source.get(), 1) as Bits);
      const halves = lanes.letBits(binary(lanes, operation, even, odd));
      const k = fpView(c, 's');
      const half = (n: number): Var<Bits> => scalarLane(c, 32, halves.get(), n);
      k.write('a', binary(k, operation, half(0), half(1)));
    },
  });

type Row = readonly [name: string, a: 0 | 1, opcode: string, operation: Binary];

const PAIRS: readonly Row[] = [
  ['FMAXNMP', 0, '01100', MAXNM],
  ['FMINNMP', 1, '01100', MINNM],
  ['FADDP', 0, '01101', ADD],
  ['FMAXP', 0, '01111', MAX],
  ['FMINP', 1, '01111', MIN],
];

const ACROSS: readonly Row[] = [
  ['FMAXNMV', 0, '01100', MAXNM],
  ['FMINNMV', 1, '01100', MINNM],
  ['FMAXV', 0, '01111', MAX],
  ['FMINV', 1, '01111', MIN],
];

export const SIMD_FP_REDUCE: readonly Insn[] = [
  ...PAIRS.map((row) => pairRow(...row)),
  ...ACROSS.map((row) => acrossRow(...row)),
  ...PAIRS.map((row) => halfPairRow(...row)),
  ...ACROSS.map((row) => halfAcrossRow(...row)),
];
