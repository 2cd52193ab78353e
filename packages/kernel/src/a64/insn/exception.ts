/**
 * Exception generation and return. Source: Arm DDI 0487, C4.1.93 "Exception generation", "Unconditional branch
 * (register)"; C6.2, BRK, ERET, HVC, SMC, SVC.
 *
 * HLT, DCPS1 to DCPS3, DRPS and UDF have no row: without external debug they are UNDEFINED, as any other word.
 */
import { EC } from '../emitter.ts';
import { insn } from '../pattern.ts';

const SVC = insn('SVC', '11010100 000 imm16:16 000 01', {
  operands: ({ imm16 }) => ({ imm: imm16 }),
  emit: (c) => c.raise(EC.SVC64, c.imm32(), true),
  ends: true,
});

const HVC_SMC = insn('HVC_SMC', '11010100 000 imm16:16 000 op:2', {
  statics: { conduit: ['hvc', 'smc'] },
  select: ({ op }) => (op === 2 ? { conduit: 'hvc' } : op === 3 ? { conduit: 'smc' } : null),
  operands: ({ imm16 }) => ({ imm: imm16 }),
  emit: (c, { conduit }) => {
    c.requireEl1();
    c.hypercall(conduit);
  },
});

const BRK = insn('BRK', '11010100 001 imm16:16 000 00', {
  operands: ({ imm16 }) => ({ imm: imm16 }),
  emit: (c) => c.raise(EC.BRK64, c.imm32(), false),
  ends: true,
});

const ERET = insn('ERET', '1101011 0100 11111 000000 11111 00000', {
  emit: (c) => {
    c.requireEl1();
    c.exceptionReturn();
  },
  ends: true,
});

export const EXCEPTION = [SVC, HVC_SMC, BRK, ERET] as const;
