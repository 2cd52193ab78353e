/**
 * Fused multiply-add. Source: Arm DDI 0487, C4.1.96 "Floating-point data-processing (3 source)"; C7.2, FMADD, FMSUB,
 * FNMADD, FNMSUB.
 */
import { type Insn, insn, vector } from '../pattern.ts';
import { multiplyAdd } from '../shared/fp-operation.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';
import { fpView } from '../shared/fp-view.ts';

/** `o1` negates the addend, and `o1` ≠ `o0` the product. */
const row = (name: string, o1: 0 | 1, o0: 0 | 1): Insn =>
  insn(name, `0 0 0 11111 ftype:2 ${o1} Rm:5 ${o0} Ra:5 Rn:5 Rd:5`, {
    statics: ANY_SCALAR_STATICS,
    select: anyScalarPoint,
    operands: ({ Rm, Ra, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), c: vector(Rm), imm: vector(Ra) }),
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const addend = k.read('d');
      const x = k.read('b');
      if (o1 === 1) addend.set(k.negated(addend.get()));
      if (o1 !== o0) x.set(k.negated(x.get()));
      k.write('a', multiplyAdd(k, addend, x, k.read('c')));
    },
  });

export const FP_DATA_3: readonly Insn[] = [
  row('FMADD', 0, 0),
  row('FMSUB', 0, 1),
  row('FNMADD', 1, 0),
  row('FNMSUB', 1, 1),
];
