/**
 * Atomic memory operations (FEAT_LSE). Source: Arm DDI 0487, C4.1.95 "Atomic memory operations", "Compare and swap",
 * "Compare and swap pair"; C6.2, CAS, CASP, LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN, SWP and their
 * ST forms.
 *
 * All are sequentially consistent, so acquire and release forms are the plain ones. Their access is a write too,
 * even where nothing is exchanged.
 */
import type { AtomicOp, Emitter, I32, I64, Size, Var } from '../emitter.ts';
import { insn, orSp, source, target } from '../pattern.ts';
import { compareExchangePair } from '../shared/compare-exchange-pair.ts';

const SIZES = [0, 1, 2, 3] as const;
/** By `o3:opc`; those after SWP are not allocated here. */
const OPERATIONS = ['add', 'clr', 'eor', 'set', 'smax', 'smin', 'umax', 'umin', 'swp'] as const;
type Operation = (typeof OPERATIONS)[number];

/** What memory has in one operation. LDCLR is AND with the inverted register. */
const DIRECT: { readonly [O in Operation]?: AtomicOp } = {
  add: 'add',
  clr: 'and',
  eor: 'xor',
  set: 'or',
  swp: 'xchg',
};

const MAXIMA = {
  smax: { signed: true, greater: true },
  smin: { signed: true, greater: false },
  umax: { signed: false, greater: true },
  umin: { signed: false, greater: false },
} as const;

/** The low bytes of a register, zero- or sign-extended. */
function truncated(c: Emitter, value: I64, size: Size, signed: boolean): I64 {
  const { i64 } = c;
  if (size === 3) return value;
  if (!signed) return i64.and(value, i64.const([0xff, 0xffff, 0xffff_ffff][size]!));
  if (size === 0) return i64.extend8_s(value);
  return size === 1 ? i64.extend16_s(value) : i64.extend32_s(value);
}

/** @returns the old value, zero-extended */
function updateMaximum(c: Emitter, kind: keyof typeof MAXIMA, host: Var<I32>, size: Size): Var<I64> {
  const { i64 } = c;
  const { signed, greater } = MAXIMA[kind];
  const operand = c.letI64(truncated(c, c.reg('c'), size, signed));
  const old = c.letI64(c.atomicLoad(host.get(), size));
  c.repeat(() => {
    const expected = c.letI64(old.get());
    const current = c.letI64(truncated(c, expected.get(), size, signed));
    const compare = signed ? 'gt_s' : 'gt_u';
    const [first, second] = greater ? [current, operand] : [operand, current];
    const keeps = c.letI32(i64[compare](first.get(), second.get()));
    const replacement = c.letI64(c.select(current.get(), operand.get(), keeps.get()));
    old.set(c.atomicCompareExchange(host.get(), expected.get(), replacement.get(), size));
    return i64.ne(old.get(), expected.get());
  });
  return old;
}

const LDOP_SWP = insn('LDOP_SWP', 'size:2 111 0 00 A:1 R:1 1 Rs:5 o3:1 opc:3 00 Rn:5 Rt:5', {
  statics: { operation: OPERATIONS, size: SIZES },
  select: ({ size, o3, opc }) => {
    const operation = OPERATIONS[(o3 << 3) | opc];
    return operation ? { operation, size: size as Size } : null;
  },
  operands: ({ Rs, Rn, Rt }) => ({ a: target(Rt), b: orSp(Rn), c: source(Rs) }),
  emit: (c, { operation, size }) => {
    const host = c.locate(c.reg('b'), 1 << size, 'update');
    const direct = DIRECT[operation];
    if (!direct) {
      c.setReg('a', updateMaximum(c, operation as keyof typeof MAXIMA, host, size).get());
      return;
    }
    const operand = c.letI64(operation === 'clr' ? c.i64.xor(c.reg('c'), c.i64.const(-1)) : c.reg('c'));
    c.setReg('a', c.atomicUpdate(direct, host.get(), operand.get(), size));
  },
});

const CAS = insn('CAS', 'size:2 001000 1 L:1 1 Rs:5 o0:1 11111 Rn:5 Rt:5', {
  statics: { size: SIZES },
  select: ({ size }) => ({ size: size as Size }),
  operands: ({ Rs, Rn, Rt }) => ({ a: target(Rs), b: orSp(Rn), c: source(Rt), imm: source(Rs) }),
  emit: (c, { size }) => {
    const host = c.locate(c.reg('b'), 1 << size, 'update');
    const expected = c.letI64(truncated(c, c.reg('d'), size, false));
    c.setReg('a', c.atomicCompareExchange(host.get(), expected.get(), c.reg('c'), size));
  },
});

/**
 * Rs and Rt must be even. Fields: a = Rs, c = Rt, and the registers after them, d and e. After x30 comes XZR, which is
 * read as 0 and not written.
 */
const CASP = insn('CASP', '0 sz:1 001000 0 L:1 1 Rs:5 o0:1 11111 Rn:5 Rt:5', {
  statics: { width: [32, 64], last: [false, true] },
  select: ({ sz, Rs, Rt }) => ((Rs | Rt) & 1 ? null : { width: sz ? 64 : 32, last: Rs === 30 }),
  operands: ({ Rs, Rn, Rt }) => ({
    a: source(Rs),
    b: orSp(Rn),
    c: source(Rt),
    imm: source(Rs + 1) | (source(Rt + 1) << 16),
  }),
  emit: (c, { width, last }) => {
    const { i32, i64 } = c;
    const host = c.locate(c.reg('b'), width / 4, 'update');
    if (width === 32) {
      const joined = (low: 'a' | 'c', high: 'd' | 'e'): Var<I64> =>
        c.letI64(
          i64.or(i64.extend_i32_u(c.reg32(low)), i64.shl(i64.extend_i32_u(c.reg32(high)), i64.const(32))),
        );
      const expected = joined('a', 'd');
      const replacement = joined('c', 'e');
      const old = c.letI64(c.atomicCompareExchange(host.get(), expected.get(), replacement.get(), 3));
      c.setReg32('a', i32.wrap_i64(old.get()));
      if (!last) c.setReg('d', i64.shr_u(old.get(), i64.const(32)));
      return;
    }
    const expected = [c.letI64(c.reg('a')), c.letI64(c.reg('d'))] as const;
    const replacement = [c.letI64(c.reg('c')), c.letI64(c.reg('e'))] as const;
    const [low, high] = compareExchangePair(c, host, expected, replacement);
    c.setReg('a', low.get());
    if (!last) c.setReg('d', high.get());
  },
});

export const ATOMIC = [LDOP_SWP, CAS, CASP] as const;
