import { expect, test } from 'vitest';
import { FlatMachine, RAM, RAM_AT } from '../../test/flat-machine.ts';
import { PageTables, READ_ONLY, USER } from '../../test/page-tables.ts';
import { LIKELY_ENTRY } from '../state/vcpu-state.ts';

/*
 * Loads of what was loaded guess the entry of the TLB. Whether the guess is right is to be seen in no result.
 */

const CODE = RAM + 0x1_0000;
const DATA = 0x20_0000;
const PAGE = 0x1000;
const PAGES = 8;
const NODES = 1000;
const NODE_SIZE = 32;
const UNMAPPED = 0x30_0000;

const PROGRAM = [
  0xf940_0423, // loop: ldr x3, [x1, #8]
  0xca40_1c60, //       eor x0, x3, x0, lsr #7
  0xf940_0021, //       ldr x1, [x1]
  0xf100_0442, //       subs x2, x2, #1
  0x54ff_ff81, //       b.ne loop
  0x1400_0000, //       b .
];

/** Where the guest's pages lie in memory. */
const inOnePiece = (page: number): number => RAM + 0x10_0000 + page * PAGE;
const scattered = (page: number): number => RAM + 0x10_0000 + ((page * 5 + 3) % PAGES) * PAGE;
const halfAndHalf = (page: number): number => (page % 3 === 0 ? scattered(page) + 0x8000 : inOnePiece(page));

test.each([
  ['in one piece', inOnePiece, NODES],
  ['scattered', scattered, NODES],
  ['half and half', halfAndHalf, NODES],
  ['that ends where nothing is mapped', halfAndHalf, 700],
])('a list %s', (_how, placeOf, end) => {
  const [expected, got] = (['none', 'all'] as const).map((tier) => {
    const machine = new FlatMachine(false, tier);
    machine.place(CODE, PROGRAM);
    const tables = new PageTables(machine);
    tables.map(BigInt(CODE), CODE, READ_ONLY);
    for (let page = 0; page < PAGES; page++) tables.map(BigInt(DATA + page * PAGE), placeOf(page), USER);
    tables.use(0n, 0n);
    // Each node is in another page than the one before.
    const nodeAt = (i: number): number => DATA + ((i * 397) % NODES) * NODE_SIZE;
    for (let i = 0; i < NODES; i++) {
      const offset = nodeAt(i) - DATA;
      const place = placeOf(Math.floor(offset / PAGE)) + (offset % PAGE);
      const next = i + 1 === end ? UNMAPPED : nodeAt(i + 1);
      machine.ram(place, 16).set(new Uint8Array(BigUint64Array.of(BigInt(next), BigInt(i * i)).buffer));
    }
    machine.setX(1, BigInt(nodeAt(0)));
    machine.setX(2, BigInt(NODES));
    const outcomes = [500, 900, 9000].map((budget, n) =>
      machine.run(n === 0 ? BigInt(CODE) : machine.registers().at(-1)!, budget),
    );
    return { outcomes, registers: machine.registers(), guess: machine.vcpu.get64(LIKELY_ENTRY) };
  });
  expect(got).toEqual(expected);
  if (placeOf === inOnePiece) expect(got!.guess).toBe(BigInt(RAM_AT + inOnePiece(0) - RAM - DATA));
  expect(expected!.registers[2]).toBe(BigInt(NODES - end));
});
