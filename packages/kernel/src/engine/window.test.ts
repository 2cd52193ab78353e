import { describe, expect, test } from 'vitest';
import { CODE, FlatMachine, RAM, type Outcome } from '../../test/flat-machine.ts';
import { PageTables, USER } from '../../test/page-tables.ts';
import { LEAVE_EXCEPTION } from '../interp/leave.ts';
import { PORT_GO_ON } from '../interp/traps.ts';
import { WINDOW_MISSES } from '../state/vcpu-state.ts';

/*
 * Compiled code finds memory by the window. What is outside of it the interpreter accesses, or the TLB is asked. Which way
 * it is is to be seen in no result.
 */

const PAGE = 0x1000;
/** A window of these pages; behind it there are as many that lie in memory the other way round. */
const PAGES = 128;
const VA = 0x5000_0000;
const DATA = RAM + 0x20_0000;
const OTHER = RAM + 0x60_0000;
const END = VA + PAGES * PAGE;
/** Twice as many as are in the window. */
const LARGER = 0x6000_0000;

/** x1 = an address, x2 = how often, x5 = a step. */
const ACCESSES = [
  0xf940_0023, // ldr x3, [x1]
  0xca40_1c60, // eor x0, x3, x0, lsr #7
  0xf840_d024, // ldur x4, [x1, #13]
  0x8b04_0000, // add x0, x0, x4
  0xa901_0c20, // stp x0, x3, [x1, #16]
  0x3dc0_0821, // ldr q1, [x1, #32]
  0x4ee1_8400, // add v0.2d, v0.2d, v1.2d
  0x3d80_0c20, // str q0, [x1, #48]
  0x3900_1c20, // strb w0, [x1, #7]
  0x8b05_0021, // add x1, x1, x5
  0xf100_0442, // subs x2, x2, #1
  0x54ff_fea1, // b.ne ldr
  0x1400_0000, // b .
];

const OTHERS = [
  0xd50b_7421, // dc zva, x1
  0xf840_0823, // ldtr x3, [x1]
  0x8b03_0000, // add x0, x0, x3
  0xc8df_fc23, // ldar x3, [x1]
  0x8b03_0000, // add x0, x0, x3
  0xf823_0026, // ldadd x3, x6, [x1]
  0x4c40_0020, // ld4 {v0.16b-v3.16b}, [x1]
  0x4c00_0020, // st4 {v0.16b-v3.16b}, [x1]
  0x8b05_0021, // add x1, x1, x5
  0xf100_0442, // subs x2, x2, #1
  0x54ff_fec1, // b.ne dc
  0x1400_0000, // b .
];

/** x1 = an address; a hypercall between two loads. */
const AROUND_PORT = [
  0xf940_0023, // ldr x3, [x1]
  0x8b03_0000, // add x0, x0, x3
  0xd400_0002, // hvc #0
  0xf940_0023, // ldr x3, [x1]
  0x8b03_0000, // add x0, x0, x3
  0xf900_0420, // str x0, [x1, #8]
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ff21, // b.ne ldr
  0x1400_0000, // b .
];

const BY_STACK = [
  0xf940_03e3, // ldr x3, [sp]
  0x8b03_0000, // add x0, x0, x3
  0x8b24_63ff, // add sp, sp, x4
  0xf940_03e3, // ldr x3, [sp]
  0x8b03_0000, // add x0, x0, x3
  0xf100_0442, // subs x2, x2, #1
  0x54ff_ff41, // b.ne ldr
  0x1400_0000, // b .
];

function prepare(tier: 'none' | 'all', program: readonly number[], attributes = USER): FlatMachine {
  const machine = new FlatMachine(false, tier);
  machine.place(CODE, program);
  const tables = new PageTables(machine);
  tables.mapCode(CODE);
  for (let page = 0; page < PAGES; page++) {
    tables.map(BigInt(VA + page * PAGE), DATA + page * PAGE, attributes);
    tables.map(BigInt(END + page * PAGE), OTHER - page * PAGE, attributes);
  }
  for (let page = 0; page < 2 * PAGES; page++) {
    tables.map(BigInt(LARGER + page * PAGE), DATA + page * PAGE, attributes);
  }
  tables.use(1n << 3n);
  for (const from of [DATA, OTHER - PAGES * PAGE]) {
    machine
      .ram(from, (PAGES + 1) * PAGE)
      .forEach((_, i, bytes) => (bytes[i] = (i * 167 + (i >> 9) * 13) & 0xff));
  }
  machine.setSp(VA);
  return machine;
}

const memoryOf = (machine: FlatMachine): string =>
  [DATA, OTHER - PAGES * PAGE]
    .map((at) => Buffer.from(machine.ram(at, (PAGES + 1) * PAGE)).toString('hex'))
    .join();

interface Seen {
  readonly outcome: Outcome;
  readonly registers: readonly bigint[];
  readonly memory: string;
}

/** Has a program access an address first, so often, and each time so much further on. */
function begin(machine: FlatMachine, address: number, count: number, step: number): void {
  machine.setX(1, address);
  machine.setX(2, count);
  machine.setX(5, step);
}

/** Has code be compiled so that it asks the TLB: after too many misses. */
function missOften(machine: FlatMachine): void {
  const loop = CODE + 0xf00;
  machine.place(loop, [0x1400_0000]); // b .
  for (let sample = 0; sample < 10; sample++) {
    machine.vcpu.set32(WINDOW_MISSES, 1 << 20);
    machine.run(loop, 100);
  }
}

/** What a program leaves behind, interpreted and compiled in both ways. */
function runs(
  program: readonly number[],
  start: (machine: FlatMachine) => void,
  attributes?: bigint,
): { readonly interpreted: Seen; readonly compiled: readonly Seen[] } {
  const run = (tier: 'none' | 'all', before: (machine: FlatMachine) => void): Seen => {
    const machine = prepare(tier, program, attributes);
    before(machine);
    start(machine);
    const outcome = machine.run(CODE, 5000);
    return { outcome, registers: machine.registers(), memory: memoryOf(machine) };
  };
  return {
    interpreted: run('none', () => {}),
    compiled: [run('all', () => {}), run('all', missOften)],
  };
}

describe.each([
  ['loads and stores', ACCESSES],
  ['accesses of other kinds', OTHERS],
])('%s', (_what, program) => {
  test.each([
    ['in the window', VA + 0x40, 0x40],
    ['up to its end and on', END - 0x2000, 0x40],
    ['back from behind it', END + 0x1000, -0x40],
    ['from page to page of both', END - 0x1_0000, 0x240],
    ['down to its start and below, where nothing is mapped', VA + 0x400, -0x40],
    ['outside of it', END + 0x1000, 0x40],
    ['up to the end of what is mapped', END + (PAGES - 1) * PAGE, 0x40],
  ])('%s', (_where, address, step) => {
    const { compiled, interpreted } = runs(program, (machine) => begin(machine, address, 300, step));
    expect(compiled).toEqual([interpreted, interpreted]);
  });
});

test.each([
  ['over the ends of pages', VA + 0xfc3, 0xfff],
  ['over the end of the window', END - 0x43, 1],
  ['over the end of what is mapped', END + PAGES * PAGE - 0x60, 1],
])('unaligned accesses %s', (_where, address, step) => {
  const { compiled, interpreted } = runs(ACCESSES, (machine) => begin(machine, address, 100, step));
  expect(compiled).toEqual([interpreted, interpreted]);
});

test('an unaligned ordered access faults', () => {
  const { compiled, interpreted } = runs(OTHERS, (machine) => begin(machine, VA + 0x40, 10, 4));
  expect(compiled).toEqual([interpreted, interpreted]);
  const { leave, far } = interpreted.outcome;
  expect({ leave, far }).toEqual({ leave: LEAVE_EXCEPTION, far: BigInt(VA + 0x44) });
});

test('without the MMU what is not aligned faults', () => {
  const { compiled, interpreted } = runs(ACCESSES, (machine) => {
    machine.setSctlr(0n);
    begin(machine, DATA, 10, 64);
  });
  expect(compiled).toEqual([interpreted, interpreted]);
  const { leave, far } = interpreted.outcome;
  expect({ leave, far }).toEqual({ leave: LEAVE_EXCEPTION, far: BigInt(DATA + 13) });
});

test('without the MMU memory is not zeroed', () => {
  const { compiled, interpreted } = runs(OTHERS, (machine) => {
    machine.setSctlr(0n);
    begin(machine, DATA, 10, 64);
  });
  expect(compiled).toEqual([interpreted, interpreted]);
  const { leave, far } = interpreted.outcome;
  expect({ leave, far }).toEqual({ leave: LEAVE_EXCEPTION, far: BigInt(DATA) });
});

test('after a port has mapped something else, that is found', () => {
  const { compiled, interpreted } = runs(AROUND_PORT, (machine) => {
    let calls = 0;
    machine.script.hypercall = () => {
      const tables = new PageTables(machine);
      const page = Math.floor(calls++ / 2) % PAGES;
      tables.map(BigInt(VA), DATA + page * PAGE);
      machine.engine.flushTlbVa(BigInt(VA));
      return PORT_GO_ON;
    };
    machine.setX(1, VA + 0x10);
    machine.setX(2, 200);
  });
  expect(compiled).toEqual([interpreted, interpreted]);
});

test('what EL1 may access EL0 may not', () => {
  const { compiled, interpreted } = runs(
    ACCESSES,
    (machine) => {
      begin(machine, VA + 0x40, 20, 64);
      machine.run(CODE, 5000);
      machine.setEl(0);
      machine.setX(1, VA + 0x40);
    },
    0n,
  );
  expect(compiled).toEqual([interpreted, interpreted]);
  const { leave, far } = interpreted.outcome;
  expect({ leave, far }).toEqual({ leave: LEAVE_EXCEPTION, far: BigInt(VA + 0x40) });
});

test('an access with the rights of EL0 faults where EL0 may not', () => {
  const { compiled, interpreted } = runs(OTHERS, (machine) => begin(machine, VA + 0x40, 20, 64), 0n);
  expect(compiled).toEqual([interpreted, interpreted]);
  const { leave, far } = interpreted.outcome;
  expect({ leave, far }).toEqual({ leave: LEAVE_EXCEPTION, far: BigInt(VA + 0x40) });
});

test('code that was compiled for another window finds what is mapped now', () => {
  const { compiled, interpreted } = runs(ACCESSES, (machine) => {
    const again = CODE + 0x800;
    machine.place(again, ACCESSES);
    const tables = new PageTables(machine);
    const runAt = (code: number, address: number): void => {
      begin(machine, address, 20, 64);
      machine.setSp(address); // the window is around it
      machine.run(code, 1000);
    };
    runAt(CODE, VA + 0x40);
    runAt(again, LARGER + 0x40);
    for (let page = 0; page < PAGES; page++) {
      tables.map(BigInt(VA + page * PAGE), DATA + ((page + 3) % PAGES) * PAGE);
      machine.engine.flushTlbVa(BigInt(VA + page * PAGE));
    }
    machine.setX(1, VA + 0x40);
    machine.setX(2, 20);
  });
  expect(compiled).toEqual([interpreted, interpreted]);
});

test('an access by SP faults where it has become unaligned', () => {
  const { compiled, interpreted } = runs(BY_STACK, (machine) => {
    machine.setX(2, 20);
    machine.setX(4, 16);
    machine.run(CODE, 60);
    machine.setX(4, 8);
  });
  expect(compiled).toEqual([interpreted, interpreted]);
  const { leave, pc } = interpreted.outcome;
  expect({ leave, pc }).toEqual({ leave: LEAVE_EXCEPTION, pc: BigInt(CODE + 12) });
});
