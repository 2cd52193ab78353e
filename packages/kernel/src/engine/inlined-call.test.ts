import { expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';

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
