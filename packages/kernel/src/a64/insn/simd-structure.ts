/**
 * Loads and stores of structures of one to four elements.
 * Source: Arm DDI 0487, C4.1.95 "Advanced SIMD load/store multiple structures" and "single structure"; C7.2, LD1 to ST4.
 */
import type { Emitter, I64, Size, V128, Var } from '../emitter.ts';
import { insn, orSp, source, vector, type Insn, type Operands } from '../pattern.ts';
import { ALL_VECTORS, allocated, SHAPES, type Shape, vectorArrangement } from '../shared/arrangement.ts';
import { bytesFrom, gather, joinLow, laneMask, splatValue, ZERO_BYTE, zeros } from '../shared/lanes.ts';
import { ZERO_SLOT } from '../../state/vcpu-state.ts';

/** Registers in the list, or elements in a structure. */
const COUNTS = [1, 2, 3, 4] as const;
type Count = (typeof COUNTS)[number];
const up = (count: Count): number[] => Array.from({ length: count }, (_, n) => n);

const addressAfter = (c: Emitter, base: Var<I64>, bytes: number): I64 =>
  bytes === 0 ? base.get() : c.i64.add(base.get(), c.i64.const(bytes));

/** Post-index: adds register `Rm`, or the number of bytes transferred where Rm is 31. */
const writeBack = (c: Emitter, base: Var<I64>): void =>
  c.setReg('b', c.i64.add(c.i64.add(base.get(), c.reg('c')), c.i64.extend_i32_u(c.imm32())));

const listOperands = (Rn: number, Rt: number): Operands => ({ a: vector(Rt), b: orSp(Rn) });
const postOperands = (Rm: number, bytes: number): Operands =>
  Rm === 31 ? { c: ZERO_SLOT, immLow: bytes } : { c: source(Rm), immLow: 0 };

// ---- multiple structures

/** Reads 8 or 16 bytes; the rest is 0. */
function loadLow(c: Emitter, base: Var<I64>, at: number, bits: 64 | 128): Var<V128> {
  if (bits === 128) return c.letV128(c.loadVec(addressAfter(c, base, at)));
  const value = c.letI64(c.load(addressAfter(c, base, at), { size: 3 }));
  return c.letV128(c.i64x2.replace_lane(zeros(c), 0, value.get()));
}

/** Reads: bytes 0 to 15 of the transfer, then 16 to 31, and so on; zeros after the end. */
function loadBlock(c: Emitter, base: Var<I64>, bytes: number): Var<V128>[] {
  const blocks: Var<V128>[] = [];
  for (let at = 0; at < bytes; at += 16) {
    blocks.push(loadLow(c, base, at, bytes - at >= 16 ? 128 : 64));
  }
  return blocks;
}

function storeBlock(c: Emitter, base: Var<I64>, bytes: number, block: (n: number) => V128): void {
  for (let at = 0; at < bytes; at += 16) {
    const address = addressAfter(c, base, at);
    if (bytes - at >= 16) c.storeVec(address, block(at >> 4));
    else c.store(address, c.i64x2.extract_lane(block(at >> 4), 0), { size: 3 });
  }
}

/** Where byte `byte` of register `register` lies in memory when structures of `count` elements are transferred. */
const interleaved = (count: Count, size: Size, register: number, byte: number): number =>
  (((byte >> size) * count + register) << size) | (byte & ((1 << size) - 1));

function loadInterleaved(c: Emitter, base: Var<I64>, count: Count, { size, bits }: Shape): void {
  const width = bits / 8;
  const blocks = loadBlock(c, base, count * width);
  for (const register of up(count)) {
    const picks = Array.from({ length: 16 }, (_, byte) =>
      byte < width ? interleaved(count, size, register, byte) : ZERO_BYTE,
    );
    c.setVecAfter('a', register, gather(c, blocks, picks));
  }
}

function storeInterleaved(c: Emitter, base: Var<I64>, count: Count, { size, bits }: Shape): void {
  const width = bits / 8;
  const registers = up(count).map((n) => c.letV128(c.vecAfter('a', n)));
  const picks: number[] = [];
  for (const register of up(count)) {
    for (let byte = 0; byte < width; byte++)
      picks[interleaved(count, size, register, byte)] = register * 16 + byte;
  }
  while (picks.length % 16 !== 0) picks.push(ZERO_BYTE);
  storeBlock(c, base, count * width, (n) => gather(c, registers, picks.slice(16 * n, 16 * n + 16)));
}

/** LD1, ST1 of several registers: no structure, one register after the other. */
function transferRegisters(c: Emitter, load: boolean, base: Var<I64>, count: Count, bits: 64 | 128): void {
  const width = bits / 8;
  if (load) {
    const values = up(count).map((n) => loadLow(c, base, n * width, bits));
    for (const [n, value] of values.entries()) c.setVecAfter('a', n, value.get());
    return;
  }
  for (const n of up(count)) {
    const address = addressAfter(c, base, n * width);
    const value = c.vecAfter('a', n);
    if (bits === 128) c.storeVec(address, value);
    else c.store(address, c.i64x2.extract_lane(value, 0), { size: 3 });
  }
}

/** LD1, ST1 (multiple structures): `opcode` by number of registers. */
const LIST_OPCODES = { 1: '0111', 2: '1010', 3: '0110', 4: '0010' } as const;
/** LD2 to LD4, ST2 to ST4 (multiple structures): `opcode` by number of elements. */
const STRUCTURE_OPCODES = { 2: '1000', 3: '0100', 4: '0000' } as const;

const listRow = (count: Count): Insn[] => {
  const statics = { load: [false, true], bits: [64, 128] } as const;
  return [
    insn(`LD1_ST1_x${count}`, `0 Q:1 0011000 L:1 000000 ${LIST_OPCODES[count]} size:2 Rn:5 Rt:5`, {
      statics,
      select: ({ L, Q }) => ({ load: L === 1, bits: Q ? 128 : 64 }),
      operands: ({ Rn, Rt }) => listOperands(Rn, Rt),
      emit: (c, { load, bits }) => {
        c.requireFp();
        transferRegisters(c, load, c.letI64(c.reg('b')), count, bits);
      },
    }),
    insn(`LD1_ST1_x${count}_post`, `0 Q:1 0011001 L:1 0 Rm:5 ${LIST_OPCODES[count]} size:2 Rn:5 Rt:5`, {
      statics,
      select: ({ L, Q }) => ({ load: L === 1, bits: Q ? 128 : 64 }),
      operands: ({ Q, Rm, Rn, Rt }) => ({ ...listOperands(Rn, Rt), ...postOperands(Rm, (8 << Q) * count) }),
      emit: (c, { load, bits }) => {
        c.requireFp();
        const base = c.letI64(c.reg('b'));
        transferRegisters(c, load, base, count, bits);
        writeBack(c, base);
      },
    }),
  ];
};

const structureRow = (count: 2 | 3 | 4): Insn[] => {
  const statics = { load: [false, true], T: ALL_VECTORS } as const;
  const transfer = (c: Emitter, load: boolean, base: Var<I64>, shape: Shape): void =>
    load ? loadInterleaved(c, base, count, shape) : storeInterleaved(c, base, count, shape);
  const point = (L: number, size: number, Q: number) => {
    const arrangement = allocated(ALL_VECTORS, vectorArrangement(size, Q));
    return arrangement && { load: L === 1, ...arrangement };
  };
  return [
    insn(`LD${count}_ST${count}`, `0 Q:1 0011000 L:1 000000 ${STRUCTURE_OPCODES[count]} size:2 Rn:5 Rt:5`, {
      statics,
      select: ({ L, size, Q }) => point(L, size, Q),
      operands: ({ Rn, Rt }) => listOperands(Rn, Rt),
      emit: (c, { load, T }) => {
        c.requireFp();
        transfer(c, load, c.letI64(c.reg('b')), SHAPES[T]);
      },
    }),
    insn(
      `LD${count}_ST${count}_post`,
      `0 Q:1 0011001 L:1 0 Rm:5 ${STRUCTURE_OPCODES[count]} size:2 Rn:5 Rt:5`,
      {
        statics,
        select: ({ L, size, Q }) => point(L, size, Q),
        operands: ({ Q, Rm, Rn, Rt }) => ({ ...listOperands(Rn, Rt), ...postOperands(Rm, (8 << Q) * count) }),
        emit: (c, { load, T }) => {
          c.requireFp();
          const base = c.letI64(c.reg('b'));
          transfer(c, load, base, SHAPES[T]);
          writeBack(c, base);
        },
      },
    ),
  ];
};

// ---- single structures

const LOG_SIZES = [0, 1, 2, 3] as const;

/** Lane size and first byte of the lane, out of `opcode<2:1>`, `Q`, `S` and `size`; `null` = reserved. */
function laneOf(scale: number, Q: number, S: number, size: number): { size: Size; at: number } | null {
  if (scale === 0) return { size: 0, at: (Q << 3) | (S << 2) | size };
  if (scale === 1) return size & 1 ? null : { size: 1, at: (Q << 3) | (S << 2) | size };
  if (scale === 3) return null;
  if (size === 0) return { size: 2, at: (Q << 3) | (S << 2) };
  return size === 1 && S === 0 ? { size: 3, at: Q << 3 } : null;
}

/** One lane of each register; the others keep their values. The lane is in the upper half of the immediate. */
function transferLane(c: Emitter, load: boolean, base: Var<I64>, count: Count, size: Size): void {
  const addressOf = (n: number): I64 => addressAfter(c, base, n << size);
  if (load) {
    const values = up(count).map((n) => c.letI64(c.load(addressOf(n), { size })));
    const mask = c.letV128(laneMask(c, size, c.immHigh()));
    for (const [n, value] of values.entries()) {
      const loaded = splatValue(c, size, value.get());
      c.setVecAfter('a', n, c.v128.bitselect(loaded, c.vecAfter('a', n), mask.get()));
    }
    return;
  }
  for (const n of up(count)) {
    const address = addressOf(n);
    c.store(address, bytesFrom(c, c.vecAfter('a', n), c.immHigh()), { size });
  }
}

/** LD1R to LD4R: each element to every lane of its register. */
function loadReplicated(c: Emitter, base: Var<I64>, count: Count, size: Size, bits: 64 | 128): void {
  const values = up(count).map((n) => c.letI64(c.load(addressAfter(c, base, n << size), { size })));
  for (const [n, value] of values.entries()) {
    const lanes = splatValue(c, size, value.get());
    c.setVecAfter('a', n, bits === 64 ? joinLow(c, lanes, zeros(c)) : lanes);
  }
}

const laneStatics = { load: [false, true], count: COUNTS, size: LOG_SIZES } as const;
const replicateStatics = { count: COUNTS, size: LOG_SIZES, bits: [64, 128] } as const;

/** `opcode<0>:R` + 1. */
const countOf = (high: number, R: number): Count => (((high << 1) | R) + 1) as Count;

const lanePoint = (L: number, count: Count, lane: { size: Size } | null) =>
  lane && { load: L === 1, count, size: lane.size };
const replicatePoint = (count: Count, size: number, Q: number) =>
  ({
    count,
    size: size as Size,
    bits: Q ? 128 : 64,
  }) as const;

const SINGLE: readonly Insn[] = [
  insn('LDn_STn_lane', '0 Q:1 0011010 L:1 R:1 00000 scale:2 high:1 S:1 size:2 Rn:5 Rt:5', {
    statics: laneStatics,
    select: ({ L, high, R, scale, Q, S, size }) => lanePoint(L, countOf(high, R), laneOf(scale, Q, S, size)),
    operands: ({ scale, Q, S, size, Rn, Rt }) => ({
      ...listOperands(Rn, Rt),
      immHigh: laneOf(scale, Q, S, size)!.at,
    }),
    emit: (c, { load, count, size }) => {
      c.requireFp();
      transferLane(c, load, c.letI64(c.reg('b')), count, size);
    },
  }),
  insn('LDn_STn_lane_post', '0 Q:1 0011011 L:1 R:1 Rm:5 scale:2 high:1 S:1 size:2 Rn:5 Rt:5', {
    statics: laneStatics,
    select: ({ L, high, R, scale, Q, S, size }) => lanePoint(L, countOf(high, R), laneOf(scale, Q, S, size)),
    operands: ({ R, Rm, scale, high, Q, S, size, Rn, Rt }) => {
      const lane = laneOf(scale, Q, S, size)!;
      return {
        ...listOperands(Rn, Rt),
        ...postOperands(Rm, countOf(high, R) << lane.size),
        immHigh: lane.at,
      };
    },
    emit: (c, { load, count, size }) => {
      c.requireFp();
      const base = c.letI64(c.reg('b'));
      transferLane(c, load, base, count, size);
      writeBack(c, base);
    },
  }),
  insn('LDnR', '0 Q:1 0011010 1 R:1 00000 11 high:1 0 size:2 Rn:5 Rt:5', {
    statics: replicateStatics,
    select: ({ high, R, size, Q }) => replicatePoint(countOf(high, R), size, Q),
    operands: ({ Rn, Rt }) => listOperands(Rn, Rt),
    emit: (c, { count, size, bits }) => {
      c.requireFp();
      loadReplicated(c, c.letI64(c.reg('b')), count, size, bits);
    },
  }),
  insn('LDnR_post', '0 Q:1 0011011 1 R:1 Rm:5 11 high:1 0 size:2 Rn:5 Rt:5', {
    statics: replicateStatics,
    select: ({ high, R, size, Q }) => replicatePoint(countOf(high, R), size, Q),
    operands: ({ R, Rm, high, size, Rn, Rt }) => ({
      ...listOperands(Rn, Rt),
      ...postOperands(Rm, countOf(high, R) << size),
    }),
    emit: (c, { count, size, bits }) => {
      c.requireFp();
      const base = c.letI64(c.reg('b'));
      loadReplicated(c, base, count, size, bits);
      writeBack(c, base);
    },
  }),
];

export const SIMD_STRUCTURE: readonly Insn[] = [
  ...COUNTS.flatMap(listRow),
  ...([2, 3, 4] as const).flatMap(structureRow),
  ...SINGLE,
];
