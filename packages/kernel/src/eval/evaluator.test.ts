import { beforeEach, describe, expect, test } from 'vitest';
import type { Emitter } from '../a64/emitter.ts';
import { insn, source, target, type Operands } from '../a64/pattern.ts';
import { PC, SINK_SLOT, X, ZERO_SLOT } from '../state/vcpu-state.ts';
import { Words } from '../state/words.ts';
import { Evaluator, immediateOf } from './evaluator.ts';
import type { Access, Outcome } from './outcome.ts';

const MEMORY_AT = 0x1_0000;
const words = new Words(new WebAssembly.Memory({ initial: 2, maximum: 2 }));
/** Pages 0 and 2 of the guest are mapped, page 2 first in memory. */
const accesses: Access[] = [];
const evaluator = new Evaluator(words, 0, {
  translate(access) {
    accesses.push(access);
    const offset = Number(access.address & 0xfffn);
    if (access.address >> 12n === 0n) return MEMORY_AT + 0x1000 + offset;
    return access.address >> 12n === 2n ? MEMORY_AT + offset : -1;
  },
});

const run = (emit: (c: Emitter) => void, operands: Operands = {}): Outcome =>
  evaluator.step(insn('TEST', 'any:32', { emit }), 0, operands);

beforeEach(() => {
  words.u8.fill(0);
  accesses.length = 0;
  words.set64(PC, 0x4000n);
});

describe('a step', () => {
  test('moves the pc to the next instruction, or where a branch goes', () => {
    expect(run(() => {})).toEqual({ kind: 'next' });
    expect(words.get64(PC)).toBe(0x4004n);
    expect(run((c) => c.branch('back', 'jump'), { imm: -8 })).toEqual({ kind: 'branch' });
    expect(words.get64(PC)).toBe(0x3ffcn);
    expect(run((c) => c.branchIf(c.i32.const(0), 'far'), { imm: 64 })).toEqual({ kind: 'next' });
  });

  test('leaves the pc at an instruction that does not complete', () => {
    const outcome = run((c) => c.setReg('a', c.load(c.i64.const(0x1000), { size: 3 })), { a: target(1) });
    expect(outcome).toMatchObject({ kind: 'fault', access: { address: 0x1000n, bytes: 8, kind: 'read' } });
    expect([words.get64(PC), words.get64(X + 8)]).toEqual([0x4000n, 0n]);
  });

  test('drops what is written to register 31 and reads 0 from it', () => {
    run((c) => c.setReg('a', c.i64.const(5)), { a: target(31) });
    expect([words.get64(SINK_SLOT), words.get64(ZERO_SLOT)]).toEqual([5n, 0n]);
    run((c) => c.setReg('a', c.reg('b')), { a: target(2), b: source(31) });
    expect(words.get64(X + 16)).toBe(0n);
  });

  test('refuses a definition that writes a register before an access that can fault', () => {
    const emit = (c: Emitter): void => {
      c.setReg('a', c.i64.const(1));
      c.store(c.i64.const(0), c.reg('a'), { size: 3 });
    };
    expect(() => run(emit, { a: target(0) })).toThrow('before an access that can fault');
  });
});

describe('memory', () => {
  test('an access across two pages translates both before it touches either', () => {
    const store = (address: number): Outcome =>
      run((c) => c.store(c.i64.const(address), c.i64.const(0x0807_0605_0403_0201n), { size: 3 }));
    expect(store(0xffd)).toMatchObject({ kind: 'fault', access: { address: 0x1000n, bytes: 5 } });
    expect(words.u8.subarray(MEMORY_AT, MEMORY_AT + 0x2000).every((byte) => byte === 0)).toBe(true);
    expect(accesses.map(({ address, bytes }) => [address, bytes])).toEqual([
      [0xffdn, 3],
      [0x1000n, 5],
    ]);
  });

  test('loads are extended as their form says', () => {
    words.u8[MEMORY_AT + 0x1010] = 0x80;
    const load = (form: Parameters<Emitter['load']>[1]): bigint => {
      run((c) => c.setReg('a', c.load(c.i64.const(0x10), form)), { a: target(3) });
      return words.get64(X + 24);
    };
    expect(load({ size: 0 })).toBe(0x80n);
    expect(load({ size: 0, signed: 32 })).toBe(0xffff_ff80n);
    expect(load({ size: 0, signed: 64 })).toBe(0xffff_ffff_ffff_ff80n);
  });

  test('ordered accesses and atomics must be aligned', () => {
    const ordered = run((c) => c.store(c.i64.const(2), c.i64.const(0), { size: 2, ordered: true }));
    expect(ordered.kind).toBe('alignment');
    expect(run((c) => c.setReg32('a', c.locate(c.i64.const(8), 16, 'write').get())).kind).toBe('alignment');
    expect(accesses).toEqual([]);
  });

  test('an unprivileged access says so to the port', () => {
    run((c) => c.setReg('a', c.load(c.i64.const(0), { size: 0, unprivileged: true })), { a: target(0) });
    expect(accesses[0]?.unprivileged).toBe(true);
  });
});

describe('control inside a definition', () => {
  test('only the branch that is taken is evaluated, and loops end', () => {
    run(
      (c) => {
        const count = c.letI64(c.i64.const(0));
        c.repeat(() => {
          count.set(c.i64.add(count.get(), c.i64.const(1)));
          return c.i64.lt_u(count.get(), c.i64.const(10));
        });
        c.if(
          c.i64.eq(count.get(), c.i64.const(10)),
          () => c.setReg('a', count.get()),
          () => c.undefined(),
        );
      },
      { a: target(4) },
    );
    expect(words.get64(X + 32)).toBe(10n);
  });

  test('a routine is its body, with its own variables', () => {
    const double = {
      name: 'double',
      params: ['i64'],
      result: 'i64',
      emit: (c: Emitter, value: ReturnType<Emitter['letI64']>) => c.i64.add(value.get(), value.get()),
    } as const;
    run((c) => c.setReg('a', c.call(double, c.call(double, c.imm()))), { a: target(5), imm: 3 });
    expect(words.get64(X + 40)).toBe(12n);
  });
});

test('an immediate is a number, or two halves', () => {
  expect(immediateOf({})).toBe(0n);
  expect(immediateOf({ imm: -2 })).toBe(2n ** 64n - 2n);
  expect(immediateOf({ imm: 2 ** 40 })).toBe(2n ** 40n);
  expect(immediateOf({ immLow: -1, immHigh: 1 })).toBe(0x1_ffff_ffffn);
});
