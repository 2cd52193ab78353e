/**
 * Loads and stores of general registers. Source: Arm DDI 0487, C4.1.95 "Loads and Stores"; C6.2, LDR, LDRB, LDRH,
 * LDRSB, LDRSH, LDRSW, LDTR, LDUR, LDP, LDNP, LDPSW, STR, STRB, STRH, STTR, STUR, STP, STNP, PRFM.
 *
 * Where write-back meets a transferred register, or a pair names one register twice (constrained unpredictable), the
 * order of writes is QEMU's: second of a pair, first, base.
 */
import type { AccessForm, Emitter, I64 } from '../emitter.ts';
import { insn, orSp, signExtend, source, target } from '../pattern.ts';
import { ALL_TRANSFERS, FORMS, type Transfer, type TransferForm, TRANSFERS } from '../shared/transfer.ts';

const MODES = ['offset', 'post', 'unprivileged', 'pre', 'lsl', 'uxtw', 'sxtw'] as const;
type Mode = (typeof MODES)[number];

/** Register offsets by `option<2>` and `option<0>`; SXTX is LSL, since all 64 bits are taken. */
const REGISTER_OFFSETS = ['uxtw', 'lsl', 'sxtw', 'lsl'] as const;

/** The fields that tell addressing modes apart, in one diagram for all of them. */
const PATTERN = 'size:2 111 0 0 scaled:1 opc:2 register:1 upper:9 form:2 Rn:5 Rt:5';

/** `option:S` of a register offset, within `upper` (Rm:5 option:3 S:1). */
const optionOf = (upper: number): number => (upper >> 1) & 7;

function modeOf(scaled: number, register: number, upper: number, form: number): Mode | null {
  if (scaled) return 'offset';
  if (!register) return MODES[form]!;
  const option = optionOf(upper);
  if (form !== 2 || !(option & 2)) return null;
  return REGISTER_OFFSETS[((option >> 1) & 2) | (option & 1)]!;
}

const SINGLE = insn('LDR_STR', PATTERN, {
  statics: { transfer: ALL_TRANSFERS, mode: MODES },
  select: ({ size, scaled, opc, register, upper, form }) => {
    const transfer = TRANSFERS[size * 4 + opc];
    const mode = modeOf(scaled, register, upper, form);
    return transfer && mode ? { transfer, mode } : null;
  },
  operands: ({ size, scaled, opc, register, upper, form, Rn, Rt }) => {
    const a = opc ? target(Rt) : source(Rt);
    const b = orSp(Rn);
    if (scaled) return { a, b, imm: ((register << 11) | (upper << 2) | form) << size };
    if (register) return { a, b, c: source(upper >> 4), imm: upper & 1 ? size : 0 };
    return { a, b, imm: signExtend(upper, 9) };
  },
  emit: (c, { transfer, mode }) => {
    const form = FORMS[transfer];
    if (mode === 'post' || mode === 'pre') {
      const { syndrome: _, ...rest } = form; // no syndrome: the access has a side effect of its own
      writeBack(c, mode, (address) => move(c, rest, address));
    } else {
      move(c, { ...form, unprivileged: mode === 'unprivileged' }, addressOf(c, mode));
    }
  },
  hot: ({ transfer, mode }) => HOT[mode].includes(transfer),
  stack: {
    at: ({ mode }) => mode === 'pre' || mode === 'post',
    moved: ({ scaled, register, upper, form, Rn }) =>
      Rn === 31 && !scaled && !register && (form & 1) === 1 && upper % 16 !== 0,
  },
});

/** Prefetches have no effect; nor do they fault. */
const PRFM = [
  insn('PRFM_imm', '11 111 0 01 10 imm12:12 Rn:5 Rt:5', { emit: () => {} }),
  insn('PRFUM', '11 111 0 00 10 0 imm9:9 00 Rn:5 Rt:5', { emit: () => {} }),
  insn('PRFM_reg', '11 111 0 00 10 1 Rm:5 option:3 S:1 10 Rn:5 Rt:5', {
    select: ({ option }) => (option & 2 ? {} : null),
    emit: () => {},
  }),
  insn('PRFM_literal', '11 011 0 00 imm19:19 Rt:5', { emit: () => {} }),
] as const;

function addressOf(c: Emitter, mode: Exclude<Mode, 'pre' | 'post'>): I64 {
  const { i64 } = c;
  switch (mode) {
    case 'lsl':
      return i64.add(c.reg('b'), i64.shl(c.reg('c'), c.imm()));
    case 'uxtw':
      return i64.add(c.reg('b'), i64.shl(i64.extend_i32_u(c.reg32('c')), c.imm()));
    case 'sxtw':
      return i64.add(c.reg('b'), i64.shl(i64.extend_i32_s(c.reg32('c')), c.imm()));
    default:
      return i64.add(c.reg('b'), c.imm());
  }
}

function move(c: Emitter, { load, ...form }: TransferForm, address: I64): void {
  if (load) c.setReg('a', c.load(address, form));
  else c.store(address, c.reg('a'), form);
}

/** A transfer at the base (post-index) or at the sum of base and immediate (pre-index), which the base becomes. */
function writeBack(c: Emitter, mode: 'pre' | 'post', transfer: (address: I64) => void): void {
  const base = c.letI64(c.reg('b'));
  const sum = c.letI64(c.i64.add(base.get(), c.imm()));
  transfer(mode === 'pre' ? sum.get() : base.get());
  c.setReg('b', sum.get());
}

/** The forms that compilers use most. */
const HOT: { readonly [M in Mode]: readonly Transfer[] } = {
  offset: ALL_TRANSFERS,
  post: ['ldrb', 'ldrh', 'ldr32', 'ldr64', 'strb', 'strh', 'str32', 'str64'],
  pre: ['ldrb', 'ldr32', 'ldr64', 'strb', 'str32', 'str64'],
  unprivileged: [],
  lsl: ['ldrb', 'ldrh', 'ldrsw', 'ldr32', 'ldr64', 'strb', 'strh', 'str32', 'str64'],
  uxtw: ['ldrb', 'ldrh', 'ldr32', 'ldr64', 'strb', 'str32', 'str64'],
  sxtw: ['ldrb', 'ldr32', 'ldrsw', 'ldr64', 'str32'],
};

/** By `opc`. */
const LITERALS = ['ldr32', 'ldr64', 'ldrsw'] as const;

const LITERAL = insn('LDR_literal', 'opc:2 011 0 00 imm19:19 Rt:5', {
  statics: { transfer: LITERALS },
  select: ({ opc }) => {
    const transfer = LITERALS[opc]; // PRFM, opc = 11, is a row of its own
    return transfer ? { transfer } : null;
  },
  operands: ({ imm19, Rt }) => ({ a: target(Rt), imm: signExtend(imm19, 19) * 4 }),
  emit: (c, { transfer }) => move(c, FORMS[transfer], c.i64.add(c.pc(), c.imm())),
  hot: ({ transfer }) => transfer === 'ldr64',
});

/** LDNP and STNP are pairs with an offset: their hint has no effect. */
const PAIR_MODES = ['offset', 'post', 'offset', 'pre'] as const;
type PairMode = (typeof PAIR_MODES)[number];

/** Transfers two registers, `a` and `c`. */
function movePair(c: Emitter, load: boolean, mode: PairMode, form: AccessForm): void {
  const base = c.letI64(c.reg('b'));
  const sum = c.letI64(c.i64.add(base.get(), c.imm()));
  const address = mode === 'post' ? base : sum;
  if (load) {
    const [first, second] = c.loadPair(address.get(), form);
    c.setReg('c', second.get());
    c.setReg('a', first.get());
  } else {
    const first = c.letI64(c.reg('a'));
    const second = c.letI64(c.reg('c'));
    c.storePair(address.get(), first, second, form);
  }
  if (mode !== 'offset') c.setReg('b', sum.get());
}

/** @param step - multiples of the immediate's unit that keep SP aligned */
const movesStack = (mode: number, imm7: number, Rn: number, step: number): boolean =>
  Rn === 31 && (mode & 1) === 1 && imm7 % step !== 0;

const PAIR = insn('LDP_STP', 'opc:2 101 0 0 mode:2 L:1 imm7:7 Rt2:5 Rn:5 Rt:5', {
  statics: { width: [32, 64], load: [false, true], mode: ['offset', 'post', 'pre'] },
  // opc = 01 is LDPSW or not allocated.
  select: ({ opc, mode, L }) =>
    opc & 1 ? null : { width: opc ? 64 : 32, load: L === 1, mode: PAIR_MODES[mode]! },
  operands: ({ opc, L, imm7, Rt2, Rn, Rt }) => ({
    a: L ? target(Rt) : source(Rt),
    b: orSp(Rn),
    c: L ? target(Rt2) : source(Rt2),
    imm: signExtend(imm7, 7) * (opc ? 8 : 4),
  }),
  emit: (c, { width, load, mode }) => movePair(c, load, mode, { size: width === 64 ? 3 : 2 }),
  hot: ({ width, load, mode }) => width === 64 || load || mode === 'offset',
  stack: {
    at: ({ mode }) => mode !== 'offset',
    moved: ({ opc, mode, imm7, Rn }) => movesStack(mode, imm7, Rn, opc ? 2 : 4),
  },
});

const LDPSW = insn('LDPSW', '01 101 0 0 mode:2 1 imm7:7 Rt2:5 Rn:5 Rt:5', {
  statics: { mode: ['offset', 'post', 'pre'] },
  select: ({ mode }) => (mode === 0 ? null : { mode: PAIR_MODES[mode]! }),
  operands: ({ imm7, Rt2, Rn, Rt }) => ({
    a: target(Rt),
    b: orSp(Rn),
    c: target(Rt2),
    imm: signExtend(imm7, 7) * 4,
  }),
  emit: (c, { mode }) => movePair(c, true, mode, { size: 2, signed: 64 }),
  stack: { moved: ({ mode, imm7, Rn }) => movesStack(mode, imm7, Rn, 4) },
});

export const LOAD_STORE = [SINGLE, ...PRFM, LITERAL, PAIR, LDPSW] as const;
