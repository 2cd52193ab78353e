/**
 * Loads and stores of structures of one to four elements.
 * Source: Arm DDI 0487, C4.1.95 "Advanced SIMD load/store multiple structures" and "single structure", both with
 * their post-indexed forms; C7.2, LD1 to LD4, LD1R to LD4R, ST1 to ST4.
 */
import { SINK_SLOT, ZERO_SLOT } from '../../state/vcpu-state.ts';
import type { Emitter, I64, Size, Var } from '../emitter.ts';
import { insn, orSp, source, vector, type Insn, type Operands } from '../pattern.ts';
import { ALL_VECTORS, allocated, SHAPES, vectorArrangement } from '../shared/arrangement.ts';
import { bytesFrom, gather, joinLow, laneMask, splatValue, ZERO_BYTE, zeros } from '../shared/lanes.ts';
import { loadBlocks, loadElements, storeBlocks, storeElements } from '../shared/vector-memory.ts';

/** Registers in the list, or elements in a structure. */
const COUNTS = [1, 2, 3, 4] as const;
type Count = (typeof COUNTS)[number];
const up = (count: Count): number[] => Array.from({ length: count }, (_, n) => n);

// ---- addressing: [Xn|SP], and post-indexed by Xm or by the number of bytes transferred

/** Without post-index `Rm` is 0. */
const isAddressing = (post: number, Rm: number): boolean => post === 1 || Rm === 0;

/**
 * `b` is the base, `c` plus `e` what is added to it, `d` the slot that takes the sum: a sink unless post-indexed.
 *
 * @param at - for one lane, the number of its first byte
 */
function operandsOf(
  {
    post,
    Rm,
    Rn,
    Rt,
  }: { readonly post: number; readonly Rm: number; readonly Rn: number; readonly Rt: number },
  bytes: number,
  at = 0,
): Operands {
  const isRegister = post === 1 && Rm !== 31;
  const slot = post === 1 ? orSp(Rn) : SINK_SLOT;
  return {
    a: vector(Rt),
    b: orSp(Rn),
    c: isRegister ? source(Rm) : ZERO_SLOT,
    immLow: slot | ((isRegister ? 0 : bytes) << 16),
    immHigh: at,
  };
}

/** The instruction: an access at the base, then the sum. */
function addressed(c: Emitter, access: (base: Var<I64>) => void): void {
  c.requireFp();
  const base = c.letI64(c.reg('b'));
  access(base);
  const moved = c.i64.add(base.get(), c.reg('c'));
  c.setReg('d', c.i64.add(moved, c.i64.extend_i32_u(c.field('e'))));
}

/** The sum may be any. */
const STACK = {
  moved: ({ post, Rn }: { readonly post: number; readonly Rn: number }) => post === 1 && Rn === 31,
};

// ---- multiple structures

/** Where byte `byte` of register `register` lies in memory. */
type Place = (register: number, byte: number) => number;

/** LD2 to LD4: structures of `count` elements, one element to each register. */
const interleaved =
  (count: Count, size: Size): Place =>
  (register, byte) =>
    (((byte >> size) * count + register) << size) | (byte & ((1 << size) - 1));

/** LD1: one register after the other. */
const consecutive =
  (width: number): Place =>
  (register, byte) =>
    register * width + byte;

/** @param width - bytes of each register: 8 or 16 */
function loadRegisters(c: Emitter, base: Var<I64>, count: Count, width: number, place: Place): void {
  const blocks = loadBlocks(c, base, count * width);
  for (const register of up(count)) {
    const picks = Array.from({ length: 16 }, (_, byte) => (byte < width ? place(register, byte) : ZERO_BYTE));
    c.setVecAfter('a', register, gather(c, blocks, picks));
  }
}

function storeRegisters(c: Emitter, base: Var<I64>, count: Count, width: number, place: Place): void {
  const registers = up(count).map((n) => c.letV128(c.vecAfter('a', n)));
  const picks: number[] = Array.from({ length: 64 }, () => ZERO_BYTE);
  for (const register of up(count)) {
    for (let byte = 0; byte < width; byte++) picks[place(register, byte)] = register * 16 + byte;
  }
  storeBlocks(c, base, count * width, (n) => gather(c, registers, picks.slice(16 * n, 16 * n + 16)));
}

/** LD1, ST1 (multiple structures): `opcode` by number of registers. */
const LIST_OPCODES = { 1: '0111', 2: '1010', 3: '0110', 4: '0010' } as const;

const listRow = (count: Count): Insn =>
  insn(`LD1_ST1_x${count}`, `0 Q:1 001100 post:1 L:1 0 Rm:5 ${LIST_OPCODES[count]} size:2 Rn:5 Rt:5`, {
    statics: { load: [false, true], width: [8, 16] },
    select: ({ post, Rm, L, Q }) => (isAddressing(post, Rm) ? { load: L === 1, width: Q ? 16 : 8 } : null),
    operands: (fields) => operandsOf(fields, (8 << fields.Q) * count),
    stack: STACK,
    emit: (c, { load, width }) =>
      addressed(c, (base) =>
        (load ? loadRegisters : storeRegisters)(c, base, count, width, consecutive(width)),
      ),
  });

/** LD2 to LD4, ST2 to ST4 (multiple structures): `opcode` by number of elements. */
const STRUCTURE_OPCODES = { 2: '1000', 3: '0100', 4: '0000' } as const;

const structureRow = (count: 2 | 3 | 4): Insn =>
  insn(
    `LD${count}_ST${count}`,
    `0 Q:1 001100 post:1 L:1 0 Rm:5 ${STRUCTURE_OPCODES[count]} size:2 Rn:5 Rt:5`,
    {
      statics: { load: [false, true], T: ALL_VECTORS },
      select: ({ post, Rm, L, size, Q }) => {
        const arrangement = isAddressing(post, Rm) && allocated(ALL_VECTORS, vectorArrangement(size, Q));
        return arrangement ? { load: L === 1, ...arrangement } : null;
      },
      operands: (fields) => operandsOf(fields, (8 << fields.Q) * count),
      stack: STACK,
      emit: (c, { load, T }) => {
        const { size, bits } = SHAPES[T];
        const transfer = load ? loadRegisters : storeRegisters;
        addressed(c, (base) => transfer(c, base, count, bits / 8, interleaved(count, size)));
      },
    },
  );

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

/** One lane of each register; the others keep their values. The upper half of the immediate says which. */
function transferLane(c: Emitter, load: boolean, base: Var<I64>, count: Count, size: Size): void {
  if (!load) {
    const values = up(count).map((n) => c.letI64(bytesFrom(c, c.vecAfter('a', n), c.immHigh())));
    storeElements(c, base, size, values);
    return;
  }
  const values = loadElements(c, base, size, count);
  const mask = c.letV128(laneMask(c, size, c.immHigh()));
  for (const [n, value] of values.entries()) {
    const loaded = splatValue(c, size, value.get());
    c.setVecAfter('a', n, c.v128.bitselect(loaded, c.vecAfter('a', n), mask.get()));
  }
}

/** `opcode<0>:R` + 1. */
const countOf = (high: number, R: number): Count => (((high << 1) | R) + 1) as Count;

/** LD1 to LD4, ST1 to ST4 (single structure). */
const lane = insn('LDn_STn_lane', '0 Q:1 001101 post:1 L:1 R:1 Rm:5 scale:2 high:1 S:1 size:2 Rn:5 Rt:5', {
  statics: { load: [false, true], count: COUNTS, size: LOG_SIZES },
  select: ({ post, Rm, L, high, R, scale, Q, S, size }) => {
    const found = isAddressing(post, Rm) && laneOf(scale, Q, S, size);
    return found ? { load: L === 1, count: countOf(high, R), size: found.size } : null;
  },
  operands: (fields) => {
    const { size, at } = laneOf(fields.scale, fields.Q, fields.S, fields.size)!;
    return operandsOf(fields, countOf(fields.high, fields.R) << size, at);
  },
  emit: (c, { load, count, size }) => addressed(c, (base) => transferLane(c, load, base, count, size)),
  stack: STACK,
});

/** LD1R to LD4R: each element to every lane of its register. */
const replicate = insn('LDnR', '0 Q:1 001101 post:1 1 R:1 Rm:5 11 high:1 0 size:2 Rn:5 Rt:5', {
  statics: { count: COUNTS, size: LOG_SIZES, bits: [64, 128] },
  select: ({ post, Rm, high, R, size, Q }) =>
    isAddressing(post, Rm) ? { count: countOf(high, R), size: size as Size, bits: Q ? 128 : 64 } : null,
  operands: (fields) => operandsOf(fields, countOf(fields.high, fields.R) << fields.size),
  stack: STACK,
  emit: (c, { count, size, bits }) =>
    addressed(c, (base) => {
      for (const [n, value] of loadElements(c, base, size, count).entries()) {
        const lanes = splatValue(c, size, value.get());
        c.setVecAfter('a', n, bits === 64 ? joinLow(c, lanes, zeros(c)) : lanes);
      }
    }),
});

export const SIMD_STRUCTURE: readonly Insn[] = [
  ...COUNTS.map(listRow),
  ...([2, 3, 4] as const).map(structureRow),
  lane,
  replicate,
];
