/** Code that runs over two pages is compiled as one, and goes on only where the other page still lies, as it was. */
import { expect, test } from 'vitest';
import { codeChanges } from '../../test/code-changes.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { PageTables, READ_ONLY } from '../../test/page-tables.ts';
import { LEAVE_BUDGET, type Leave } from '../interp/leave.ts';
import { PORT_GO_ON } from '../interp/traps.ts';
import type { Tier } from './engine.ts';

const FIRST = RAM + 0x1_0000;
const SECOND = FIRST + 0x1000;
const OTHER = RAM + 0x3_0000;
const START = SECOND - 0x14;
const TURNS = 200;

const ADD_1 = 0x9100_0421; // add x1, x1, #1
const ADD_5 = 0x9100_1421; // add x1, x1, #5
const HEAD = [
  0xd53b_f003, // mrs: asks a port, which does what the test says
  0xd503_3fdf, // isb
  0xf100_0400, // subs x0, x0, #1
  0x5400_00a0, // b.eq end
  0x9100_0442, // add x2, x2, #1
];
const tailWith = (add: number): readonly number[] => [
  add,
  0xd53b_f003, // mrs
  0x17ff_fff9, // b start
  0xd503_207f, // end: wfi
];

function machineWith(tier: Tier): FlatMachine {
  const machine = new FlatMachine(false, tier);
  machine.place(START, HEAD);
  machine.place(SECOND, tailWith(ADD_1));
  machine.place(OTHER, tailWith(ADD_5));
  const tables = new PageTables(machine);
  for (const page of [FIRST, SECOND]) tables.map(BigInt(page), page, READ_ONLY);
  tables.use();
  return machine;
}

/** @param change - what happens in the middle @returns registers and the number of instructions */
function run(tier: Tier, change: (machine: FlatMachine) => void): unknown[] {
  const machine = machineWith(tier);
  machine.setX(0, TURNS);
  machine.changeAt(TURNS / 2, change);
  let retired = 0;
  for (let pc = BigInt(START), leave: Leave = LEAVE_BUDGET; leave === LEAVE_BUDGET;) {
    const outcome = machine.run(pc, 7);
    retired += outcome.retired;
    ({ pc, leave } = outcome);
  }
  return [machine.x(1), machine.x(2), retired];
}

test.each(codeChanges(SECOND, ADD_5, OTHER))(
  'the other page is what it is now, after $change',
  ({ make }) => {
    const expected = run('none', make);
    expect(expected[0]).toBeGreaterThan(2 * TURNS);
    expect(run('all', make)).toEqual(expected);
    expect(run('evict', make)).toEqual(expected);
  },
);

test('a loop that asks ports in both pages goes where the interpreter goes', () => {
  const observe = (tier: Tier): unknown[] => {
    const machine = new FlatMachine(false, tier);
    const [port, , ...rest] = HEAD;
    machine.place(START + 4, [port!, ...rest]);
    machine.place(SECOND, [ADD_1, port!, 0x17ff_fffa, 0xd503_207f]);
    machine.script.sysreg = () => PORT_GO_ON;
    machine.setX(0, TURNS);
    const seen: unknown[] = [];
    for (let pc = BigInt(START + 4), leave: Leave = LEAVE_BUDGET; leave === LEAVE_BUDGET;) {
      const outcome = machine.run(pc, 11);
      ({ pc, leave } = outcome);
      seen.push(pc, outcome.retired, machine.x(1));
    }
    return seen;
  };
  const expected = observe('none');
  expect(observe('all')).toEqual(expected);
  expect(observe('evict')).toEqual(expected);
});
