/** Ports that compiled code calls by itself see and change what they do when the interpreter calls them. */
import { expect, test } from 'vitest';
import { CODE, FlatMachine } from '../../test/flat-machine.ts';
import { LEAVE_PORT } from '../interp/leave.ts';
import { PORT_GO_ON, PORT_LEAVE } from '../interp/traps.ts';
import type { Tier } from './engine.ts';
import { COMPILED_INSTRUCTIONS } from '../state/engine-stats.ts';
import { retiredSoFar } from '../state/retired.ts';
import { PC } from '../state/vcpu-state.ts';

/** x0 counts down; x2 adds up what the ports make of x3. */
const LOOP = [
  0x9100_0421, // add x1, x1, #1
  0xd53b_f003, // mrs x3, s3_3_c15_c0_0
  0xd400_00a2, // hvc #5
  0x8b03_0042, // add x2, x2, x3
  0xf100_0400, // subs x0, x0, #1
  0x54ff_ff61, // b.ne add
  0xd503_207f, // wfi
];
const TURNS = 20;

/** Runs the loop. @param leaving - what HVC answers at each turn @returns what the ports and the guest have seen */
function runLoop(tier: Tier, leaving: (turn: number) => boolean): unknown[] {
  const machine = new FlatMachine(false, tier);
  const { vcpu } = machine;
  machine.place(CODE, LOOP);
  machine.setX(0, TURNS);
  const seen: unknown[] = [];
  const note = (port: string): void =>
    void seen.push([port, vcpu.get64(PC), retiredSoFar(vcpu), machine.x(0), machine.x(1), machine.x(2)]);
  machine.script.sysreg = () => {
    note('sysreg');
    machine.setX(3, machine.x(1) * 2n);
    return PORT_GO_ON;
  };
  machine.script.hypercall = (smc, immediate) => {
    note(`hypercall ${smc} ${immediate}`);
    machine.setX(3, machine.x(3) + 1n);
    return leaving(Number(machine.x(1))) ? PORT_LEAVE : PORT_GO_ON;
  };
  let outcome = machine.run(CODE);
  while (outcome.leave === LEAVE_PORT) {
    seen.push(outcome);
    outcome = machine.resume();
  }
  seen.push(outcome.pc, outcome.retired, machine.registers());
  expect(vcpu.getNumber(COMPILED_INSTRUCTIONS) > TURNS).toBe(tier === 'all');
  return seen;
}

test.each([
  ['that go on', () => false],
  ['that leave', () => true],
  ['that leave now and then', (turn: number) => turn % 3 === 0],
])('ports %s', (_, leaving) => {
  expect(runLoop('all', leaving)).toEqual(runLoop('none', leaving));
});
