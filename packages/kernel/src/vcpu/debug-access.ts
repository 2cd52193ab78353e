/**
 * Which memory an instruction is about to access: for watchpoints, which must be hit before anything has happened.
 * Source: Arm DDI 0487, C4.1, "Loads and Stores".
 */

/** An access. */
export interface DebugAccess {
  readonly address: bigint;
  readonly bytes: number;
  readonly isRead: boolean;
  readonly isWrite: boolean;
}

/** @param register - x0–x30, and the stack pointer as 31 */
type Registers = (register: number) => bigint;

const bits = (word: number, high: number, low: number): number =>
  (word >>> low) & ((1 << (high - low + 1)) - 1);
const signed = (value: number, width: number): bigint => BigInt.asIntN(width, BigInt(value));
const wrap = (address: bigint): bigint => BigInt.asUintN(64, address);

const isVector = (word: number): boolean => bits(word, 26, 26) === 1;
const base = (word: number, x: Registers): bigint => x(bits(word, 9, 5));

/** @returns undefined for an instruction that accesses no data */
export function accessOf(word: number, pc: bigint, x: Registers): DebugAccess | undefined {
  if ((word & 0x0a00_0000) !== 0x0800_0000) return undefined;
  if ((word & 0x3b00_0000) === 0x1800_0000) return literal(word, pc);
  if ((word & 0x3a00_0000) === 0x2800_0000) return pair(word, x);
  if ((word & 0x3a00_0000) === 0x3800_0000) return single(word, x);
  if ((word & 0x3f00_0000) === 0x0800_0000) return exclusive(word, x);
  if ((word & 0xbe00_0000) === 0x0c00_0000) return structure(word, x);
  return undefined;
}

const PREFETCH_LITERAL = 3;

function literal(word: number, pc: bigint): DebugAccess | undefined {
  const opc = bits(word, 31, 30);
  if (!isVector(word) && opc === PREFETCH_LITERAL) return undefined;
  const bytes = isVector(word) ? 4 << opc : opc === 1 ? 8 : 4;
  return { address: wrap(pc + 4n * signed(bits(word, 23, 5), 19)), bytes, isRead: true, isWrite: false };
}

/** Bits 24:23 of pairs. */
const POST_INDEX = 1;

function pair(word: number, x: Registers): DebugAccess {
  const opc = bits(word, 31, 30);
  const size = isVector(word) ? 4 << opc : 4 << (opc >> 1);
  const offset = bits(word, 24, 23) === POST_INDEX ? 0n : signed(bits(word, 21, 15), 7) * BigInt(size);
  const isRead = bits(word, 22, 22) === 1;
  return { address: wrap(base(word, x) + offset), bytes: 2 * size, isRead, isWrite: !isRead };
}

function single(word: number, x: Registers): DebugAccess | undefined {
  const size = bits(word, 31, 30);
  const opc = bits(word, 23, 22);
  const vector = isVector(word);
  const scale = vector && opc >= 2 ? 4 : size;
  const isRead = vector ? (opc & 1) === 1 : opc !== 0;
  const isPrefetch = !vector && size === 3 && opc === 2;
  const plain = { bytes: 1 << scale, isRead, isWrite: !isRead };
  if (bits(word, 24, 24) === 1) {
    if (isPrefetch) return undefined;
    return { ...plain, address: wrap(base(word, x) + (BigInt(bits(word, 21, 10)) << BigInt(scale))) };
  }
  const form = bits(word, 11, 10);
  if (bits(word, 21, 21) === 0) {
    if (isPrefetch && form === 0) return undefined;
    const offset = form === POST_INDEX ? 0n : signed(bits(word, 20, 12), 9);
    return { ...plain, address: wrap(base(word, x) + offset) };
  }
  // Atomic operations read and write.
  if (form === 0) return { address: base(word, x), bytes: 1 << size, isRead: true, isWrite: true };
  if (isPrefetch) return undefined;
  return { ...plain, address: wrap(base(word, x) + registerOffset(word, x, scale)) };
}

function registerOffset(word: number, x: Registers, scale: number): bigint {
  const register = bits(word, 20, 16);
  const value = register === 31 ? 0n : x(register);
  const shift = bits(word, 12, 12) === 1 ? BigInt(scale) : 0n;
  const option = bits(word, 15, 13);
  if (option === 2) return BigInt.asUintN(32, value) << shift;
  if (option === 6) return BigInt.asIntN(32, value) << shift;
  return value << shift;
}

function exclusive(word: number, x: Registers): DebugAccess {
  const isPair = bits(word, 21, 21) === 1 && bits(word, 23, 23) === 0;
  const isCompareAndSwap = bits(word, 21, 21) === 1 && (bits(word, 23, 23) === 1 || bits(word, 31, 31) === 0);
  const size = 1 << bits(word, 31, 30);
  const isRead = bits(word, 22, 22) === 1;
  return {
    address: base(word, x),
    bytes: isPair ? 2 * size : size,
    isRead: isRead || isCompareAndSwap,
    isWrite: !isRead || isCompareAndSwap,
  };
}

/** Registers of LD1–LD4 of whole structures, by bits 15:12. */
const STRUCTURE_REGISTERS: Readonly<Record<number, number>> = { 0: 4, 2: 4, 4: 3, 6: 3, 7: 1, 8: 2, 10: 2 };

function structure(word: number, x: Registers): DebugAccess {
  const isRead = bits(word, 22, 22) === 1;
  const whole = bits(word, 24, 24) === 0;
  const vectorBytes = bits(word, 30, 30) === 1 ? 16 : 8;
  const registers = STRUCTURE_REGISTERS[bits(word, 15, 12)] ?? 1;
  const elements = ((bits(word, 13, 13) << 1) | bits(word, 21, 21)) + 1;
  const lane = 1 << Math.min(3, bits(word, 15, 14) === 3 ? bits(word, 11, 10) : bits(word, 15, 14));
  return {
    address: base(word, x),
    bytes: whole ? vectorBytes * registers : elements * lane,
    isRead,
    isWrite: !isRead,
  };
}
