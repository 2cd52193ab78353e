import { expect, test } from 'vitest';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { PageTables, READ_ONLY, USER } from '../../test/page-tables.ts';

/*
 * Looks into a small table translate its base where the table lies in one page, and each element where it does not.
 */

const CODE = RAM + 0x1_0000;
/** Two pages of the guest's addresses, apart and the other way round in memory. */
const TABLE = 0x20_0000;
const FIRST = RAM + 0x12_0000;
const SECOND = RAM + 0x10_0000;

const PROGRAM = [
  0x1200_1c21, // loop: and w1, w1, #0xff
  0xb861_5883, //       ldr w3, [x4, w1, uxtw #2]
  0x4a02_0061, //       eor w1, w3, w2
  0xd344_2c25, //       ubfx x5, x1, #4, #8
  0x7865_7886, //       ldrh w6, [x4, x5, lsl #1]
  0x0b06_0021, //       add w1, w1, w6
  0xf100_0442, //       subs x2, x2, #1
  0x54ff_ff21, //       b.ne loop
  0x1400_0000, //       b .
];

test.each([
  ['in a page', 0x400, 0n],
  ['up to the end of a page', 0x1000 - 4 * 256, 0n],
  ['over two pages', 0xd00, 0n],
  ['over two pages, unaligned', 0xd03, 0n],
  ['over the end of what is mapped', 0x1f00, 499n],
])('a table %s', (_where, offset, left) => {
  const [expected, got] = (['none', 'all'] as const).map((tier) => {
    const machine = new FlatMachine(false, tier);
    machine.place(CODE, PROGRAM);
    for (const [page, from] of [FIRST, SECOND].entries()) {
      machine
        .ram(from, 0x1000)
        .forEach((_, i, bytes) => (bytes[i] = (i * 167 + (i >> 8) * 13 + page * 91) & 0xff));
    }
    const tables = new PageTables(machine);
    tables.map(BigInt(CODE), CODE, READ_ONLY);
    tables.map(BigInt(TABLE), FIRST, USER);
    tables.map(BigInt(TABLE + 0x1000), SECOND, USER);
    tables.use(0n, 0n);
    machine.setX(2, 500n);
    machine.setX(4, BigInt(TABLE + offset));
    const outcomes = [150, 900, 4000].map((budget, n) =>
      machine.run(n === 0 ? BigInt(CODE) : machine.registers().at(-1)!, budget),
    );
    return { outcomes, registers: machine.registers() };
  });
  expect(got).toEqual(expected);
  expect(expected!.registers[2]).toBe(left);
});
