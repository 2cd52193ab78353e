/**
 * Loads and stores of one or two SIMD&FP registers.
 * Source: Arm DDI 0487, C4.1.95 "Loads and Stores"; C7.2, LDR, LDUR, LDP, LDNP, STR, STUR, STP, STNP (SIMD&FP).
 */
import type { Emitter, I64, Size, Var } from '../emitter.ts';
import { insn, orSp, signExtend, source, vector } from '../pattern.ts';

/** log2 of the transfer in bytes: B, H, S, D, Q. */
const SIZES = [0, 1, 2, 3, 4] as const;
type TransferSize = (typeof SIZES)[number];
const PAIR_SIZES = [2, 3, 4] as const;

/** `size:opc<1>` as log2 of the transfer, or `null`: 128 bits are encoded with `size` = 00 only. */
const transferSize = (size: number, opcHigh: number): TransferSize | null => {
  if (!opcHigh) return SIZES[size]!;
  return size === 0 ? 4 : null;
};

function transfer(c: Emitter, load: boolean, size: TransferSize, address: I64): void {
  if (size === 4) {
    if (load) c.setVec('a', c.loadVec(address));
    else c.storeVec(address, c.vec('a'));
  } else if (size >= 2) {
    const bits = size === 3 ? 64 : 32;
    if (load) c.setFloat('a', bits, c.loadFloat(address, bits));
    else c.storeFloat(address, bits, c.float('a', bits));
  } else if (load) c.setVecLow('a', c.load(address, { size }));
  else c.store(address, c.vecLow('a'), { size });
}

function transferPair(c: Emitter, load: boolean, size: 2 | 3 | 4, address: I64): void {
  if (size === 4) {
    if (load) {
      const [first, second] = c.loadVecPair(address);
      c.setVec('a', first.get());
      c.setVec('c', second.get());
    } else {
      const at = c.letI64(address);
      const first = c.letV128(c.vec('a'));
      const second = c.letV128(c.vec('c'));
      c.storeVecPair(at.get(), first, second);
    }
  } else if (load) {
    const [first, second] = c.loadPair(address, { size: size as Size });
    c.setVecLow('a', first.get());
    c.setVecLow('c', second.get());
  } else {
    const at = c.letI64(address);
    const first = c.letI64(c.vecLow('a'));
    const second = c.letI64(c.vecLow('c'));
    c.storePair(at.get(), first, second, { size: size as Size });
  }
}

/** The base register plus the immediate. */
const offsetAddress = (c: Emitter): I64 => c.i64.add(c.reg('b'), c.imm());

/** Transfers with write-back: at the base and then the sum (post-index), or at the sum (pre-index). */
function indexed(c: Emitter, mode: 'pre' | 'post', access: (address: I64) => void): void {
  const base: Var<I64> = c.letI64(c.reg('b'));
  const sum = c.letI64(c.i64.add(base.get(), c.imm()));
  access(mode === 'pre' ? sum.get() : base.get());
  c.setReg('b', sum.get());
}

const single = { load: [false, true], size: SIZES } as const;

/** LDR, STR (immediate, SIMD&FP), unsigned offset. */
const unsignedOffset = insn('LDR_STR_simd_uimm', 'size:2 111101 opcHigh:1 L:1 imm12:12 Rn:5 Rt:5', {
  statics: single,
  select: ({ size, opcHigh, L }) => {
    const log = transferSize(size, opcHigh);
    return log === null ? null : { load: L === 1, size: log };
  },
  operands: ({ size, opcHigh, imm12, Rn, Rt }) => ({
    a: vector(Rt),
    b: orSp(Rn),
    imm: imm12 << (opcHigh ? 4 : size),
  }),
  emit: (c, { load, size }) => {
    c.requireFp();
    transfer(c, load, size, offsetAddress(c));
  },
  hot: ({ size }) => size >= 3,
});

/** LDUR, STUR (SIMD&FP). */
const unscaled = insn('LDUR_STUR_simd', 'size:2 111100 opcHigh:1 L:1 0 imm9:9 00 Rn:5 Rt:5', {
  statics: single,
  select: ({ size, opcHigh, L }) => {
    const log = transferSize(size, opcHigh);
    return log === null ? null : { load: L === 1, size: log };
  },
  operands: ({ imm9, Rn, Rt }) => ({ a: vector(Rt), b: orSp(Rn), imm: signExtend(imm9, 9) }),
  emit: (c, { load, size }) => {
    c.requireFp();
    transfer(c, load, size, offsetAddress(c));
  },
  hot: ({ size }) => size === 4,
});

/** LDR, STR (immediate, SIMD&FP), pre- and post-index. */
const indexedImmediate = insn(
  'LDR_STR_simd_indexed',
  'size:2 111100 opcHigh:1 L:1 0 imm9:9 pre:1 1 Rn:5 Rt:5',
  {
    statics: { ...single, mode: ['pre', 'post'] },
    select: ({ size, opcHigh, L, pre }) => {
      const log = transferSize(size, opcHigh);
      return log === null ? null : { load: L === 1, size: log, mode: pre ? 'pre' : 'post' };
    },
    operands: ({ imm9, Rn, Rt }) => ({ a: vector(Rt), b: orSp(Rn), imm: signExtend(imm9, 9) }),
    emit: (c, { load, size, mode }) => {
      c.requireFp();
      indexed(c, mode, (address) => transfer(c, load, size, address));
    },
    stack: { moved: ({ imm9, Rn }) => Rn === 31 && imm9 % 16 !== 0 },
  },
);

/** By `option<2>:option<0>`: UXTW, LSL, SXTW, SXTX. The others are reserved. */
const EXTENDS = ['uxtw', 'x', 'sxtw', 'x'] as const;

/** LDR, STR (register, SIMD&FP). */
const registerOffset = insn(
  'LDR_STR_simd_register',
  'size:2 111100 opcHigh:1 L:1 1 Rm:5 signed:1 1 wide:1 S:1 10 Rn:5 Rt:5',
  {
    statics: { ...single, extend: ['uxtw', 'x', 'sxtw'] },
    select: ({ size, opcHigh, L, signed, wide }) => {
      const log = transferSize(size, opcHigh);
      return log === null ? null : { load: L === 1, size: log, extend: EXTENDS[(signed << 1) | wide]! };
    },
    operands: ({ size, opcHigh, Rm, S, Rn, Rt }) => ({
      a: vector(Rt),
      b: orSp(Rn),
      c: source(Rm),
      imm: S ? (opcHigh ? 4 : size) : 0,
    }),
    emit: (c, { load, size, extend }) => {
      c.requireFp();
      const base = c.reg('b');
      const offset =
        extend === 'x'
          ? c.reg('c')
          : extend === 'sxtw'
            ? c.i64.extend_i32_s(c.reg32('c'))
            : c.i64.extend_i32_u(c.reg32('c'));
      transfer(c, load, size, c.i64.add(base, c.i64.shl(offset, c.imm())));
    },
  },
);

/** LDR (literal, SIMD&FP). */
const literal = insn('LDR_simd_literal', 'opc:2 011100 imm19:19 Rt:5', {
  statics: { size: PAIR_SIZES },
  select: ({ opc }) => (opc === 3 ? null : { size: PAIR_SIZES[opc]! }),
  operands: ({ imm19, Rt }) => ({ a: vector(Rt), imm: signExtend(imm19, 19) * 4 }),
  emit: (c, { size }) => {
    c.requireFp();
    transfer(c, true, size, c.i64.add(c.pc(), c.imm()));
  },
});

/** LDP, STP, LDNP, STNP (SIMD&FP). The hint of the non-temporal forms is ignored. */
const pair = insn('LDP_STP_simd', 'opc:2 10110 mode:2 L:1 imm7:7 Rt2:5 Rn:5 Rt:5', {
  statics: { load: [false, true], size: PAIR_SIZES, mode: ['offset', 'pre', 'post'] },
  select: ({ opc, mode, L }) =>
    opc === 3
      ? null
      : {
          load: L === 1,
          size: PAIR_SIZES[opc]!,
          mode: mode === 3 ? 'pre' : mode === 1 ? 'post' : 'offset',
        },
  operands: ({ opc, imm7, Rt2, Rn, Rt }) => ({
    a: vector(Rt),
    b: orSp(Rn),
    c: vector(Rt2),
    imm: signExtend(imm7, 7) * (4 << opc),
  }),
  emit: (c, { load, size, mode }) => {
    c.requireFp();
    if (mode === 'offset') transferPair(c, load, size, offsetAddress(c));
    else indexed(c, mode, (address) => transferPair(c, load, size, address));
  },
  hot: ({ size, mode }) => size >= 3 && mode === 'offset',
  stack: {
    at: ({ mode }) => mode !== 'offset',
    moved: ({ opc, mode, imm7, Rn }) => Rn === 31 && (mode & 1) === 1 && imm7 % (4 >> opc) !== 0,
  },
});

export const SIMD_LOAD_STORE = [
  unsignedOffset,
  unscaled,
  indexedImmediate,
  registerOffset,
  literal,
  pair,
] as const;
