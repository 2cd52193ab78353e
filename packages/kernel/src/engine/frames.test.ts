/** Compiled code waits for what it has called, whoever executes that, and goes on only in code that is still the same. */
import { describe, expect, test } from 'vitest';
import { codeChanges } from '../../test/code-changes.ts';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { PageTables, READ_ONLY } from '../../test/page-tables.ts';
import { COMPILED_INSTRUCTIONS, INSTRUCTIONS } from '../state/engine-stats.ts';
import type { Tier } from './engine.ts';

const CALLER = RAM + 0x1_0000;
const OTHER_CALLER = RAM + 0x3_0000;
const CALLEE = RAM + 0x2_0000;
const TURNS = 200;

/** A BL. */
const call = (from: number, to: number): number => 0x9400_0000 | (((to - from) >> 2) & 0x3ff_ffff);
/** x0 counts down; x1 adds up. @param add - what is done behind the call */
const callerOf = (add: number, callee = CALLEE): readonly number[] => [
  call(CALLER, callee),
  add,
  0xf100_0400, // subs x0, x0, #1
  0x54ff_ffa1, // b.ne bl
  0xd503_207f, // wfi
];
const ADD_1 = 0x9100_0421; // add x1, x1, #1
const ADD_5 = 0x9100_1421; // add x1, x1, #5
/** Two that call a port, which does what the test says: one that the interpreter executes, one that is compiled. */
const IC_IALLU = 0xd508_751f;
const MRS = 0xd53b_f003;
const ISB = 0xd503_3fdf;
const RET = 0xd65f_03c0;
/** Calls what lies in the next page. */
const PASS_ON = [
  0xaa1e_03ea, // mov x10, x30
  call(4, 0x1000),
  0xd65f_0140, // ret x10
];

/** @param change - what happens in the middle @returns x1 and the number of instructions */
function run(tier: Tier, callee: readonly number[], change: (machine: FlatMachine) => void): unknown[] {
  const machine = new FlatMachine(false, tier);
  machine.place(CALLER, callerOf(ADD_1));
  machine.place(OTHER_CALLER, callerOf(ADD_5));
  machine.place(CALLEE, callee);
  const tables = new PageTables(machine);
  for (const page of [CALLER, CALLEE, CALLEE + 0x1000]) tables.map(BigInt(page), page, READ_ONLY);
  tables.use();
  machine.setX(0, TURNS);
  machine.changeAt(TURNS / 2, change);
  const { retired } = machine.run(CALLER);
  return [machine.x(1), retired];
}

const CHANGES = codeChanges(CALLER + 4, ADD_5, OTHER_CALLER);

describe.each(CHANGES)('a caller that its callee changes, with $change', ({ make }) => {
  test.each([
    { how: 'the interpreter executes the callee', callee: [IC_IALLU, ISB, RET] },
    { how: 'compiled code executes its end', callee: [IC_IALLU, ISB, ADD_1, ADD_1, RET] },
    { how: 'compiled code executes the callee', callee: [MRS, ISB, RET] },
    { how: 'another call lies between', callee: PASS_ON, next: [IC_IALLU, ISB, RET] },
    { how: 'another call lies between, compiled', callee: PASS_ON, next: [MRS, ISB, RET] },
  ])('is what it is now, when $how', ({ callee, next = [] }) => {
    const code = [...callee, ...Array.from({ length: 1024 - callee.length }, () => RET), ...next];
    const [sum, retired] = run('none', code, make);
    expect(run('all', code, make)).toEqual([sum, retired]);
    const unchanged = run('none', code, () => {});
    expect([retired, sum !== unchanged[0]]).toEqual([unchanged[1], true]);
  });
});

describe('hot code', () => {
  const STRAIGHT = [...Array.from({ length: 100 }, () => ADD_1), RET];
  /** Runs the caller and says what part of it was compiled. */
  function compiledPart(machine: FlatMachine, turns: number): number {
    const { vcpu } = machine;
    const before = [COMPILED_INSTRUCTIONS, INSTRUCTIONS].map((counter) => vcpu.getNumber(counter));
    machine.setX(0, turns);
    machine.run(CALLER, 1 << 26);
    const [compiled, all] = [COMPILED_INSTRUCTIONS, INSTRUCTIONS].map(
      (counter, i) => vcpu.getNumber(counter) - before[i]!,
    );
    return compiled! / all!;
  }

  test.each([
    ['from another page', CALLEE],
    ['from the same page', CALLER + 0x200],
  ])('is compiled though it is only called, %s', (_, callee) => {
    const machine = new FlatMachine(false, 'hot');
    machine.place(CALLER, callerOf(ADD_1, callee));
    machine.place(callee, STRAIGHT);
    compiledPart(machine, 10_000);
    expect(compiledPart(machine, 1000)).toBeGreaterThan(0.99);
  });

  test.each(['hot', 'evict'] as const)('goes on behind its page, with the tier %s', (tier) => {
    const machine = new FlatMachine(false, tier);
    const length = 400; // of a region, at most
    const start = CALLER + 0x1000 - 4 * length;
    const code = Array.from({ length }, () => ADD_1);
    // subs x0, x0, #1; b.ne start; wfi
    code.push(0xf100_0400, 0x5400_0001 | (((-length - 1) & 0x7_ffff) << 5), 0xd503_207f);
    machine.place(start, code);
    for (let round = 0; round < 3; round++) {
      machine.setX(0, 5000);
      machine.setX(1, 0);
      machine.run(start, 1 << 26);
      expect(machine.x(1)).toBe(5000n * BigInt(length));
      machine.place(start, code);
    }
  });

  test('is still compiled after IC that has not changed it', () => {
    const machine = new FlatMachine(false, 'hot');
    machine.place(CALLER, callerOf(ADD_1));
    machine.place(CALLEE, STRAIGHT);
    compiledPart(machine, 10_000);
    machine.engine.flushCode();
    expect(compiledPart(machine, 10)).toBeGreaterThan(0.99);
    machine.words.set32(machine.userOf(CALLEE), ADD_5);
    machine.engine.flushCode();
    machine.setX(1, 0);
    compiledPart(machine, 10);
    expect(machine.x(1)).toBe(10n * (1n + 5n + 99n));
  });
});
