/** Shifts by a register. Source: Arm DDI 0487, C4.1.94 "Data-processing (2 source)"; C6.2, ASRV, LSLV, LSRV, RORV. */
import { insn, source, target } from '../pattern.ts';

/** By `op2`. Both Arm and Wasm take the amount modulo the width. */
const OPERATIONS = ['shl', 'shr_u', 'shr_s', 'rotr'] as const;

export const SHIFT_VARIABLE = [
  insn('SHIFT_variable', 'sf:1 0 0 11010110 Rm:5 0010 op2:2 Rn:5 Rd:5', {
    statics: { operation: OPERATIONS, width: [32, 64] },
    select: ({ sf, op2 }) => ({ operation: OPERATIONS[op2]!, width: sf ? 64 : 32 }),
    operands: ({ Rm, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm) }),
    emit: (c, { operation, width }) => {
      const w = c.word(width);
      w.setReg('a', w[operation](w.reg('b'), w.reg('c')));
    },
    hot: true,
  }),
] as const;
