import { describe, expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import type { CompileRequest } from '../jit/compiler.ts';

/*
 * Calls that compiled code has within a region go where the interpreter goes, too, and count what it counts: calls in
 * calls, returns past the place that called, budgets that end anywhere.
 */

const PROGRAM = [
  0x9100_0400, // start: add x0, x0, #1
  0x9400_0005, // bl leaf
  0x3718_0040, // tbnz x0, #3, skip
  0x9400_0007, // bl outer
  0x9400_000e, // skip: bl odd
  0xb5ff_ff60, // cbnz x0, start
  0xeb00_0063, // leaf: subs x3, x3, x0
  0x5400_0042, // b.hs 1f
  0x9100_1484, // add x4, x4, #5
  0xd65f_03c0, // 1: ret
  0xaa1e_03f3, // outer: mov x19, x30
  0x8b03_00a5, // add x5, x5, x3
  0x97ff_fffa, // bl leaf
  0x9400_0003, // bl inner
  0xaa13_03fe, // mov x30, x19
  0xd65f_03c0, // ret
  0xca05_0cc6, // inner: eor x6, x6, x5, lsl #3
  0xd65f_03c0, // ret
  0x3610_0080, // odd: tbz x0, #2, 2f
  0x9100_03de, // add x30, x30, #0
  0x3620_0040, // tbz x0, #4, 2f
  0xd100_53de, // sub x30, x30, #20
  0x9a84_34e7, // 2: csinc x7, x7, x4, lo
  0xd65f_03c0, // ret
];

test.each([
  ['in the page', RAM + 0x1_0000],
  ['in the next page', RAM + 0x1_1000 - 24],
  ['over the end of a page', RAM + 0x1_1000 - 48],
])('calls of short functions %s go where the interpreter goes', (_where, code) => {
  const random = new Random(4);
  const machines = [new FlatMachine(false, 'none'), new FlatMachine(false, 'all')] as const;
  for (let run = 0; run < 6; run++) {
    for (const machine of machines) {
      machine.place(code, PROGRAM);
      for (let n = 0; n < 31; n++) machine.setX(n, BigInt(n * run));
    }
    let pc = BigInt(code);
    for (let n = 0; n < 60; n++) {
      const budget = 1 + random.below(n % 2 === 0 ? 30 : 300);
      const [expected, got] = machines.map((machine) => machine.observe(pc, budget));
      expect(got, `${run}.${n}`).toEqual(expected);
      pc = expected!.pc;
    }
  }
});

describe('functions far away', () => {
  const code = RAM + 0x1_0000;
  const [leaf, outer, odd] = [code + 0x5008, code + 0x9ffc, code - 0x3000] as const;
  const bl = (from: number, to: number): number => 0x9400_0000 + (((to - from) >> 2) & 0x3ff_ffff);
  const place = (machine: FlatMachine): void => {
    machine.place(code, [
      0x9100_0400, // start: add x0, x0, #1
      bl(code + 4, leaf),
      0x3718_0040, // tbnz x0, #3, skip
      bl(code + 12, outer),
      bl(code + 16, odd), // skip:
      0xb5ff_ff60, // cbnz x0, start
      0x17ff_fffa, // b start
    ]);
    machine.place(leaf, [
      0xeb00_0063, // subs x3, x3, x0
      0x5400_0042, // b.hs 1f
      0x9100_1484, // add x4, x4, #5
      0xd65f_03c0, // 1: ret
    ]);
    machine.place(outer, [
      0xaa1e_03f3, // mov x19, x30
      0x8b03_00a5, // add x5, x5, x3: on the next page
      bl(outer + 8, leaf),
      0xaa13_03fe, // mov x30, x19
      0xd65f_03c0, // ret
    ]);
    machine.place(odd, [
      0x3610_0040, // tbz x0, #2, 2f
      0xd100_53de, // sub x30, x30, #20: to start
      0x9a84_34e7, // 2: csinc x7, x7, x4, lo
      0xd65f_03c0, // ret
    ]);
    for (let n = 0; n < 19; n++) machine.setX(n, BigInt(n * 3));
  };

  test('are called as the interpreter calls them', () => {
    const random = new Random(5);
    const machines = [new FlatMachine(false, 'none'), new FlatMachine(false, 'hot')] as const;
    for (const machine of machines) place(machine);
    let pc = BigInt(code);
    for (let n = 0; n < 120; n++) {
      const budget = 1 + random.below(n < 30 ? 9000 : 300);
      const [expected, got] = machines.map((machine) => machine.observe(pc, budget));
      expect(got, String(n)).toEqual(expected);
      pc = expected!.pc;
    }
  });

  test('are given to what compiles, as far as they are short', () => {
    const requests: CompileRequest[] = [];
    const compiler = {
      post: (request: CompileRequest) => void requests.push(request),
      take: () => undefined,
    };
    const machine = new FlatMachine(false, 'hot', compiler);
    place(machine);
    machine.run(code, 1_000_000);
    const { others } = requests.find(({ entry }) => entry < 8)!;
    expect(others!.map(({ offset, from }) => [offset, from]).toSorted()).toEqual([
      [-3, 0],
      [5, 2],
      [9, 1023],
    ]);
  });
});
