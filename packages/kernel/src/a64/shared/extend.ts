/** ExtendReg. Source: Arm DDI 0487, aarch64/instrs/extendreg/ExtendReg. */
import type { Emitter, I64 } from '../emitter.ts';

/** The kinds by `option`; SXTX is UXTX, since all 64 bits are taken. */
export const EXTENDS = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw'] as const;
export type Extend = (typeof EXTENDS)[number];

/** Register operand `c`, extended to 64 bits. */
export function extended(c: Emitter, extend: Extend): I64 {
  const { i64 } = c;
  switch (extend) {
    case 'uxtb':
      return i64.and(c.reg('c'), i64.const(0xff));
    case 'uxth':
      return i64.and(c.reg('c'), i64.const(0xffff));
    case 'uxtw':
      return i64.extend_i32_u(c.reg32('c'));
    case 'uxtx':
      return c.reg('c');
    case 'sxtb':
      return i64.extend8_s(c.reg('c'));
    case 'sxth':
      return i64.extend16_s(c.reg('c'));
    case 'sxtw':
      return i64.extend_i32_s(c.reg32('c'));
  }
}
