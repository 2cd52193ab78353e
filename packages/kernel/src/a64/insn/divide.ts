/** Division. Source: Arm DDI 0487, C4.1.94 "Data-processing (2 source)"; C6.2, SDIV, UDIV. */
import { insn, source, target } from '../pattern.ts';

/** Division by zero gives 0; the most negative number divided by -1 gives itself. Wasm traps on both. */
export const DIVIDE = [
  insn('DIV', 'sf:1 0 0 11010110 Rm:5 00001 o1:1 Rn:5 Rd:5', {
    statics: { signed: [false, true], width: [32, 64] },
    select: ({ sf, o1 }) => ({ signed: o1 === 1, width: sf ? 64 : 32 }),
    operands: ({ Rm, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm) }),
    emit: (c, { signed, width }) => {
      const w = c.word(width);
      const dividend = w.let(w.reg('b'));
      const divisor = w.let(w.reg('c'));
      const quotient = w.variable();
      const divide = (): void => {
        if (!signed) {
          quotient.set(w.div_u(dividend.get(), divisor.get()));
          return;
        }
        c.if(
          w.eq(divisor.get(), w.const(-1)),
          () => quotient.set(w.sub(w.const(0), dividend.get())),
          () => quotient.set(w.div_s(dividend.get(), divisor.get())),
        );
      };
      c.if(w.ne(divisor.get(), w.const(0)), divide);
      w.setReg('a', quotient.get());
    },
    hot: true,
  }),
] as const;
