/** Reads the instructions of a function out of a module: for tests of what is emitted. */
import { ATOMIC_OPS, MEMORY_OPS, OP, PURE_OPS } from '../src/wasm/opcode.ts';

/** An instruction: its name, and the numbers that follow it. */
export interface WasmOp {
  readonly name: string;
  readonly operands: readonly number[];
  /** How many blocks, loops and ifs it lies in. */
  readonly depth: number;
}

const CODE_SECTION = 10;
const names = new Map<number, string>([
  ...Object.entries(OP).map(([name, opcode]) => [opcode, name] as const),
  ...Object.entries(MEMORY_OPS).map(([name, [opcode]]) => [opcode, name] as const),
  ...Object.entries(PURE_OPS).map(([name, [opcode]]) => [opcode, name] as const),
  ...Object.entries(ATOMIC_OPS).map(([name, [opcode]]) => [0xfe000 + opcode, `atomic ${name}`] as const),
]);

class Reader {
  at = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    return this.bytes[this.at++]!;
  }

  /** Unsigned, or the low bits of a signed number. */
  leb(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value >>> 0;
    }
  }
}

/** How many numbers follow an opcode: LEB128, then bytes. */
function immediates(opcode: number): readonly [lebs: number, bytes: number] {
  const name = names.get(opcode) ?? '';
  if (opcode >= 0xfe000) return opcode === 0xfe003 ? [0, 1] : [2, 0];
  if (name in MEMORY_OPS) return [2, 0];
  if (name in PURE_OPS) return [0, PURE_OPS[name as keyof typeof PURE_OPS][1].includes('L') ? 1 : 0];
  if (opcode === 0xfd00c || opcode === 0xfd00d) return [0, 16];
  if (opcode === 0xfc0b) return [0, 1];
  switch (opcode) {
    case OP.block:
    case OP.loop:
    case OP.if:
      return [0, 1];
    case OP.f32_const:
      return [0, 4];
    case OP.f64_const:
      return [0, 8];
    case OP.call_indirect:
    case OP.return_call_indirect:
      return [2, 0];
    case OP.select_t:
      return [0, 2];
    case OP.br:
    case OP.br_if:
    case OP.call:
    case OP.return_call:
    case OP.local_get:
    case OP.local_set:
    case OP.local_tee:
    case OP.global_get:
    case OP.i32_const:
    case OP.i64_const:
      return [1, 0];
    default:
      return [0, 0];
  }
}

function readBody(bytes: Uint8Array): WasmOp[] {
  const reader = new Reader(bytes);
  for (let groups = reader.leb(); groups > 0; groups--) {
    reader.leb();
    reader.byte();
  }
  const ops: WasmOp[] = [];
  let depth = 0;
  while (reader.at < bytes.length) {
    const first = reader.byte();
    const prefix = { 0xfc: 0xfc00, 0xfd: 0xfd000, 0xfe: 0xfe000 }[first];
    const opcode = prefix === undefined ? first : prefix + reader.leb();
    const [lebs, plain] = immediates(opcode);
    const labels = opcode === OP.br_table ? Array.from({ length: reader.leb() + 1 }, () => reader.leb()) : [];
    const operands = [
      ...labels,
      ...Array.from({ length: lebs }, () => reader.leb()),
      ...Array.from({ length: plain }, () => reader.byte()),
    ];
    if (opcode === OP.end) depth--;
    ops.push({ name: names.get(opcode) ?? `0x${opcode.toString(16)}`, operands, depth });
    if (opcode === OP.block || opcode === OP.loop || opcode === OP.if) depth++;
  }
  return ops;
}

/** The bodies of a module's functions, in order. */
export function functionBodies(module: Uint8Array): WasmOp[][] {
  const reader = new Reader(module);
  reader.at = 8;
  while (reader.at < module.length) {
    const id = reader.byte();
    const size = reader.leb();
    if (id !== CODE_SECTION) {
      reader.at += size;
      continue;
    }
    return Array.from({ length: reader.leb() }, () => {
      const length = reader.leb();
      reader.at += length;
      return readBody(module.subarray(reader.at - length, reader.at));
    });
  }
  return [];
}

/**
 * What the first loop does on its way round, in the order in which it is done: branches that leave it are not taken.
 * @throws Error if it has no way back
 */
export function loopBody(ops: readonly WasmOp[]): WasmOp[] {
  const start = ops.findIndex(({ name }) => name === 'loop');
  const loop = ops[start]!.depth;
  /** The depth of the block that a branch is out of, or to the start of. */
  const targetOf = ({ depth, operands }: WasmOp): number => depth - 1 - operands[0]!;
  const isBack = (op: WasmOp): boolean => op.name === 'br' && targetOf(op) === loop;
  /** The `end`, from an index on, of the block of a depth. */
  const endOf = (depth: number, from: number): number =>
    ops.findIndex((op, i) => i >= from && op.name === 'end' && op.depth === depth);
  const body: WasmOp[] = [];
  for (let at = start + 1; at < ops.length; at++) {
    const op = ops[at]!;
    if (isBack(op)) return body;
    body.push(op);
    if (op.name === 'br') {
      at = endOf(targetOf(op), at);
    } else if (op.name === 'if') {
      const end = endOf(op.depth, at);
      if (!ops.slice(at, end).some(isBack)) at = end;
    }
  }
  throw new Error('the loop has no way back');
}
