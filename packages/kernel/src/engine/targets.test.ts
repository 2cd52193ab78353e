import { describe, expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { REGIONS } from '../state/engine-stats.ts';

/*
 * Branches to registers, in code that is compiled when it is known where they went: they go there and anywhere else, and
 * count what the interpreter counts.
 */

const PAGE = RAM + 0x1_0000;
const DATA = RAM + 0x10_0000;
const DATA_SIZE = 4096;

const NEXT = [
  0x3861_6942, // ldrb w2, [x10, x1]
  0x9100_0421, // add x1, x1, #1
  0x9240_2c21, // and x1, x1, #0xfff
  0x8b22_1122, // add x2, x9, w2, uxtb #4
] as const;

/** An interpreter whose handlers, 32 bytes each, go to the next one themselves. */
const THREADED: readonly (readonly number[])[] = [
  [0x9100_0463, ...NEXT, 0xd61f_0040], // h0: add x3, x3, #1; (next); br x2
  [0xeb04_0063, ...NEXT, 0xd61f_0040], // h1: subs x3, x3, x4; (next); br x2
  [
    0xba03_0084, // h2: adcs x4, x4, x3
    0x3861_6946, // ldrb w6, [x10, x1]
    0x9100_0421, // add x1, x1, #1
    0x9240_2c21, // and x1, x1, #0xfff
    0x8b26_1126, // add x6, x9, w6, uxtb #4
    0xd61f_00c0, // br x6
  ],
  [0x9a83_30a5, ...NEXT, 0xd61f_0040], // h3: csel x5, x5, x3, lo; (next); br x2
  [
    0x371f_fe04, // h4: tbnz w4, #3, h2
    0x17ff_ffe7, // b h1
  ],
  [
    0xcac4_1ca5, // h5: eor x5, x5, x4, ror #7
    0xb5ff_fde1, // cbnz x1, h3
    0x17ff_ffd6, // b h0
  ],
];

/** A loop that calls what stands behind it. */
const CALLS: readonly (readonly number[])[] = [
  [
    0x17ff_fff8, // f0: b (loop)
  ],
  [
    0x9100_0463, // f1: add x3, x3, #1
    0xd65f_03c0, // ret
  ],
  [
    0xeb04_0063, // f2: subs x3, x3, x4
    0x5400_0048, // b.hi 1f
    0x9100_0c84, // add x4, x4, #3
    0xd65f_03c0, // 1: ret
  ],
  [
    0x9a85_3064, // f3: csel x4, x3, x5, lo
    0x9100_13de, // add x30, x30, #4
    0xd65f_03c0, // ret: behind the instruction that comes after the call
  ],
  [
    0xaa1e_03f3, // f4: mov x19, x30
    0x9100_8127, // add x7, x9, #32
    0xd63f_00e0, // blr x7: f1
    0xaa13_03fe, // mov x30, x19
    0xd65f_03c0, // ret
  ],
  [
    0xba05_0084, // f5: adcs x4, x4, x5
    0xd61f_0120, // br x9: f0, and so never back
  ],
];
const LOOP = [
  ...NEXT,
  0xd63f_0040, // blr x2
  0xcac3_0ca5, // eor x5, x5, x3, ror #3
  0xb5ff_ff45, // cbnz x5, (loop)
  0x17ff_fff9, // b (loop)
];

/** Pieces of code at multiples of 32 bytes, with nothing between. */
const spread = (pieces: readonly (readonly number[])[]): readonly number[] =>
  pieces.flatMap((piece) => [...piece, ...Array<number>(8 - piece.length).fill(0)]);

interface Program {
  readonly code: readonly number[];
  /** In bytes from the page. */
  readonly at: number;
  /** What x9 has. */
  readonly base: number;
}

const threaded = (at: number): Program => ({ code: spread(THREADED), at, base: PAGE + at });
const calls = (at: number): Program => ({ code: spread([LOOP, ...CALLS]), at, base: PAGE + at + 32 });

describe.each([
  ['a threaded interpreter', threaded(0)],
  ['a threaded interpreter on two pages', threaded(4096 - 96)],
  ['calls', calls(0)],
  ['calls to the next page', calls(4096 - 96)],
])('%s', (_what, { code, at, base }) => {
  test.each([
    ['few places at first', [0, 2, 6], [0, 2, 4, 6, 8, 10]],
    ['all places', [0, 2, 4, 6, 8, 10], [0, 2, 4, 6, 8, 10]],
    ['places that nobody has been to', [2, 4, 8, 10], [0, 2, 3, 4, 6, 8, 9, 10]],
    ['what is no instruction', [0, 2, 4, 6, 8, 10], [...Array<number>(200).fill(2), 200]],
  ])('goes where the interpreter goes: %s', (_where, first, then) => {
    const random = new Random(7);
    const machines = [new FlatMachine(false, 'none'), new FlatMachine(false, 'hot')] as const;
    for (const machine of machines) {
      machine.place(PAGE + at, code);
      machine.setX(9, BigInt(base));
      machine.setX(10, BigInt(DATA));
      for (let n = 3; n < 8; n++) machine.setX(n, BigInt(n * 77));
    }
    let pc = BigInt(PAGE + at);
    const step = (n: number, budget: number): void => {
      const [expected, got] = machines.map((machine) => machine.observe(pc, budget));
      expect(got, String(n)).toEqual(expected);
      pc = expected!.pc;
    };
    const feed = (offsets: readonly number[]): void => {
      const data = Uint8Array.from({ length: DATA_SIZE }, () => random.pick(offsets));
      for (const machine of machines) machine.ram(DATA, DATA_SIZE).set(data);
    };
    feed(first);
    for (let n = 0; n < 30; n++) step(n, 1 + random.below(20_000));
    expect(machines[1].vcpu.getNumber(REGIONS)).toBeGreaterThan(0);
    feed(then);
    for (let n = 30; n < 90; n++) step(n, 1 + random.below(n % 2 === 0 ? 60 : 9000));
  });
});

test('an interpreter whose handlers go to each other is one region', () => {
  const machine = new FlatMachine(false, 'hot');
  machine.place(PAGE, spread(THREADED));
  machine.setX(9, BigInt(PAGE));
  machine.setX(10, BigInt(DATA));
  machine
    .ram(DATA, DATA_SIZE)
    .set(Uint8Array.from({ length: DATA_SIZE }, (_, i) => [0, 2, 4, 6][(i * 7) & 3]!));
  machine.run(PAGE, 1_000_000);
  expect(machine.vcpu.getNumber(REGIONS)).toBe(1);
});
