/**
 * Changes of the condition flags alone. Source: Arm DDI 0487, C4.1.93 "PSTATE", C4.1.94 "Rotate right into flags",
 * "Evaluate into flags"; C6.2, AXFLAG, CFINV, RMIF, SETF8, SETF16, XAFLAG.
 */
import type { Emitter, I32, Var } from '../emitter.ts';
import { insn, source } from '../pattern.ts';

/** Flags as bits of NZCV. */
const N = 8;
const Z = 4;
const C = 2;
const V = 1;

/** 1 if the flag is set. */
const isSet = (c: Emitter, nzcv: Var<I32>, flag: number): I32 =>
  c.i32.ne(c.i32.and(nzcv.get(), c.i32.const(flag)), c.i32.const(0));

/** The flag, where a condition of 0 or 1 holds. */
const flagIf = (c: Emitter, flag: number, condition: I32): I32 => c.i32.mul(condition, c.i32.const(flag));

/** PSTATE.C inverted. */
function invertCarry(c: Emitter, nzcv: Var<I32>): I32 {
  return c.i32.xor(nzcv.get(), c.i32.const(C));
}

/** From the flags of a comparison that leaves unordered in Z and V to those of FCMP. */
function toArm(c: Emitter, nzcv: Var<I32>): I32 {
  const { i32 } = c;
  const noCarry = (): I32 => i32.eqz(isSet(c, nzcv, C));
  const noZero = (): I32 => i32.eqz(isSet(c, nzcv, Z));
  return i32.or(
    i32.or(
      flagIf(c, N, i32.and(noCarry(), noZero())),
      flagIf(c, Z, i32.and(isSet(c, nzcv, Z), isSet(c, nzcv, C))),
    ),
    i32.or(
      flagIf(c, C, i32.or(isSet(c, nzcv, C), isSet(c, nzcv, Z))),
      flagIf(c, V, i32.and(noCarry(), isSet(c, nzcv, Z))),
    ),
  );
}

/** The inverse: N and V become 0. */
function fromArm(c: Emitter, nzcv: Var<I32>): I32 {
  const { i32 } = c;
  const unordered = (): I32 => isSet(c, nzcv, V);
  return i32.or(
    flagIf(c, Z, i32.or(isSet(c, nzcv, Z), unordered())),
    flagIf(c, C, i32.and(isSet(c, nzcv, C), i32.eqz(unordered()))),
  );
}

const change = (name: string, op2: string, of: (c: Emitter, nzcv: Var<I32>) => I32) =>
  insn(name, `1101010100 0 00 000 0100 0000 ${op2} 11111`, {
    emit: (c) => {
      const nzcv = c.letI32(c.nzcv());
      c.setNzcv(of(c, nzcv));
    },
  });

const RMIF = insn('RMIF', '1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4', {
  operands: ({ imm6, Rn, mask }) => ({ b: source(Rn), c: mask, imm: imm6 }),
  emit: (c) => {
    const { i32 } = c;
    const rotated = c.letI32(i32.wrap_i64(c.i64.rotr(c.reg('b'), c.imm())));
    const old = c.letI32(c.nzcv());
    c.setNzcv(i32.xor(old.get(), i32.and(i32.xor(old.get(), rotated.get()), c.field('c'))));
  },
});

/** N, Z and V of a byte or half; V is whether it overflowed into the next bit. C stays. */
const SETF = insn('SETF', '0 0 1 11010000 000000 sz:1 0010 Rn:5 0 1101', {
  statics: { bits: [8, 16] },
  select: ({ sz }) => ({ bits: sz ? 16 : 8 }),
  operands: ({ Rn }) => ({ b: source(Rn) }),
  emit: (c, { bits }) => {
    const { i32 } = c;
    const value = c.letI32(c.reg32('b'));
    const bit = (n: number): I32 => i32.and(i32.shr_u(value.get(), i32.const(n)), i32.const(1));
    const top = c.letI32(bit(bits - 1));
    const isZero = (): I32 => i32.eqz(i32.and(value.get(), i32.const(2 ** bits - 1)));
    c.setNzcv(
      i32.or(
        i32.or(flagIf(c, N, top.get()), flagIf(c, Z, isZero())),
        i32.or(flagIf(c, C, c.carry()), flagIf(c, V, i32.xor(top.get(), bit(bits)))),
      ),
    );
  },
});

export const FLAGS = [
  change('CFINV', '000', invertCarry),
  change('XAFLAG', '001', toArm),
  change('AXFLAG', '010', fromArm),
  RMIF,
  SETF,
] as const;
