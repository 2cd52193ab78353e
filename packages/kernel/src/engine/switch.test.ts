import { describe, expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { LEAVE_BUDGET } from '../interp/leave.ts';

/*
 * A `switch` in a loop: compiled code stays in its region for the cases, and goes anywhere else as by any other branch.
 */

const CODE = RAM + 0x1_0000;
const DATA = RAM + 0x10_0000;

const LOOP = [
  0x3840_1422, // loop: ldrb w2, [x1], #1
  0x1000_0089, //       adr x9, c0
  0x8b22_0922, //       add x2, x9, w2, uxtb #2
  0xd61f_0040, //       br x2
  0x0000_0000, //       (undefined)
  0x9100_0463, // c0:   add x3, x3, #1
  0x17ff_fffa, //       b loop
  0xf100_1c63, // c1:   subs x3, x3, #7
  0x17ff_fff8, //       b loop
  0xca03_1484, // c2:   eor x4, x4, x3, lsl #5
  0x17ff_fff6, //       b loop
  0x9a84_34a5, // c3:   csinc x5, x5, x4, lo
  0x17ff_fff4, //       b loop
  0x8b01_00c6, // c4:   add x6, x6, x1
  0xb4ff_fe46, //       cbz x6, loop
  0xba03_00e7, // c5:   adcs x7, x7, x3
  0x17ff_fff0, //       b loop
  0x3717_ff03, // c6:   tbnz w3, #2, c2
  0x17ff_fffd, //       b c5
];
/** The same with bytes for instructions, so that targets may be unaligned. */
const UNSCALED = LOOP.with(2, 0x8b22_0122); // add x2, x9, w2, uxtb
/** A call of a case, which never comes back, before the branch. */
const CALLED = LOOP.with(3, 0xd63f_0040).with(4, 0xd61f_0040); // blr x2; br x2

const CASES = [0, 2, 4, 6, 8, 10, 12];
/** In the middle of cases, and instructions that no case begins with. */
const OTHERS = [1, 3, 9, 13];

describe('a compiled switch goes where the interpreter goes', () => {
  test.each([
    { kind: 'to its cases', code: LOOP, offsets: CASES },
    { kind: 'to its cases, where a call goes to one', code: CALLED, offsets: CASES },
    { kind: 'anywhere', code: LOOP, offsets: [...CASES, ...OTHERS, ...CASES] },
    { kind: 'to what is no instruction', code: LOOP, offsets: [...CASES, ...CASES, ...CASES, 200] },
    { kind: 'to unaligned addresses', code: UNSCALED, offsets: [0, 8, 16, 24, 0, 8, 16, 24, 40, 2] },
  ])('$kind', ({ code, offsets }) => {
    const random = new Random(9);
    const machines = [new FlatMachine(false, 'none'), new FlatMachine(false, 'all')] as const;
    for (let run = 0; run < 8; run++) {
      const data = Uint8Array.from({ length: 4096 }, () => random.pick(offsets));
      for (const machine of machines) {
        machine.place(CODE, code);
        machine.ram(DATA, data.length).set(data);
        machine.setX(1, BigInt(DATA));
        for (let n = 3; n < 8; n++) machine.setX(n, BigInt(n * run));
      }
      let pc = BigInt(CODE);
      for (let n = 0; n < 20; n++) {
        const budget = 1 + random.below(300);
        const [expected, got] = machines.map((machine) => machine.observe(pc, budget));
        expect(got, `${run}.${n}`).toEqual(expected);
        if (expected!.leave !== LEAVE_BUDGET) break;
        pc = expected!.pc;
      }
    }
  });
});
