/**
 * Multiplication. Source: Arm DDI 0487, C4.1.94 "Data-processing (3 source)"; C6.2, MADD, MSUB, SMADDL, SMSUBL,
 * SMULH, UMADDL, UMSUBL, UMULH.
 */
import type { Emitter, I64, Var } from '../emitter.ts';
import { insn, source, target } from '../pattern.ts';

const MADD_MSUB = insn('MADD_MSUB', 'sf:1 00 11011 000 Rm:5 o0:1 Ra:5 Rn:5 Rd:5', {
  statics: { operation: ['mul', 'madd', 'msub'], width: [32, 64] },
  select: ({ sf, o0, Ra }) => ({
    operation: o0 ? 'msub' : Ra === 31 ? 'mul' : 'madd',
    width: sf ? 64 : 32,
  }),
  operands: ({ Rm, Ra, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm), imm: source(Ra) }),
  emit: (c, { operation, width }) => {
    const w = c.word(width);
    if (operation === 'mul') w.setReg('a', w.mul(w.reg('b'), w.reg('c')));
    else if (operation === 'madd') w.setReg('a', w.add(w.reg('d'), w.mul(w.reg('b'), w.reg('c'))));
    else w.setReg('a', w.sub(w.reg('d'), w.mul(w.reg('b'), w.reg('c'))));
  },
  hot: true,
});

/** 32 × 32 → 64 bits, added to or subtracted from a 64-bit register. */
const MADDL_MSUBL = insn('MADDL_MSUBL', '1 00 11011 U:1 01 Rm:5 o0:1 Ra:5 Rn:5 Rd:5', {
  statics: { subtract: [false, true], signed: [false, true] },
  select: ({ U, o0 }) => ({ subtract: o0 === 1, signed: U === 0 }),
  operands: ({ Rm, Ra, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm), imm: source(Ra) }),
  emit: (c, { subtract, signed }) => {
    const { i64 } = c;
    const wide = (field: 'b' | 'c'): I64 =>
      signed ? i64.extend_i32_s(c.reg32(field)) : i64.extend_i32_u(c.reg32(field));
    if (subtract) c.setReg('a', i64.sub(c.reg('d'), i64.mul(wide('b'), wide('c'))));
    else c.setReg('a', i64.add(c.reg('d'), i64.mul(wide('b'), wide('c'))));
  },
  hot: ({ subtract }) => !subtract,
});

/** Bits 127:64 of the unsigned product, by 32-bit halves: what is carried into a product of two fits into its 64 bits. */
function highProduct(c: Emitter, x: Var<I64>, y: Var<I64>): I64 {
  const { i64 } = c;
  const low = (v: Var<I64>): I64 => i64.and(v.get(), i64.const(0xffff_ffff));
  const high = (v: Var<I64>): I64 => i64.shr_u(v.get(), i64.const(32));
  const lowLow = c.letI64(i64.mul(low(x), low(y)));
  const highLow = c.letI64(i64.add(i64.mul(high(x), low(y)), high(lowLow)));
  const lowHigh = c.letI64(i64.add(i64.mul(low(x), high(y)), low(highLow)));
  return i64.add(i64.add(i64.mul(high(x), high(y)), high(highLow)), high(lowHigh));
}

/** Ra is not checked: it should be 11111, and QEMU and hardware ignore it. */
const MULH = insn('MULH', '1 00 11011 U:1 10 Rm:5 0 Ra:5 Rn:5 Rd:5', {
  statics: { signed: [false, true] },
  select: ({ U }) => ({ signed: U === 0 }),
  operands: ({ Rm, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm) }),
  emit: (c, { signed }) => {
    const { i64 } = c;
    const x = c.letI64(c.reg('b'));
    const y = c.letI64(c.reg('c'));
    const product = c.letI64(highProduct(c, x, y));
    if (!signed) {
      c.setReg('a', product.get());
      return;
    }
    // A negative factor read as unsigned is 2⁶⁴ too large.
    const excess = (negative: Var<I64>, other: Var<I64>): I64 =>
      i64.and(i64.shr_s(negative.get(), i64.const(63)), other.get());
    c.setReg('a', i64.sub(i64.sub(product.get(), excess(x, y)), excess(y, x)));
  },
  hot: ({ signed }) => !signed,
});

export const MULTIPLY = [MADD_MSUB, MADDL_MSUBL, MULH] as const;
