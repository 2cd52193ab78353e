import { describe, expect, test } from 'vitest';
import { CODE, FlatMachine, RAM } from '../../test/flat-machine.ts';
import type { CompileAnswer, CompileRequest } from '../jit/compiler.ts';
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

/** Runs the loop to its end. */
function runLoop(machine: FlatMachine, count: number): void {
  machine.setX(0, count);
  machine.setX(1, 0);
  machine.setX(2, RAM + 0x1000);
  machine.write64(RAM + 0x1000, ADDED);
  let { pc } = machine.run(CODE, 1 << 20);
  while (pc !== BigInt(CODE + 20)) ({ pc } = machine.resume(1 << 20));
  expect(machine.x(1)).toBe(ADDED * BigInt(count));
}

describe('another thread that compiles', () => {
  test('is asked for hot code, and its answer runs', () => {
    const requests: CompileRequest[] = [];
    const answers: CompileAnswer[] = [];
    const compile = createCompiler();
    const compiler = {
      post: (request: CompileRequest) => void requests.push(request),
      take: () => answers.shift(),
    };
    const machine = new FlatMachine(false, 'hot', compiler);
    machine.place(CODE, LOOP);
    runLoop(machine, 30_000);
    expect(requests.map(({ entry }) => entry)).toEqual([0]);
    answers.push(...requests.map(compile));
    runLoop(machine, 30_000);
    runLoop(machine, 30_000);
    expect(requests).toHaveLength(1);
    expect(answers).toHaveLength(0);
  });

  test('that never answers is not waited for', () => {
    const requests: CompileRequest[] = [];
    const compiler = {
      post: (request: CompileRequest) => void requests.push(request),
      take: () => undefined,
    };
    const machine = new FlatMachine(false, 'hot', compiler);
    machine.place(CODE, LOOP);
    runLoop(machine, 300_000);
    expect(requests).toHaveLength(1);
  });

  test('is not believed about code that has changed meanwhile', () => {
    const requests: CompileRequest[] = [];
    const answers: CompileAnswer[] = [];
    const compile = createCompiler();
    const compiler = {
      post: (request: CompileRequest) => void requests.push(request),
      take: () => answers.shift(),
    };
    const machine = new FlatMachine(false, 'hot', compiler);
    machine.place(CODE, LOOP);
    runLoop(machine, 30_000);
    answers.push(...requests.map(compile));
    // sub x1, x1, x3
    machine.place(CODE + 4, [0xcb030021]);
    machine.setX(0, 30_000);
    machine.setX(1, 0);
    let { pc } = machine.run(CODE, 1 << 20);
    while (pc !== BigInt(CODE + 20)) ({ pc } = machine.resume(1 << 20));
    expect(machine.x(1)).toBe(BigInt.asUintN(64, -ADDED * 30_000n));
  });
});
