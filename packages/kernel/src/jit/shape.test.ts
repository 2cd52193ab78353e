import { describe, expect, test } from 'vitest';
import { decodedPage, plan, requestOf } from '../../test/compile-request.ts';
import { functionBodies, loopBody, type WasmOp } from '../../test/wasm-body.ts';
import { OP_IMM } from '../interp/uop.ts';
import { regionCompiler, type CompileRequest } from './compiler.ts';

/*
 * What is emitted for a hot loop is what makes the JIT fast, and no result shows it: so it is counted here. Exits do not
 * count; they lie in branches aside.
 */

const compile = regionCompiler(plan);

/** The function of the region that begins with these words. */
function regionOf(code: readonly number[], form: Partial<CompileRequest> = {}): WasmOp[] {
  const { code: bytes, entries } = compile(requestOf({ page: decodedPage(code), entry: 0, ...form }));
  expect(entries[0]).toBe(0);
  // Behind it are those of the entries within.
  return functionBodies(bytes).at(-entries.length)!;
}

const countOf = (ops: readonly WasmOp[], name: string | RegExp): number =>
  ops.filter((op) => (typeof name === 'string' ? op.name === name : name.test(op.name))).length;

describe('a counted loop', () => {
  const loop = loopBody(
    regionOf([
      0xf840_8423, // ldr x3, [x1], #8
      0x8b03_0000, // add x0, x0, x3
      0xeb02_003f, // cmp x1, x2
      0x54ff_ffa3, // b.lo ldr
      0xd65f_03c0, // ret
    ]),
  );

  test('writes no register to memory', () => expect(countOf(loop, /store/)).toBe(0));

  test('loads the entry of the TLB and the datum, and nothing else', () =>
    expect(loop.filter(({ name }) => /load/.test(name)).map(({ name }) => name)).toEqual([
      'i64.load',
      'i64.load',
    ]));

  test('compares with a limit that an instruction can hold', () =>
    expect(
      loop.filter(({ name, operands }) => name === 'i64_const' && operands[0] === 0x7fff_f000),
    ).toHaveLength(1));

  test('branches by one comparison of the registers themselves', () => {
    const branch = loop.findLastIndex(({ name }) => name === 'if');
    expect(countOf(loop, /^i64\.(lt|ge)_u$/)).toBe(2); // the TLB's hit, and b.lo
    expect(branch).toBeGreaterThan(0);
  });

  test('calls nothing', () => expect(countOf(loop, /call/)).toBe(0));

  test('counts by one addition', () => {
    const additions = loop.filter(({ name }, i) => name === 'i32.add' && loop[i + 1]?.name === 'local_set');
    expect(additions).toHaveLength(1);
  });
});

describe('a loop of accesses of which the first two are in the window', () => {
  const pointers = (1 << 1) | (1 << 2);
  const loop = loopBody(
    regionOf(
      [
        0xf940_0023, // ldr x3, [x1]
        0xf900_0043, // str x3, [x2]
        0xf940_03e4, // ldr x4, [sp]
        0x8b04_0000, // add x0, x0, x4
        0xf100_04a5, // subs x5, x5, #1
        0x54ff_ff61, // b.ne ldr
        0xd65f_03c0, // ret
      ],
      { window: { start: 0x4000_0000n, host: 0x50_0000, pointers, mayLeave: true } },
    ),
  );

  test('asks the TLB only for the third', () => {
    expect(countOf(loop, /load/)).toBe(3);
    expect(countOf(loop, /store/)).toBe(1);
  });

  test('has the place of the window as numbers', () => {
    const hasNumber = (value: number): WasmOp[] =>
      loop.filter(({ name, operands }) => /const/.test(name) && operands[0] === value);
    expect([hasNumber(0x4000_0000), hasNumber(0x50_0000)].map(({ length }) => length)).toEqual([2, 2]);
  });

  test('looks at the alignment of the third', () => expect(countOf(loop, 'i32.and')).toBe(1));
});

describe('accesses by x1, x2 and x6', () => {
  const START = 0x4000_0000;
  const regionFor = (pointers: number, mayLeave: boolean): WasmOp[] =>
    regionOf(
      [
        0xf940_0023, // ldr x3, [x1]
        0xf900_0043, // str x3, [x2]
        0xf940_00c4, // ldr x4, [x6]
        0xf100_04a5, // subs x5, x5, #1
        0x54ff_ff81, // b.ne ldr
        0xd65f_03c0, // ret
      ],
      { window: { start: BigInt(START), host: 0x50_0000, pointers, mayLeave } },
    );
  const inWindow = (ops: readonly WasmOp[]): number =>
    ops.filter(({ name, operands }) => name === 'i64_const' && operands[0] === START).length;
  const lookups = (ops: readonly WasmOp[]): number => countOf(ops, 'i32.shl');

  test.each([
    ['of one that', 1 << 1, 1, 2],
    ['of all if most of them', (1 << 1) | (1 << 2), 3, 1],
    ['of all that', (1 << 1) | (1 << 2) | (1 << 6), 3, 0],
  ])('look into the window: the one %s pointed there', (_which, pointers, windows, entries) => {
    const ops = regionFor(pointers, true);
    expect([inWindow(ops), lookups(ops)]).toEqual([windows, entries]);
  });

  test('look into the TLB besides if they may not leave', () => {
    const ops = regionFor((1 << 1) | (1 << 2) | (1 << 6), false);
    expect([inWindow(ops), lookups(ops)]).toEqual([3, 3]);
  });
});

describe('flags', () => {
  test('that the next comparison overwrites are not kept', () => {
    const loop = loopBody(
      regionOf([
        0xab01_0000, // adds x0, x0, x1: nobody reads its flags
        0xf100_0442, // subs x2, x2, #1
        0x54ff_ffc1, // b.ne adds
        0xd65f_03c0, // ret
      ]),
    );
    expect(countOf(loop, 'i64.lt_s')).toBe(0); // the sign of a sum
    expect(countOf(loop, /^i64\.(eq|ne)$/)).toBe(1);
  });

  test.each([
    ['hi', 0x54ff_ffa8, /^i32\.gt_u$/],
    ['ls', 0x54ff_ffa9, /^i32\.le_u$/],
    ['gt', 0x54ff_ffac, /^i32\.gt_s$/],
    ['le', 0x54ff_ffad, /^i32\.le_s$/],
  ])('make %s one comparison', (_name, branch, comparison) => {
    const loop = loopBody(
      regionOf([
        0x8b00_0042, // add x2, x2, x0
        0x0b02_0021, // add w1, w1, w2
        0x6b03_003f, // cmp w1, w3
        branch, // to add
        0xd65f_03c0, // ret
      ]),
    );
    expect(countOf(loop, comparison)).toBe(1);
    expect(countOf(loop, /i64.extend_i32_s|i32.and/)).toBe(0);
  });

  test('of a conditional comparison are chosen, not made', () => {
    const loop = loopBody(
      regionOf([
        0x9100_0421, // add x1, x1, #1
        0xeb02_003f, // cmp x1, x2
        0xfa43_1024, // ccmp x1, x3, #4, ne
        0x54ff_ffa1, // b.ne add
        0xd65f_03c0, // ret
      ]),
    );
    expect(countOf(loop, /^i64\.(eq|ne)$/)).toBe(2);
    expect(countOf(loop, /select|else|shr/)).toBe(0);
  });
});

test('an access of bytes is tested by the TLB alone', () => {
  const loop = loopBody(
    regionOf([
      0x3840_1423, // ldrb w3, [x1], #1
      0x8b03_0000, // add x0, x0, x3
      0xeb02_003f, // cmp x1, x2
      0x54ff_ffa1, // b.ne ldrb
      0xd65f_03c0, // ret
    ]),
  );
  expect(countOf(loop, 'i64.rotr')).toBe(0);
  expect(countOf(loop, 'i64.load8_u')).toBe(1);
});

test('a hypercall is one call of its port', () => {
  const loop = loopBody(
    regionOf([
      0x8b00_0042, // add x2, x2, x0
      0xd400_0002, // hvc #0
      0xf100_0421, // subs x1, x1, #1
      0x54ff_ffa1, // b.ne add
      0xd65f_03c0, // ret
    ]),
  );
  expect(countOf(loop, 'call')).toBe(1);
  // Of the registers only those that are needed again are read again: x0 to x2, and x30 of RET.
  expect(loop.filter(({ name, depth }) => name === 'i64.load' && depth === loop[0]!.depth)).toHaveLength(4);
});

test('floating point stays in vector registers', () => {
  const loop = loopBody(
    regionOf([
      0x1e62_0800, // fmul d0, d0, d2
      0x1e61_2800, // fadd d0, d0, d1
      0xf100_0442, // subs x2, x2, #1
      0x54ff_ffa1, // b.ne fmul
      0xd65f_03c0, // ret
    ]),
  );
  expect(countOf(loop, 'f64.mul')).toBe(1);
  expect(countOf(loop, 'f64.add')).toBe(1);
  expect(countOf(loop, /load|store|call/)).toBe(0);
});

describe('a switch', () => {
  const body = regionOf([
    0x3840_1422, // loop: ldrb w2, [x1], #1
    0x1000_0069, // adr x9, first case
    0x8b22_8922, // add x2, x9, w2, sxtb #2
    0xd61f_0040, // br x2
    0x9100_0463, // add x3, x3, #1
    0x17ff_fffb, // b loop
    0xd100_0463, // sub x3, x3, #1
    0x17ff_fff9, // b loop
    0xd65f_03c0, // ret
  ]);
  const labels = body.find(({ name }) => name === 'br_table')!.operands;

  test('has a way to each case, and one to any other address', () => {
    expect(labels).toHaveLength(6); // an instruction each, and what is none of them
    expect(new Set(labels).size).toBe(4);
    expect([labels[1], labels[3]]).toEqual([labels[5], labels[5]]);
  });

  test('has no way into a loop of a case', () => {
    const { operands } = regionOf([
      0x3840_1422, // loop: ldrb w2, [x1], #1
      0x1000_0069, // adr x9, case
      0x8b22_8922, // add x2, x9, w2, sxtb #2
      0xd61f_0040, // br x2
      0x1400_0002, // case: b condition
      0x9100_0463, // body: add x3, x3, #1
      0xf100_0484, // condition: subs x4, x4, #1
      0x54ff_ffc1, // b.ne body
      0x17ff_fff8, // b loop
      0xd65f_03c0, // ret
    ]).findLast(({ name }) => name === 'br_table')!;
    expect(operands[1]).toBe(operands.at(-1));
    expect(new Set(operands).size).toBe(3);
  });
});

test('a short function is called without a call, and writes no register to memory', () => {
  const loop = loopBody(
    regionOf([
      0x9400_0004, // loop: bl double
      0xf100_0442, // subs x2, x2, #1
      0x54ff_ffc1, // b.ne loop
      0xd65f_03c0, // ret
      0x8b00_0000, // double: add x0, x0, x0
      0xd65f_03c0, // ret
    ]),
  );
  expect(countOf(loop, /call|store/)).toBe(0);
});

test('a function that was called through a register is called without a call as well, if it is that', () => {
  const page = decodedPage([
    0xd63f_0040, // loop: blr x2
    0xf100_0421, // subs x1, x1, #1
    0x54ff_ffc1, // b.ne loop
    0xd65f_03c0, // ret
    0x9100_0400, // f: add x0, x0, #1
    0xd65f_03c0, // ret
  ]);
  const comparisons = (): string[] => {
    const body = functionBodies(compile(requestOf({ page, entry: 0 })).code).at(-1)!;
    return body.filter(({ name }) => /^i64.(eq|ne)$/.test(name)).map(({ name }) => name);
  };
  const before = comparisons();
  new Uint32Array(page.buffer)[OP_IMM / 4] = 4; // it went to f
  // With f; and what its RET has with where it was called, and if it is not that with where the region was.
  expect(comparisons().length - before.length).toBe(3);
});

test('a small table is looked up by its base, not by the element', () => {
  const loop = loopBody(
    regionOf([
      0x9240_1c21, // loop: and x1, x1, #0xff
      0xb861_7883, // ldr w3, [x4, x1, lsl #2]
      0x4a01_0c61, // eor w1, w3, w1, lsl #3
      0xf100_0442, // subs x2, x2, #1
      0x54ff_ff81, // b.ne loop
      0xd65f_03c0, // ret
    ]),
  );
  const entry = loop.findIndex(({ name }) => name === 'i64.load');
  const page = loop.findLastIndex(({ name }, i) => i < entry && name === 'i32.shr_u');
  // What the index of the entry is made of was set from a register as it is.
  const { operands } = loop.findLast(({ name }, i) => i < page && name === 'local_get')!;
  const set = loop.findIndex((op) => op.name === 'local_set' && op.operands[0] === operands[0]);
  expect(loop[set - 1]!.name).toBe('local_get');
});

describe('the entry of the TLB is guessed', () => {
  const RET = 0xd65f_03c0;
  /** tbz x9, #0, to so many instructions before. */
  const back = (count: number): number => 0x3600_0009 | ((-count & 0x3fff) << 5);
  const countGuesses = (code: readonly number[]): number => {
    const loop = loopBody(regionOf(code));
    const isLocal = (i: number): boolean => /^local_(get|tee)$/.test(loop[i]!.name);
    return loop.filter(({ name }, i) => name === 'i64.ne' && isLocal(i - 1) && isLocal(i - 2)).length;
  };
  const guessesIn = (...body: readonly number[]): number => countGuesses([...body, back(body.length), RET]);

  test.each([
    ['a list', [0xf940_0021], 1], // ldr x1, [x1]
    ['a pair', [0xa940_0423], 1], // ldp x3, x1, [x1]
    ['what is computed of it', [0xf940_0085, 0x9100_40a4], 1], // ldr x5, [x4]; add x4, x5, #16
    ['an index', [0xf863_6823], 1], // ldr x3, [x1, x3]
    // ldr x3, [x1]; cmp x3, x0; csel x1, x4, x5, lo
    ['what is chosen by it', [0xf940_0023, 0xeb00_007f, 0x9a85_3081], 1],
  ])('where it was loaded, or made of that: %s', (_what, body, count) =>
    expect(guessesIn(...body)).toBe(count),
  );

  test.each([
    ['where the base moves on', [0xf840_8423]], // ldr x3, [x1], #8
    ['of one base', [0xf940_0023, 0xf940_0027]], // ldr x3, [x1]; ldr x7, [x1]
    ['of a store', [0xf940_0023, 0xf900_0061]], // ldr x3, [x1]; str x1, [x3]
    ['where there are many', Array.from({ length: 9 }, () => 0xf940_0021)],
  ])('not %s', (_what, body) => expect(guessesIn(...body)).toBe(0));

  test('not where it was loaded before the loop', () => {
    const LDR = 0xf940_0021; // ldr x1, [x1]
    const LDR_NEXT = 0xf840_8423; // ldr x3, [x1], #8
    expect(countGuesses([LDR, LDR_NEXT, back(1), RET])).toBe(0);
  });
});
