/**
 * Floating-point data processing with two sources. Source: Arm DDI 0487, C4.1.96 "Floating-point data-processing
 * (2 source)"; C7.2 by name.
 */
import { type Insn, insn } from '../pattern.ts';
import { ADD, type Binary, binary, DIV, MAX, MAXNM, MIN, MINNM, MUL, SUB } from '../shared/fp-operation.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';
import { twoSources } from '../shared/vector-operands.ts';
import { fpView } from '../shared/fp-view.ts';

const ROWS: readonly (readonly [name: string, opcode: string, operation: Binary])[] = [
  ['FMUL', '0000', MUL],
  ['FDIV', '0001', DIV],
  ['FADD', '0010', ADD],
  ['FSUB', '0011', SUB],
  ['FMAX', '0100', MAX],
  ['FMIN', '0101', MIN],
  ['FMAXNM', '0110', MAXNM],
  ['FMINNM', '0111', MINNM],
];

const row = ([name, opcode, operation]: (typeof ROWS)[number]): Insn =>
  insn(`${name}_scalar`, `0 0 0 11110 ftype:2 1 Rm:5 ${opcode} 10 Rn:5 Rd:5`, {
    statics: ANY_SCALAR_STATICS,
    select: anyScalarPoint,
    operands: twoSources,
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, T);
      k.write('a', binary(k, operation, k.read('b'), k.read('c')));
    },
  });

const FNMUL = insn('FNMUL', '0 0 0 11110 ftype:2 1 Rm:5 1000 10 Rn:5 Rd:5', {
  statics: ANY_SCALAR_STATICS,
  select: anyScalarPoint,
  operands: twoSources,
  emit: (c, { T }) => {
    c.requireFp();
    const k = fpView(c, T);
    k.write('a', k.negated(binary(k, MUL, k.read('b'), k.read('c'))));
  },
});

export const FP_DATA_2: readonly Insn[] = [...ROWS.map(row), FNMUL];
