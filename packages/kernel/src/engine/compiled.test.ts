import { describe, expect, test } from 'vitest';
import { CODE, FlatMachine, RAM } from '../../test/flat-machine.ts';
import type { CompileAnswer, CompileRequest } from '../jit/compiler.ts';
import { COMPILED_INSTRUCTIONS } from '../state/engine-stats.ts';
import { PC } from '../state/vcpu-state.ts';
import { createCompiler } from './engine.ts';

/** x0 counts down; x1 adds up what is loaded at x2. */
const LOOP = [
  0xf9400043, // ldr x3, [x2]
  0x8b030021, // add x1, x1, x3
  0xf1000400, // subs x0, x0, #1
  0x54ffffa1, // b.ne ldr
  0xd503207f, // wfi
];
const ADDED = 7n;

/** Runs the loop to its end. @returns x1 */
function runLoop(machine: FlatMachine, count: number): bigint {
  machine.setX(0, count);
  machine.setX(1, 0);
  machine.setX(2, RAM + 0x1000);
  machine.write64(RAM + 0x1000, ADDED);
  let { pc } = machine.run(CODE, 1 << 20);
  while (pc !== BigInt(CODE + 20)) ({ pc } = machine.resume(1 << 20));
  return machine.x(1);
}

/** A machine with the loop, and another thread whose answers come when {@link Elsewhere.answer} is called. */
class Elsewhere {
  readonly requests: CompileRequest[] = [];
  readonly answers: CompileAnswer[] = [];
  readonly machine = new FlatMachine(false, 'hot', {
    post: (request) => void this.requests.push(request),
    take: () => this.answers.shift(),
  });

  constructor() {
    this.machine.place(CODE, LOOP);
  }

  answer(): void {
    this.answers.push(...this.requests.map(createCompiler()));
  }
}

describe('another thread that compiles', () => {
  test('is asked for hot code, and its answer runs', () => {
    const elsewhere = new Elsewhere();
    const run = (): bigint => runLoop(elsewhere.machine, 30_000);
    expect(run()).toBe(ADDED * 30_000n);
    expect(elsewhere.requests.map(({ entry }) => entry)).toEqual([0]);
    elsewhere.answer();
    expect([run(), run()]).toEqual([ADDED * 30_000n, ADDED * 30_000n]);
    expect(elsewhere.requests).toHaveLength(1);
    expect(elsewhere.answers).toHaveLength(0);
  });

  test('that never answers is not waited for for ever', () => {
    const { machine, requests } = new Elsewhere();
    const compiled = (): number => machine.vcpu.getNumber(COMPILED_INSTRUCTIONS);
    expect(runLoop(machine, 300_000)).toBe(ADDED * 300_000n);
    expect(requests).toHaveLength(1);
    expect(compiled()).toBe(0);
    expect(runLoop(machine, 1_000_000)).toBe(ADDED * 1_000_000n);
    expect(compiled()).toBeGreaterThan(300_000);
  });

  test('is asked once for a loop that becomes hot at two places', () => {
    const elsewhere = new Elsewhere();
    const { machine, requests } = elsewhere;
    // The inner loop is left after some thousand instructions, so that samples come at both branches.
    machine.place(CODE, [
      0xd2820000, // mov x0, #0x1000
      0xf1000400, // subs x0, x0, #1
      0x54ffffe1, // b.ne subs
      0xf1000421, // subs x1, x1, #1
      0x54ffff81, // b.ne mov
      0xd503207f, // wfi
    ]);
    const run = (count: number): void => {
      machine.setX(1, count);
      let { pc } = machine.run(CODE, 1 << 20);
      while (pc !== BigInt(CODE + 24)) ({ pc } = machine.resume(1 << 20));
    };
    run(80);
    expect(requests).toHaveLength(1);
    elsewhere.answer();
    run(80);
    expect(requests).toHaveLength(1);
  });

  test('is not believed about code that has changed meanwhile', () => {
    const elsewhere = new Elsewhere();
    runLoop(elsewhere.machine, 30_000);
    elsewhere.answer();
    elsewhere.machine.place(CODE + 4, [0xcb03_0021]); // sub x1, x1, x3
    expect(runLoop(elsewhere.machine, 30_000)).toBe(BigInt.asUintN(64, -ADDED * 30_000n));
  });
});

test('a loop is found hot whatever its length, and where it was looked at first', () => {
  const machine = new FlatMachine(false, 'hot');
  const LENGTH = 64; // a multiple of this is what lies between samples, and the first one falls on the call
  const FAR = 0x4000;
  machine.place(CODE, [
    ...Array<number>(LENGTH - 3).fill(0x9100_0421), // add x1, x1, #1
    0xd63f_0040, // blr x2
    0x17ff_ffc2, // b (first)
  ]);
  machine.place(CODE + FAR, [0xd65f_03c0]); // ret
  machine.setX(2, CODE + FAR);
  machine.run(CODE + 4, 2_000_000);
  expect(machine.vcpu.getNumber(COMPILED_INSTRUCTIONS)).toBeGreaterThan(1_000_000);
});

test('what runs seldom is found hot as well as what runs often', () => {
  const elsewhere = new Elsewhere();
  const { machine, requests } = elsewhere;
  const FAR = 0x4000;
  machine.place(CODE, [
    0xd2a00040, // outer: mov x0, #0x20000
    0xf1000400, // inner: subs x0, x0, #1
    0x54ffffe1, // b.ne inner
    0xd50b7b22, // dc cvau, x2: the interpreter does it, and goes on behind it
    0xd61f0060, // br x3
  ]);
  machine.place(CODE + FAR, [
    0xd2820001, // mov x1, #0x1000
    0xd503201f, // seldom: nop
    0xf1000421, // subs x1, x1, #1
    0x54ffffc1, // b.ne seldom
    0xd61f0080, // br x4
  ]);
  machine.setX(2, CODE);
  machine.setX(3, CODE + FAR);
  machine.setX(4, CODE);
  const run = (count: number): number => {
    machine.run(machine.vcpu.get64(PC), count);
    return requests.length;
  };
  machine.vcpu.set64(PC, BigInt(CODE));
  expect(run(200_000)).toBe(1); // the inner loop
  elsewhere.answer();
  // The other one has a twentieth of all instructions: a sample in three million.
  expect(run(15_000_000)).toBe(2);
});
