/** Addresses relative to the pc. Source: Arm DDI 0487, C4.1.92 "PC-rel. addressing"; C6.2, ADR, ADRP. */
import { insn, signExtend, target } from '../pattern.ts';

export const PC_RELATIVE = [
  insn('ADR', 'op:1 immlo:2 10000 immhi:19 Rd:5', {
    statics: { page: [false, true] },
    select: ({ op }) => ({ page: op === 1 }),
    operands: ({ op, immlo, immhi, Rd }) => {
      const imm = signExtend((immhi << 2) | immlo, 21);
      return { a: target(Rd), imm: op ? imm * 4096 : imm };
    },
    emit: (c, { page }) => {
      const { i64 } = c;
      if (page) c.setReg('a', i64.add(i64.and(c.pc(), i64.const(-4096)), c.imm()));
      else c.setReg('a', i64.add(c.pc(), c.imm()));
    },
    hot: true,
  }),
] as const;
