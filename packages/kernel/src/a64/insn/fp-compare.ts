/**
 * Floating-point compare, conditional compare and conditional select. Source: Arm DDI 0487, C4.1.96 "Floating-point
 * compare" and following; C7.2, FCMP, FCMPE, FCCMP, FCCMPE, FCSEL.
 */
import { type Insn, insn, vector } from '../pattern.ts';
import { CONDITIONS, conditionOf } from '../shared/condition.ts';
import { compareCall, compareFlags } from '../shared/fp-comparison.ts';
import { SCALAR_STATICS, scalarPoint } from '../shared/fp-row.ts';
import { twoSources } from '../shared/vector-operands.ts';
import { fpView } from '../shared/fp-view.ts';

/** With 0: `Rm` does not matter. */
const fcmp = (name: string, signalling: '0' | '1', withZero: '0' | '1'): Insn =>
  insn(name, `0 0 0 11110 ftype:2 1 Rm:5 00 1000 Rn:5 ${signalling} ${withZero} 000`, {
    statics: SCALAR_STATICS,
    select: scalarPoint,
    operands: ({ Rm, Rn }) => ({ b: vector(Rn), c: vector(Rm) }),
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const x = k.read('b');
      const y = withZero === '1' ? k.letBits(k.constBits(0n)) : k.read('c');
      compareFlags(k, x, y, signalling === '1');
    },
  });

/** Rare, and one handler for each condition: so the comparison is a call. */
const fccmp = (name: string, signalling: '0' | '1'): Insn =>
  insn(name, `0 0 0 11110 ftype:2 1 Rm:5 cond:4 01 Rn:5 ${signalling} nzcv:4`, {
    statics: { condition: CONDITIONS, ...SCALAR_STATICS },
    select: (fields) => {
      const point = scalarPoint(fields);
      return point && { condition: conditionOf(fields.cond), ...point };
    },
    operands: ({ Rm, Rn, nzcv }) => ({ b: vector(Rn), c: vector(Rm), imm: nzcv }),
    emit: (c, { condition, T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const nzcv = c.letI32(c.imm32());
      c.if(c.condition(condition), () =>
        nzcv.set(compareCall(k, k.read('b'), k.read('c'), signalling === '1')),
      );
      c.setNzcv(nzcv.get());
    },
  });

const FCSEL = insn('FCSEL', '0 0 0 11110 ftype:2 1 Rm:5 cond:4 11 Rn:5 Rd:5', {
  statics: { condition: CONDITIONS, ...SCALAR_STATICS },
  select: (fields) => {
    const point = scalarPoint(fields);
    return point && { condition: conditionOf(fields.cond), ...point };
  },
  operands: twoSources,
  emit: (c, { condition, T }) => {
    c.requireFp();
    if (T === 's') c.setVecLow32('a', c.select(c.vecLow32('b'), c.vecLow32('c'), c.condition(condition)));
    else c.setVecLow('a', c.select(c.vecLow('b'), c.vecLow('c'), c.condition(condition)));
  },
});

export const FP_COMPARE: readonly Insn[] = [
  fcmp('FCMP', '0', '0'),
  fcmp('FCMP_zero', '0', '1'),
  fcmp('FCMPE', '1', '0'),
  fcmp('FCMPE_zero', '1', '1'),
  fccmp('FCCMP', '0'),
  fccmp('FCCMPE', '1'),
  FCSEL,
];
