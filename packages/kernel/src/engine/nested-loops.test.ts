import { expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { CPACR_EL1 } from '../state/vcpu-state.ts';

/*
 * Loops in loops are one region that is entered at each of them, over two pages, too: wherever guest code is left and gone on with, compiled
 * code goes where the interpreter goes, and counts what it counts.
 */

const PAGE = RAM + 0x1_0000;
const NEXT = PAGE + 0x1000;

const LOOPS_IN_LOOPS = [
  0x9100_0400, // start: add x0, x0, #1
  0x9240_0801, // and x1, x0, #7
  0x9240_0422, // mid: and x2, x1, #3
  0x9100_0442, // add x2, x2, #1
  0x8b02_0063, // inner: add x3, x3, x2
  0xca03_0884, // eor x4, x4, x3, lsl #2
  0x9a02_00e7, // adc x7, x7, x2
  0xf100_0442, // subs x2, x2, #1
  0x3728_0064, // tbnz x4, #5, next
  0x54ff_ff61, // b.ne inner
  0x9a03_00a5, // adc x5, x5, x3
  0x9e62_0060, // next: scvtf d0, x3
  0x1e60_2821, // fadd d1, d1, d0
  0xeb01_0108, // deep: subs x8, x8, x1
  0x1e61_2842, // fadd d2, d2, d1
  0x8b48_0d29, // add x9, x9, x8, lsr #3
  0x54ff_ffa2, // b.hs deep
  0x8b00_0d08, // add x8, x8, x0, lsl #3
  0xf100_0421, // subs x1, x1, #1
  0x54ff_fde8, // b.hi mid
  0x9a85_34c6, // csinc x6, x6, x5, lo
  0x360f_fd66, // tbz x6, #1, start
  0x8b00_00c6, // add x6, x6, x0
  0xb5ff_fd20, // cbnz x0, start
];

const TWO_WAYS_IN = [
  0x9100_0400, // start: add x0, x0, #1
  0x9240_0c02, // and x2, x0, #15
  0x3608_0060, // tbz w0, #1, middle
  0xca03_0884, // head: eor x4, x4, x3, lsl #2
  0x9a02_00e7, // adc x7, x7, x2
  0x8b02_0063, // middle: add x3, x3, x2
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ff88, // b.hi head
  0xb5ff_ff00, // cbnz x0, start
];

test.each([
  ['loops in loops', LOOPS_IN_LOOPS, PAGE],
  ...[1, 3, 5, 8, 10, 12, 16, 18, 20, 23].map(
    (n) => [`loops in loops, ${n} instructions in one page`, LOOPS_IN_LOOPS, NEXT - 4 * n] as const,
  ),
  ['a loop that has two ways in', TWO_WAYS_IN, PAGE],
  ...[2, 4, 7].map(
    (n) => [`a loop that has two ways in, ${n} instructions in one page`, TWO_WAYS_IN, NEXT - 4 * n] as const,
  ),
] as const)('%s: compiled code goes where the interpreter goes', (_name, program, start) => {
  const random = new Random(7);
  const machines = [new FlatMachine(false, 'none'), new FlatMachine(false, 'all')] as const;
  const [interpreted, compiled] = machines;
  for (let run = 0; run < 8; run++) {
    for (const machine of machines) {
      machine.place(start, program);
      for (let n = 0; n < 31; n++) machine.setX(n, BigInt(n * run));
    }
    let pc = BigInt(start);
    for (let n = 0; n < 60; n++) {
      const budget = 1 + random.below(n % 2 === 0 ? 30 : 600);
      const trapsFp = n % 5 === 3;
      const [expected, got] = machines.map((machine) => {
        machine.setSysreg(CPACR_EL1, trapsFp ? 0n : 3n << 20n);
        const seen = machine.observe(pc, budget);
        // Flags that are dead are not stored where an instruction traps.
        return trapsFp ? { ...seen, nzcv: undefined } : seen;
      });
      expect(got, `${run}.${n}`).toEqual(expected);
      if (trapsFp) compiled.takeFlags(interpreted);
      pc = expected!.pc;
    }
  }
});
