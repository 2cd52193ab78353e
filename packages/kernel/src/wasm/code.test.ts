import { describe, expect, test } from 'vitest';
import type { Code, Local, ValueType } from './code.ts';
import { ModuleBuilder } from './module.ts';
import {
  ATOMIC_OPS,
  I32_TYPE,
  I64_TYPE,
  MEMORY_OPS,
  type AtomicOpName,
  type MemoryOpName,
} from './opcode.ts';
import type { I32, I64, V128, Value } from './pure.ts';

type Call = (...operands: (number | bigint)[]) => number | bigint;

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const bytes = new Uint8Array(memory.buffer);

/** Compiles one function over a shared memory of one page. */
function compile(params: ValueType[], results: ValueType[], emit: (code: Code) => void): Call {
  const module = new ModuleBuilder();
  module.importMemory({ module: 'env', name: 'memory', initial: 1, maximum: 1, shared: true });
  emit(module.function(params, results, 'f').code);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
  return instance.exports['f'] as Call;
}

describe('locals', () => {
  test('are numbered behind the parameters, whatever their type', () => {
    const f = compile([I32_TYPE, I64_TYPE], [I64_TYPE], (code) => {
      const { i64 } = code.ops;
      const long = code.local<I64>(I64_TYPE);
      const short = code.local<I32>(I32_TYPE);
      short.set(code.param<I32>(0).get());
      long.set(code.param<I64>(1).get());
      i64.sub(long.get(), i64.extend_i32_s(short.get()));
    });
    expect(f(-2, 40n)).toBe(42n);
  });

  test('start at zero', () => {
    expect(compile([], [I32_TYPE], (code) => code.local<I32>(I32_TYPE).get())()).toBe(0);
  });

  test('keep what is set, and tee leaves it on the stack', () => {
    const f = compile([I32_TYPE], [I32_TYPE], (code) => {
      const local = code.local<I32>(I32_TYPE);
      code.ops.i32.add(local.tee(code.param<I32>(0).get()), local.get());
    });
    expect(f(21)).toBe(42);
  });

  test('of a scope are used again after it, one type at a time', () => {
    const indices: number[] = [];
    compile([I32_TYPE], [], (code) => {
      const note = (local: Local<Value>): void => void indices.push(local.index);
      note(code.scoped<I32>(I32_TYPE));
      note(code.scoped<I64>(I64_TYPE));
      code.endScope();
      note(code.scoped<I64>(I64_TYPE));
      note(code.scoped<I32>(I32_TYPE));
      note(code.scoped<I32>(I32_TYPE));
    });
    expect(indices).toEqual([1, 2, 2, 1, 3]);
  });
});

describe('control', () => {
  test('takes the branches of if', () => {
    const f = compile([I32_TYPE], [I32_TYPE], (code) => {
      const result = code.local<I32>(I32_TYPE);
      const { i32 } = code.ops;
      code.if(
        code.param<I32>(0).get(),
        () => result.set(i32.const(1)),
        () => result.set(i32.const(2)),
      );
      code.if(code.param<I32>(0).get(), () => result.set(i32.add(result.get(), i32.const(10))));
      result.get();
    });
    expect([f(1), f(0)]).toEqual([11, 2]);
  });

  test('counts labels from the innermost block, inside of if as well', () => {
    const f = compile([I32_TYPE], [I32_TYPE], (code) => {
      const { i32 } = code.ops;
      const n = code.param<I32>(0);
      const sum = code.local<I32>(I32_TYPE);
      const done = code.block();
      const again = code.loop();
      code.brIf(i32.eqz(n.get()), done);
      code.if(i32.and(n.get(), i32.const(1)), () => {
        sum.set(i32.add(sum.get(), n.get()));
        n.set(i32.sub(n.get(), i32.const(1)));
        code.br(again);
      });
      n.set(i32.sub(n.get(), i32.const(1)));
      code.br(again);
      code.end();
      code.end();
      sum.get();
    });
    expect(f(10)).toBe(25);
  });

  test('dispatches by table, with a case for the rest', () => {
    const f = compile([I32_TYPE], [I32_TYPE], (code) => {
      const { i32 } = code.ops;
      const rest = code.block();
      const two = code.block();
      const one = code.block();
      code.brTable(code.param<I32>(0).get(), [one, two, one], rest);
      code.end();
      i32.const(100);
      code.return();
      code.end();
      i32.const(200);
      code.return();
      code.end();
      i32.const(300);
    });
    expect([0, 1, 2, 3, -1].map((i) => f(i))).toEqual([100, 200, 100, 300, 300]);
  });

  test('selects, vectors too', () => {
    const f = compile([I32_TYPE], [I64_TYPE], (code) => {
      const { i64, i64x2, v128 } = code.ops;
      const flag = (): I32 => code.param<I32>(0).get();
      i64.add(
        code.select(i64.const(1), i64.const(2), flag()),
        i64x2.extract_lane(code.selectV128(v128.const(30n, 0n), v128.const(40n, 0n), flag()), 0),
      );
    });
    expect([f(1), f(0)]).toEqual([31n, 42n]);
  });

  test('traps where it is unreachable', () => {
    expect(() => compile([], [], (code) => code.unreachable())()).toThrow(WebAssembly.RuntimeError);
  });

  test('drops a value', () => {
    const f = compile([], [I32_TYPE], (code) => {
      code.ops.i32.const(7);
      code.drop(code.ops.i32.const(8));
    });
    expect(f()).toBe(7);
  });
});

describe('constants', () => {
  test.each([0, 1, -1, 63, 64, -64, -65, 0x7fff_ffff, -0x8000_0000])('of 32 bits: %i', (value) => {
    expect(compile([], [I32_TYPE], (code) => code.ops.i32.const(value))()).toBe(value);
  });

  test.each([0n, 1n, -1n, 63n, 64n, -64n, -65n, 1n << 31n, -(1n << 31n), 1n << 62n, -(1n << 63n)])(
    'of 64 bits: %i',
    (value) => {
      expect(compile([], [I64_TYPE], (code) => code.ops.i64.const(value))()).toBe(value);
      if (value === BigInt(Number(value))) {
        expect(compile([], [I64_TYPE], (code) => code.ops.i64.const(Number(value)))()).toBe(value);
      }
    },
  );

  test('are taken modulo their width', () => {
    expect(compile([], [I64_TYPE], (code) => code.ops.i64.const((1n << 64n) - 2n))()).toBe(-2n);
    expect(compile([], [I32_TYPE], (code) => code.ops.i32.const(0xffff_fffe))()).toBe(-2);
  });
});

describe('memory', () => {
  const PATTERN = [0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8];
  const WORD = 0xf8e7_d6c5_b4a3_9281n;

  const isStore = (name: string): boolean => name.includes('.store');
  /** Bits in memory, by name. */
  const widthOf = (name: string): number =>
    Number(/(?:load|store|rmw)(\d+)/.exec(name)?.[1] ?? (name.startsWith('i32') ? 32 : 64));
  const integers = (names: readonly string[]): string[] => names.filter((name) => /^i(32|64)/.test(name));

  test.each(integers(Object.keys(MEMORY_OPS)).filter((name) => !isStore(name)))(
    '%s at any offset',
    (name) => {
      bytes.fill(0).set(PATTERN, 1003);
      const wide = name.startsWith('i64');
      const f = compile([I32_TYPE], [wide ? I64_TYPE : I32_TYPE], (code) =>
        code.load<I64>(name as MemoryOpName, code.param<I32>(0).get(), 1000),
      );
      const width = widthOf(name);
      const signed = !name.endsWith('_u');
      const value = signed ? BigInt.asIntN(width, WORD) : BigInt.asUintN(width, WORD);
      expect(BigInt(f(3))).toBe(BigInt.asIntN(wide ? 64 : 32, value));
    },
  );

  test.each(integers(Object.keys(MEMORY_OPS)).filter(isStore))('%s at any offset', (name) => {
    bytes.fill(0xee);
    const f = compile([I32_TYPE, I64_TYPE], [], (code) => {
      const value = code.param<I64>(1);
      const address = code.param<I32>(0).get();
      if (name.startsWith('i64')) code.store(name as MemoryOpName, address, value.get(), 1000);
      else code.store(name as MemoryOpName, address, code.ops.i32.wrap_i64(value.get()), 1000);
    });
    f(3, BigInt.asIntN(64, WORD));
    const expected = new Uint8Array(16).fill(0xee);
    expected.set(PATTERN.slice(0, widthOf(name) / 8), 4);
    expect(bytes.slice(999, 1015)).toEqual(expected);
  });

  test('copies vectors', () => {
    bytes.fill(0).set([...PATTERN, ...PATTERN.toReversed()], 33);
    compile([], [], (code) => {
      const { i32 } = code.ops;
      code.store('v128.store', i32.const(100), code.load<V128>('v128.load', i32.const(33)));
    })();
    expect([...bytes.subarray(100, 116)]).toEqual([...PATTERN, ...PATTERN.toReversed()]);
  });

  const COMPUTE: Record<string, (old: bigint, value: bigint) => bigint> = {
    add: (old, value) => old + value,
    and: (old, value) => old & value,
    or: (old, value) => old | value,
    xor: (old, value) => old ^ value,
    xchg: (_, value) => value,
    cmpxchg: (_, value) => value,
  };

  test.each(Object.keys(ATOMIC_OPS).filter((name) => name.includes('rmw')))(
    '%s answers the old value',
    (name) => {
      bytes.fill(0).set(PATTERN, 64);
      const exchange = name.includes('cmpxchg');
      const width = widthOf(name);
      const old = BigInt.asUintN(width, WORD);
      const f = compile([I32_TYPE, I64_TYPE, I64_TYPE], [I64_TYPE], (code) => {
        const address = code.param<I32>(0).get();
        const operands: Value[] = [];
        if (exchange) operands.push(code.param<I64>(2).get());
        operands.push(code.param<I64>(1).get());
        code.atomic<I64>(name as AtomicOpName, address, operands, 64);
      });
      const operand = 0x0123_4567_89ab_cdefn;
      expect(BigInt.asUintN(64, BigInt(f(0, operand, BigInt.asIntN(64, old))))).toBe(old);
      const compute = COMPUTE[/\.([a-z]+?)(_u)?$/.exec(name)![1]!]!;
      const result =
        BigInt.asUintN(width, compute(old, operand)) | ((WORD >> BigInt(width)) << BigInt(width));
      expect(new DataView(memory.buffer).getBigUint64(64, true)).toBe(result);
      if (width > 8) expect(() => f(1, 0n, 0n), 'unaligned').toThrow(WebAssembly.RuntimeError);
    },
  );

  test.each(Object.keys(ATOMIC_OPS).filter((name) => /\.(load|store)/.test(name)))(
    '%s is a valid access',
    (name) => {
      bytes.fill(0).set(PATTERN, 64);
      const width = widthOf(name);
      const wide = name.startsWith('i64');
      if (isStore(name)) {
        compile([I64_TYPE], [], (code) => {
          const address = code.ops.i32.const(8);
          const value = code.param<I64>(0).get();
          if (wide) code.atomicStore(name as AtomicOpName, address, value, 64);
          else code.atomicStore(name as AtomicOpName, address, code.ops.i32.wrap_i64(value), 64);
        })(BigInt.asIntN(64, WORD));
        expect([...bytes.subarray(72, 72 + width / 8)]).toEqual(PATTERN.slice(0, width / 8));
      } else {
        const f = compile([], [wide ? I64_TYPE : I32_TYPE], (code) =>
          code.atomic<I64>(name as AtomicOpName, code.ops.i32.const(0), [], 64),
        );
        expect(BigInt.asUintN(width, BigInt(f()))).toBe(BigInt.asUintN(width, WORD));
      }
    },
  );

  test('fills, and fences', () => {
    bytes.fill(0);
    compile([], [], (code) => {
      const { i32 } = code.ops;
      code.memoryFill(i32.const(10), i32.const(0x55), i32.const(3));
      code.atomicFence();
    })();
    expect([...bytes.subarray(9, 14)]).toEqual([0, 0x55, 0x55, 0x55, 0]);
  });
});
