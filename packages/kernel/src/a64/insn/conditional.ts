/**
 * Conditional select and compare. Source: Arm DDI 0487, C4.1.94 "Conditional select", "Conditional compare";
 * C6.2, CCMN, CCMP, CSEL, CSINC, CSINV, CSNEG.
 */
import type { Word, WordOps } from '../emitter.ts';
import { insn, source, target } from '../pattern.ts';
import { ALWAYS, CONDITIONS, conditionOf, EVEN_CONDITIONS } from '../shared/condition.ts';

const WIDTHS = [32, 64] as const;

/** An odd condition is its even neighbour with the sources exchanged. */
const CSEL = insn('CSEL', 'sf:1 0 0 11010100 Rm:5 cond:4 00 Rn:5 Rd:5', {
  statics: { condition: EVEN_CONDITIONS, width: WIDTHS },
  select: ({ sf, cond }) => ({
    condition: (cond & 14) as (typeof EVEN_CONDITIONS)[number],
    width: sf ? 64 : 32,
  }),
  operands: ({ Rm, cond, Rn, Rd }) => {
    const [yes, no] = cond & 1 && cond < ALWAYS ? [Rm, Rn] : [Rn, Rm];
    return { a: target(Rd), b: source(yes), c: source(no) };
  },
  emit: (c, { condition, width }) => {
    const w = c.word(width);
    w.setReg('a', c.select(w.reg('b'), w.reg('c'), c.condition(condition)));
  },
  hot: ({ condition }) => condition !== ALWAYS,
});

/** By `op:o2`, less CSEL. */
const VARIANTS = ['csinc', 'csinv', 'csneg'] as const;
type Variant = (typeof VARIANTS)[number];

function otherwise(w: WordOps<Word>, variant: Variant): Word {
  if (variant === 'csinc') return w.add(w.reg('c'), w.const(1));
  if (variant === 'csinv') return w.xor(w.reg('c'), w.const(-1));
  return w.sub(w.const(0), w.reg('c'));
}

const CSINC_CSINV_CSNEG = insn('CSINC_CSINV_CSNEG', 'sf:1 op:1 0 11010100 Rm:5 cond:4 0 o2:1 Rn:5 Rd:5', {
  statics: { variant: VARIANTS, condition: CONDITIONS, width: WIDTHS },
  select: ({ sf, op, cond, o2 }) => {
    const variant = VARIANTS[op * 2 + o2 - 1]; // CSEL, op:o2 = 00, is a row of its own
    return variant ? { variant, condition: conditionOf(cond), width: sf ? 64 : 32 } : null;
  },
  operands: ({ Rm, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm) }),
  emit: (c, { variant, condition, width }) => {
    const w = c.word(width);
    w.setReg('a', c.select(w.reg('b'), otherwise(w, variant), c.condition(condition)));
  },
  hot: ({ variant, condition, width }) =>
    condition !== ALWAYS && (variant === 'csinc' || (variant === 'csinv' && width === 64 && condition < 2)),
});

const CCMP_CCMN = insn('CCMP_CCMN', 'sf:1 op:1 1 11010010 y:5 cond:4 imm:1 0 Rn:5 0 nzcv:4', {
  statics: { subtract: [false, true], immediate: [false, true], condition: CONDITIONS, width: WIDTHS },
  select: ({ sf, op, cond, imm }) => ({
    subtract: op === 1,
    immediate: imm === 1,
    condition: conditionOf(cond),
    width: sf ? 64 : 32,
  }),
  operands: ({ y, imm, Rn, nzcv }) =>
    imm ? { a: nzcv, b: source(Rn), imm: y } : { a: nzcv, b: source(Rn), c: source(y) },
  emit: (c, { subtract, immediate, condition, width }) => {
    const w = c.word(width);
    const compare = (): void => {
      const a = w.let(w.reg('b'));
      const b = w.let(immediate ? w.imm() : w.reg('c'));
      if (subtract) c.flagsFromSub(w, a, b, w.let(w.sub(a.get(), b.get())));
      else c.flagsFromAdd(w, a, b, w.let(w.add(a.get(), b.get())));
    };
    c.flagsIf(c.condition(condition), compare, 'a');
  },
  // Not those of N or V alone, which compilers do not make.
  hot: ({ subtract, immediate, condition }) =>
    subtract && immediate && condition !== ALWAYS && (condition < 4 || condition >= 8),
});

export const CONDITIONAL = [CSEL, CSINC_CSINV_CSNEG, CCMP_CCMN] as const;
