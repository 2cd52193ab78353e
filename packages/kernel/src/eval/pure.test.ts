import { describe, expect, test } from 'vitest';
import type { Code } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { PURE_OPS, type MemoryOpName, type PureOpName } from '../wasm/opcode.ts';
import { fusedMultiplyAdd } from './float.ts';
import { PURE } from './pure.ts';

type Letter = 'i' | 'I' | 'f' | 'F' | 'v' | 'L';
type Operand = number | bigint | Uint8Array;

const STORAGE: Record<Exclude<Letter, 'L'>, 'i32' | 'i64' | 'f32' | 'f64' | 'v128'> = {
  i: 'i32',
  I: 'i64',
  f: 'f32',
  F: 'f64',
  v: 'v128',
};
const RESULT = 64;

/** The arithmetic whose NaN results may have any sign and payload in WebAssembly. */
const ARITHMETIC =
  /\.(ceil|floor|trunc|nearest|sqrt|add|sub|mul|div|min|max|relaxed_n?madd|demote_\w+|promote_\w+)$/;

let seed = 0x2545_f491;
function random32(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}
const random64 = (): bigint => (BigInt(random32()) << 32n) | BigInt(random32());

const CORNERS_32 = [0, 1, -1, 2, 31, 32, 0x7fff_ffff, -0x8000_0000, 0x8080, 0x7f80_0000, 0x7fa0_0001];
const CORNERS_F32 = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-45, 3.4e38, 2 ** 31, -(2 ** 31), 2 ** 63];
const CORNERS_64 = [0n, 1n, -1n, 2n ** 63n, 2n ** 63n - 1n, 63n, 64n, 0xffff_ffffn, 0x7ff4_0000_0000_0001n];
const CORNERS_F64 = [...CORNERS_F32, 1e308, 5e-324, 2 ** 32, 2 ** 64, 1 + 2 ** -52, 2251799813685248.5];

const pick = <T>(list: readonly T[]): T => list[random32() % list.length]!;
const f32Bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;
const f64Bits = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const often = (): boolean => random32() % 2 === 0;

function value32(): number {
  return often() ? (often() ? pick(CORNERS_32) : f32Bits(pick(CORNERS_F32))) | 0 : random32() | 0;
}
function value64(): bigint {
  if (!often()) return random64();
  return BigInt.asUintN(64, often() ? pick(CORNERS_64) : f64Bits(pick(CORNERS_F64)));
}
function value128(): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const kind = random32() % 3;
  for (let i = 0; i < 16; i += 4) {
    if (kind === 0) view.setInt32(i, value32(), true);
    else if (kind === 1 && i % 8 === 0) view.setBigUint64(i, value64(), true);
    else if (kind === 2) view.setUint32(i, random32(), true);
  }
  return bytes;
}
const VALUE: Record<Exclude<Letter, 'L'>, () => Operand> = {
  i: value32,
  f: value32,
  I: value64,
  F: value64,
  v: value128,
};

/** Lanes of the operation, or one pass for those without a lane number. */
function lanesOf(name: PureOpName): readonly number[] {
  if (!PURE_OPS[name][1].includes('L')) return [0];
  const count = Number(/x(\d+)\./.exec(name)![1]);
  return Array.from({ length: count }, (_, lane) => lane);
}

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
const view = new DataView(memory.buffer);
const bytes = new Uint8Array(memory.buffer);

function emit(code: Code, name: PureOpName, lane: number): void {
  const [, operands, result] = PURE_OPS[name];
  const { ops } = code;
  const store = STORAGE[result];
  const operation = (): never => {
    let address = 0;
    const values = Array.from(operands as string, (letter) => {
      if (letter === 'L') return lane;
      const loaded = code.load(`${STORAGE[letter as 'i']}.load` as MemoryOpName, ops.i32.const(address));
      address += 16;
      return loaded;
    });
    const [group, op] = name.split('.') as ['i32', string];
    return (ops[group] as unknown as Record<string, (...list: unknown[]) => never>)[op]!(...values);
  };
  code.store(`${store}.store`, ops.i32.const(RESULT), operation());
}

function write(letter: Letter, address: number, value: Operand): void {
  if (letter === 'v') bytes.set(value as Uint8Array, address);
  else if (typeof value === 'bigint') view.setBigUint64(address, value, true);
  else view.setInt32(address, value as number, true);
}

function read(letter: Letter): Operand {
  if (letter === 'v') return bytes.slice(RESULT, RESULT + 16);
  return letter === 'i' || letter === 'f' ? view.getInt32(RESULT, true) : view.getBigUint64(RESULT, true);
}

/** One pattern for every NaN, so that only the choice WebAssembly leaves open is forgotten. */
function normal(name: PureOpName, value: Operand): Operand {
  const float = /^f(32|64)/.exec(name);
  if (!float || !ARITHMETIC.test(name)) return value;
  const wide = float[1] === '64';
  const lane = (view: DataView, at: number): void => {
    if (wide && Number.isNaN(view.getFloat64(at, true))) view.setBigUint64(at, 0x7ff8n << 48n, true);
    if (!wide && Number.isNaN(view.getFloat32(at, true))) view.setUint32(at, 0x7fc0_0000, true);
  };
  const copy = new DataView(new ArrayBuffer(16));
  if (value instanceof Uint8Array) new Uint8Array(copy.buffer).set(value);
  else if (typeof value === 'bigint') copy.setBigUint64(0, value, true);
  else copy.setInt32(0, value, true);
  for (let at = 0; at < 16; at += wide ? 8 : 4) lane(copy, at);
  if (value instanceof Uint8Array) return new Uint8Array(copy.buffer);
  return typeof value === 'bigint' ? copy.getBigUint64(0, true) : copy.getInt32(0, true);
}

/** What traps in WebAssembly and throws in the evaluator, or what the engine may choose. */
function outcome(run: () => Operand): Operand | 'trap' {
  try {
    return run();
  } catch (error) {
    if (error instanceof RangeError || error instanceof WebAssembly.RuntimeError) return 'trap';
    throw error;
  }
}

describe('every pure operation computes what WebAssembly computes', () => {
  const names = (Object.keys(PURE_OPS) as PureOpName[]).filter((name) => !name.includes('relaxed'));
  const module = new ModuleBuilder();
  module.importMemory({ module: 'm', name: 'memory', initial: 1, maximum: 1, shared: false });
  for (const name of names) {
    for (const lane of lanesOf(name)) emit(module.function([], [], `${name} ${lane}`).code, name, lane);
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
    m: { memory },
  });

  test.each(names)('%s', (name) => {
    const [, operands, result] = PURE_OPS[name];
    const evaluate = PURE[name] as (...values: Operand[]) => Operand;
    for (const lane of lanesOf(name)) {
      const run = exports[`${name} ${lane}`] as () => void;
      for (let round = 0; round < 300; round++) {
        let address = 0;
        const values = Array.from(operands as string, (letter) => {
          if (letter === 'L') return lane;
          const value = VALUE[letter as 'i']();
          write(letter as Letter, address, value);
          address += 16;
          return value;
        });
        const expected = outcome(() => {
          run();
          return normal(name, read(result));
        });
        const actual = outcome(() => normal(name, evaluate(...values)));
        expect(actual, `${name} of ${values.map(String).join(', ')}`).toEqual(expected);
      }
    }
  });
});

describe('constants and shuffles reach the module as written', () => {
  test('every kind of constant', () => {
    const module = new ModuleBuilder();
    module.importMemory({ module: 'm', name: 'memory', initial: 1, maximum: 1, shared: false });
    const { code } = module.function([], [], 'run');
    const { ops } = code;
    code.store('i32.store', ops.i32.const(0), ops.i32.const(0xffff_fffen));
    code.store('i64.store', ops.i32.const(8), ops.i64.const(-(2n ** 63n)));
    code.store('i64.store', ops.i32.const(16), ops.i64.const(2 ** 40));
    code.store('f32.store', ops.i32.const(24), ops.f32.const(1.5));
    code.store('f64.store', ops.i32.const(32), ops.f64.const(-0));
    code.store(
      'v128.store',
      ops.i32.const(48),
      ops.v128.const(0x0102_0304_0506_0708n, 0xf0f1_f2f3_f4f5_f6f7n),
    );
    const lanes = [0, 31, 2, 29, 4, 27, 6, 25, 8, 23, 10, 21, 12, 19, 14, 17];
    code.store(
      'v128.store',
      ops.i32.const(64),
      ops.i8x16.shuffle(
        ops.v128.const(0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n),
        ops.v128.const(0x1716_1514_1312_1110n, 0x1f1e_1d1c_1b1a_1918n),
        lanes,
      ),
    );
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { m: { memory } });
    (exports['run'] as () => void)();
    expect(view.getInt32(0, true)).toBe(-2);
    expect(view.getBigInt64(8, true)).toBe(-(2n ** 63n));
    expect(view.getBigInt64(16, true)).toBe(2n ** 40n);
    expect(view.getFloat32(24, true)).toBe(1.5);
    expect(view.getBigUint64(32, true)).toBe(1n << 63n);
    expect([...bytes.slice(48, 50), bytes[63]]).toEqual([8, 7, 0xf0]);
    expect(Array.from(bytes.subarray(64, 80))).toEqual(lanes);
  });
});

describe('a fused multiply-add rounds once', () => {
  test('where the product alone would lose the answer', () => {
    const x = 1 + 2 ** -30;
    expect(fusedMultiplyAdd(x, x, -(1 + 2 ** -29), 53)).toBe(2 ** -60);
    expect(fusedMultiplyAdd(1 + 2 ** -23, 1 + 2 ** -23, -(1 + 2 ** -22), 24)).toBe(2 ** -46);
  });

  test('at the edges of the format', () => {
    expect(fusedMultiplyAdd(1e308, 10, -Infinity, 53)).toBe(-Infinity);
    expect(fusedMultiplyAdd(Infinity, 0, 1, 53)).toBeNaN();
    expect(fusedMultiplyAdd(5e-324, 0.5, 0, 53)).toBe(0);
    expect(fusedMultiplyAdd(5e-324, 0.75, 0, 53)).toBe(5e-324);
    expect(Object.is(fusedMultiplyAdd(-1, 0, -0, 53), -0)).toBe(true);
    expect(Object.is(fusedMultiplyAdd(1, 1, -1, 53), 0)).toBe(true);
  });
});
