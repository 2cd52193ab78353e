import { describe, expect, test } from 'vitest';
import { ModuleBuilder } from './module.ts';
import { I32_TYPE, I64_TYPE, V128_TYPE } from './opcode.ts';
import type { I32 } from './pure.ts';

const instantiate = (module: ModuleBuilder, imports: WebAssembly.Imports = {}): WebAssembly.Exports =>
  new WebAssembly.Instance(new WebAssembly.Module(module.encode()), imports).exports;

type Call = (...operands: number[]) => number;

describe('a module', () => {
  test('without anything is valid', () => {
    expect(WebAssembly.validate(new ModuleBuilder().encode())).toBe(true);
  });

  test('gives equal function types one index', () => {
    const module = new ModuleBuilder();
    expect(module.type([I32_TYPE], [I64_TYPE])).toBe(0);
    expect(module.type([I32_TYPE], [])).toBe(1);
    expect(module.type([], [I32_TYPE])).toBe(2);
    expect(module.type([I32_TYPE], [I64_TYPE])).toBe(0);
    expect(module.type([V128_TYPE], [V128_TYPE])).toBe(3);
  });

  test('counts functions behind imported ones, and refuses an import after a function', () => {
    const module = new ModuleBuilder();
    expect(module.importFunction('env', 'a', [], [])).toBe(0);
    expect(module.importFunction('env', 'b', [], [])).toBe(1);
    expect(module.function([], []).index).toBe(2);
    expect(() => module.importFunction('env', 'c', [], [])).toThrow(RangeError);
  });

  test('calls what it imports and what it defines', () => {
    const module = new ModuleBuilder();
    const twice = module.importFunction('env', 'twice', [I32_TYPE], [I32_TYPE]);
    const inner = module.function([I32_TYPE], [I32_TYPE]);
    const outer = module.function([I32_TYPE], [I32_TYPE], 'outer');
    inner.code.call<I32>(twice, inner.code.param<I32>(0).get());
    outer.code.ops.i32.add(
      outer.code.call<I32>(inner.index, outer.code.param<I32>(0).get()),
      outer.code.ops.i32.const(1),
    );
    const { outer: call } = instantiate(module, { env: { twice: (x: number) => 2 * x } });
    expect((call as Call)(20)).toBe(41);
  });

  test('takes complete bodies in any order, and makes others in what they were made in', () => {
    const module = new ModuleBuilder();
    const first = module.function([I32_TYPE], [I32_TYPE], 'first');
    const second = module.function([I32_TYPE, I32_TYPE], [I32_TYPE], 'second');
    const sum = second.code.letI32(
      second.code.ops.i32.add(second.code.param<I32>(0).get(), second.code.param<I32>(1).get()),
    );
    sum.get();
    module.complete(second.index);
    const third = module.function([], [I32_TYPE], 'third');
    expect(third.code).toBe(second.code);
    expect(third.code.local<I32>(I32_TYPE).index).toBe(0);
    third.code.ops.i32.const(7);
    first.code.ops.i32.eqz(first.code.param<I32>(0).get());
    const exports = instantiate(module) as Record<string, Call>;
    expect([exports['first']!(0), exports['second']!(2, 3), exports['third']!()]).toEqual([1, 5, 7]);
    expect(() => module.complete(second.index)).toThrow(RangeError);
  });

  test('imports globals as constants', () => {
    const module = new ModuleBuilder();
    const a = module.importGlobal('env', 'a', I32_TYPE);
    const b = module.importGlobal('env', 'b', I32_TYPE);
    const { code } = module.function([], [I32_TYPE], 'difference');
    code.ops.i32.sub(code.globalGet<I32>(a), code.globalGet<I32>(b));
    const global = (value: number): WebAssembly.Global => new WebAssembly.Global({ value: 'i32' }, value);
    const { difference } = instantiate(module, { env: { a: global(50), b: global(8) } });
    expect((difference as Call)()).toBe(42);
  });

  test('calls through its table in the given order', () => {
    const module = new ModuleBuilder();
    const functions = [10, 20, 30].map((value) => {
      const { index, code } = module.function([I32_TYPE], [I32_TYPE]);
      code.ops.i32.add(code.param<I32>(0).get(), code.ops.i32.const(value));
      return index;
    });
    const { code } = module.function([I32_TYPE, I32_TYPE], [I32_TYPE], 'call');
    const type = module.type([I32_TYPE], [I32_TYPE]);
    code.callIndirect<I32>(type, [code.param<I32>(1).get()], code.param<I32>(0).get());
    module.table([functions[2]!, functions[0]!, functions[1]!]);
    const call = instantiate(module)['call'] as Call;
    expect([0, 1, 2].map((i) => call(i, 1))).toEqual([31, 11, 21]);
    expect(() => call(3, 1)).toThrow(WebAssembly.RuntimeError);
  });

  test.each([true, false])('links to the kind of memory it was made for, shared: %s', (shared) => {
    const module = new ModuleBuilder();
    module.importMemory({ module: 'env', name: 'memory', initial: 1, maximum: 2, shared });
    const memoryOf = (kind: boolean): WebAssembly.Memory =>
      new WebAssembly.Memory({ initial: 1, maximum: 2, shared: kind });
    instantiate(module, { env: { memory: memoryOf(shared) } });
    expect(() => instantiate(module, { env: { memory: memoryOf(!shared) } })).toThrow(WebAssembly.LinkError);
  });

  test('says where the branches stand that are seldom taken', () => {
    const module = new ModuleBuilder();
    module.importFunction('env', 'f', [], []);
    module.function([], []);
    const { index, code } = module.function([I32_TYPE], [I32_TYPE], 'f');
    code.local<I32>(I32_TYPE);
    const end = code.block();
    code.brIf(code.param<I32>(0).get(), end);
    code.brIfUnlikely(code.param<I32>(0).get(), end);
    code.ifUnlikely(code.param<I32>(0).get(), () => {});
    code.end();
    code.param<I32>(0).get();
    const bytes = module.encode();
    const [hints] = WebAssembly.Module.customSections(
      new WebAssembly.Module(bytes),
      'metadata.code.branch_hint',
    );
    const [functions, which, count, first, , , second, ...rest] = new Uint8Array(hints!);
    expect([functions, which, count, ...rest]).toEqual([1, index, 2, 1, 0]);
    const body = bytes.subarray(-(3 + code.sink.length + 1)); // the last body: locals, instructions, end
    expect([body[first!], body[second!]]).toEqual([0x0d, 0x04]);
  });
});
