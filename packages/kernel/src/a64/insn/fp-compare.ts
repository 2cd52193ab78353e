/**
 * Floating-point compare, conditional compare and conditional select. Source: Arm DDI 0487, C4.1.96 "Floating-point
 * compare" and following; C7.2, FCMP, FCMPE, FCCMP, FCCMPE, FCSEL.
 */
import { type Insn, insn, vector } from '../pattern.ts';
import { ALWAYS, EVEN_CONDITIONS, flagsThatHold } from '../shared/condition.ts';
import { compareCall, compareFlags } from '../shared/fp-comparison.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';
import { twoSources } from '../shared/vector-operands.ts';
import { fpView } from '../shared/fp-view.ts';

/** With 0: `Rm` does not matter. */
const fcmp = (name: string, signalling: '0' | '1', withZero: '0' | '1'): Insn =>
  insn(name, `0 0 0 11110 ftype:2 1 Rm:5 00 1000 Rn:5 ${signalling} ${withZero} 000`, {
    statics: ANY_SCALAR_STATICS,
    select: anyScalarPoint,
    operands: ({ Rm, Rn }) => ({ b: vector(Rn), c: vector(Rm) }),
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const x = k.read('b');
      compareFlags(k, x, withZero === '1' ? undefined : k.read('c'), signalling === '1');
    },
  });

/** The condition is an operand: it is rare, and the comparison is long. */
const fccmp = (name: string, signalling: '0' | '1'): Insn =>
  insn(name, `0 0 0 11110 ftype:2 1 Rm:5 cond:4 01 Rn:5 ${signalling} nzcv:4`, {
    statics: ANY_SCALAR_STATICS,
    select: anyScalarPoint,
    operands: ({ Rm, cond, Rn, nzcv }) => ({
      b: vector(Rn),
      c: vector(Rm),
      immLow: nzcv,
      immHigh: flagsThatHold(cond),
    }),
    emit: (c, { T }) => {
      c.requireFp();
      const k = fpView(c, T);
      const nzcv = c.letI32(c.imm32());
      const holds = c.i32.and(c.i32.shr_u(c.immHigh(), c.nzcv()), c.i32.const(1));
      c.if(holds, () => nzcv.set(compareCall(k, k.read('b'), k.read('c'), signalling === '1')));
      c.setNzcv(nzcv.get());
    },
  });

/** An odd condition is its even neighbour with the sources exchanged. */
const FCSEL = insn('FCSEL', '0 0 0 11110 ftype:2 1 Rm:5 cond:4 11 Rn:5 Rd:5', {
  statics: { condition: EVEN_CONDITIONS, ...ANY_SCALAR_STATICS },
  select: ({ ftype, cond }) => {
    const point = anyScalarPoint({ ftype });
    return point && { condition: (cond & 14) as (typeof EVEN_CONDITIONS)[number], ...point };
  },
  operands: ({ Rm, cond, Rn, Rd }) =>
    twoSources(cond & 1 && cond < ALWAYS ? { Rd, Rn: Rm, Rm: Rn } : { Rd, Rn, Rm }),
  emit: (c, { condition, T }) => {
    c.requireFp();
    const k = fpView(c, T);
    k.write('a', c.select(k.read('b').get(), k.read('c').get(), c.condition(condition)));
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
