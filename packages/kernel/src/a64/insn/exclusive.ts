/**
 * Exclusive and ordered accesses. Source: Arm DDI 0487, C4.1.95 "Load/store exclusive register", "exclusive pair",
 * "ordered", "Atomic memory operations" (LDAPR), "LDAPR/STLR (unscaled immediate)"; C6.2, LDAPR, LDAPUR, LDAR, LDAXP,
 * LDAXR, LDXP, LDXR, STLR, STLUR, STLXP, STLXR, STXP, STXR.
 *
 * A store-exclusive is a compare and exchange with the value that was loaded: it succeeds too if others have written
 * that value back in between (docs/architecture.md). Every access here is sequentially consistent, so acquire and
 * release forms are the plain ones. Rs and Rt2 are ignored where they should be ones, as QEMU and hardware do.
 */
import type { Emitter, I32, I64, Size, Var } from '../emitter.ts';
import { insn, orSp, signExtend, source, target } from '../pattern.ts';
import { compareExchangePair } from '../shared/compare-exchange-pair.ts';
import { ALL_TRANSFERS, FORMS, TRANSFERS } from '../shared/transfer.ts';
import { EXCLUSIVE_HIGH, EXCLUSIVE_HOST, EXCLUSIVE_LOW, EXCLUSIVE_SIZE } from '../../state/vcpu-state.ts';

const SIZES = [0, 1, 2, 3] as const;
const ACCESSES = [false, true] as const;

/** Marks the bytes at `host`, with what they hold. */
function mark(c: Emitter, host: Var<I32>, bytes: number, low: Var<I64>): void {
  c.setState32(EXCLUSIVE_HOST, host.get());
  c.setState32(EXCLUSIVE_SIZE, c.i32.const(bytes));
  c.setState64(EXCLUSIVE_LOW, low.get());
}

/**
 * Runs `exchange` if the bytes at operand `b` are marked, and opens the monitor. Where nothing is marked, there is no
 * access that could fault: the Arm ARM leaves open which is looked at first (AArch64.ExclusiveMonitorsPass), and QEMU
 * looks at the monitor.
 *
 * @param exchange - answers 1 if it failed
 * @returns the status of the store: 0 = done, 1 = failed
 */
function storeMarked(c: Emitter, bytes: number, exchange: (host: Var<I32>) => I32): Var<I32> {
  const { i32 } = c;
  const status = c.letI32(i32.const(1));
  const marked = c.letI32(c.state32(EXCLUSIVE_HOST));
  c.if(marked.get(), () => {
    const host = c.locate(c.reg('b'), bytes, 'write');
    const isHere = i32.and(
      i32.eq(marked.get(), host.get()),
      i32.eq(c.state32(EXCLUSIVE_SIZE), i32.const(bytes)),
    );
    c.if(isHere, () => status.set(exchange(host)));
    c.setState32(EXCLUSIVE_HOST, i32.const(0));
  });
  return status;
}

/** Operand `d` is the status register. */
const SINGLE = insn('LDXR_STXR', 'size:2 001000 0 L:1 0 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5', {
  statics: { size: SIZES, load: ACCESSES },
  select: ({ size, L }) => ({ size: size as Size, load: L === 1 }),
  operands: ({ L, Rs, Rn, Rt }) => ({ a: L ? target(Rt) : source(Rt), b: orSp(Rn), imm: target(Rs) }),
  emit: (c, { size, load }) => {
    const bytes = 1 << size;
    if (load) {
      const host = c.locate(c.reg('b'), bytes, 'read');
      const value = c.letI64(c.atomicLoad(host.get(), size));
      mark(c, host, bytes, value);
      c.setReg('a', value.get());
      return;
    }
    const status = storeMarked(c, bytes, (host) => {
      const expected = c.letI64(c.state64(EXCLUSIVE_LOW));
      const old = c.atomicCompareExchange(host.get(), expected.get(), c.reg('a'), size);
      return c.i64.ne(old, expected.get());
    });
    c.setReg32('d', status.get());
  },
});

/** Two words as one double word. */
const joined = (c: Emitter): I64 =>
  c.i64.or(c.i64.extend_i32_u(c.reg32('a')), c.i64.shl(c.i64.extend_i32_u(c.reg32('c')), c.i64.const(32)));

const PAIR = insn('LDXP_STXP', '1 sz:1 001000 0 L:1 1 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5', {
  statics: { width: [32, 64], load: ACCESSES },
  select: ({ sz, L }) => ({ width: sz ? 64 : 32, load: L === 1 }),
  operands: ({ L, Rs, Rt2, Rn, Rt }) => ({
    a: L ? target(Rt) : source(Rt),
    b: orSp(Rn),
    c: L ? target(Rt2) : source(Rt2),
    imm: target(Rs),
  }),
  emit: (c, { width, load }) => {
    const bytes = width / 4;
    if (load) loadPair(c, width, c.locate(c.reg('b'), bytes, 'read'), bytes);
    else c.setReg32('d', storePair(c, width, bytes).get());
  },
});

function loadPair(c: Emitter, width: 32 | 64, host: Var<I32>, bytes: number): void {
  const { i32, i64 } = c;
  const low = c.letI64(c.atomicLoad(host.get(), 3));
  if (width === 32) {
    mark(c, host, bytes, low);
    c.setReg32('a', i32.wrap_i64(low.get()));
    c.setReg('c', i64.shr_u(low.get(), i64.const(32)));
    return;
  }
  const high = c.letI64(c.atomicLoad(i32.add(host.get(), i32.const(8)), 3));
  mark(c, host, bytes, low);
  c.setState64(EXCLUSIVE_HIGH, high.get());
  c.setReg('a', low.get());
  c.setReg('c', high.get());
}

function storePair(c: Emitter, width: 32 | 64, bytes: number): Var<I32> {
  const { i32, i64 } = c;
  return storeMarked(c, bytes, (host) => {
    const low = c.letI64(c.state64(EXCLUSIVE_LOW));
    if (width === 32) {
      return i64.ne(c.atomicCompareExchange(host.get(), low.get(), joined(c), 3), low.get());
    }
    const high = c.letI64(c.state64(EXCLUSIVE_HIGH));
    const replacement = [c.letI64(c.reg('a')), c.letI64(c.reg('c'))] as const;
    const old = compareExchangePair(c, host, [low, high], replacement);
    return i32.or(i64.ne(old[0].get(), low.get()), i64.ne(old[1].get(), high.get()));
  });
}

/** LDLAR and STLLR (o0 = 0) belong to FEAT_LOR, which is not announced. */
const ORDERED = insn('LDAR_STLR', 'size:2 001000 1 L:1 0 Rs:5 1 Rt2:5 Rn:5 Rt:5', {
  statics: { size: SIZES, load: ACCESSES },
  select: ({ size, L }) => ({ size: size as Size, load: L === 1 }),
  operands: ({ L, Rn, Rt }) => ({ a: L ? target(Rt) : source(Rt), b: orSp(Rn) }),
  emit: (c, { size, load }) => {
    const form = { size, ordered: true, syndrome: size === 3 ? 64 : 32 } as const;
    if (load) c.setReg('a', c.load(c.reg('b'), form));
    else c.store(c.reg('b'), c.reg('a'), form);
  },
});

/** Acquire with processor consistency: at least as strong here. */
const LDAPR = insn('LDAPR', 'size:2 111000 1 0 1 11111 1 100 00 Rn:5 Rt:5', {
  statics: { size: SIZES },
  select: ({ size }) => ({ size: size as Size }),
  operands: ({ Rn, Rt }) => ({ a: target(Rt), b: orSp(Rn) }),
  emit: (c, { size }) => {
    c.setReg('a', c.load(c.reg('b'), { size, ordered: true, syndrome: size === 3 ? 64 : 32 }));
  },
});

const LDAPUR_STLUR = insn('LDAPUR_STLUR', 'size:2 011001 opc:2 0 imm9:9 00 Rn:5 Rt:5', {
  statics: { transfer: ALL_TRANSFERS },
  select: ({ size, opc }) => {
    const transfer = TRANSFERS[size * 4 + opc];
    return transfer ? { transfer } : null;
  },
  operands: ({ opc, imm9, Rn, Rt }) => ({
    a: opc ? target(Rt) : source(Rt),
    b: orSp(Rn),
    imm: signExtend(imm9, 9),
  }),
  emit: (c, { transfer }) => {
    const { load, ...form } = { ...FORMS[transfer], ordered: true };
    const address = c.i64.add(c.reg('b'), c.imm());
    if (load) c.setReg('a', c.load(address, form));
    else c.store(address, c.reg('a'), form);
  },
});

export const EXCLUSIVE = [SINGLE, PAIR, ORDERED, LDAPR, LDAPUR_STLUR] as const;
