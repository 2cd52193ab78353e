import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlatMachine, RAM } from '../../test/flat-machine.ts';
import { PC } from '../state/vcpu-state.ts';
import { LEAVE_BUDGET, LEAVE_EXCEPTION } from '../interp/leave.ts';

/*
 * However a run is cut into budgets, it retires the same instructions. Programs are made of pieces that lie anywhere in
 * a few pages and end in branches of every reach; x0 counts hot instructions, x1 cold ones, x2 the turns that are left.
 */

const machine = new FlatMachine();

const CODE = RAM + 0x1_0000;
const PIECES = 12;

const ADD_X0_1 = 0x9100_0400;
const ADD_W1_W4 = 0x0b24_0021; // add w1, w1, w4, uxtb: a cold handler
const SUBS_X2_1 = 0xf100_0442;
const SVC = 0xd400_0001;
const B = 0x1400_0000;
const B_NE = 0x5400_0001;
const BR_X3 = 0xd61f_0060;
const ISB = 0xd503_3fdf;

const imm26 = (bytes: number): number => (B | ((bytes >> 2) & 0x3ff_ffff)) >>> 0;
const imm19 = (bytes: number): number => (B_NE | (((bytes >> 2) & 0x7_ffff) << 5)) >>> 0;
/** MOVZ and MOVK of an address below 4 GiB to x3. */
const moveX3 = (value: number): number[] => [
  (0xd280_0003 | ((value & 0xffff) << 5)) >>> 0,
  (0xf2a0_0003 | ((value >>> 16) << 5)) >>> 0,
];

/** A piece lies at a slot of 128 bytes; the last slots of a page reach over its end. */
const anyPiece = fc.record({
  slot: fc.nat({ max: 255 }),
  body: fc.array(fc.constantFrom('hot', 'cold', 'isb'), { maxLength: 20 }),
  next: fc.nat({ max: PIECES - 1 }),
  branch: fc.constantFrom('direct', 'register'),
});
const anyProgram = fc.uniqueArray(anyPiece, {
  minLength: PIECES,
  maxLength: PIECES,
  selector: ({ slot }) => slot,
});

interface Counts {
  readonly retired: number;
  readonly hot: number;
  readonly cold: number;
}

/** Places the pieces. Each takes a turn off x2 and goes on with its next piece, or to the end at no turns left. */
function place(
  program: readonly { slot: number; body: readonly string[]; next: number; branch: string }[],
): void {
  const at = (slot: number): number => CODE + 128 * slot;
  for (const { slot, body, next, branch } of program) {
    const words = body.map((kind) => ({ hot: ADD_X0_1, cold: ADD_W1_W4, isb: ISB })[kind]!);
    words.push(SUBS_X2_1, imm19(8), SVC);
    const target = at(program[next]!.slot);
    if (branch === 'register') words.push(...moveX3(target), BR_X3);
    else words.push(imm26(target - (at(slot) + 4 * words.length)));
    machine.place(at(slot), words);
  }
}

/** What a run of `turns` pieces comes to. */
function expected(
  program: readonly { body: readonly string[]; next: number; branch: string }[],
  turns: number,
): Counts {
  const counts = { retired: 0, hot: 0, cold: 0 };
  for (let turn = 1, piece = 0; ; turn++) {
    const { body, next, branch } = program[piece]!;
    counts.hot += body.filter((kind) => kind === 'hot').length;
    counts.cold += body.filter((kind) => kind === 'cold').length;
    counts.retired += body.length + 2; // with SUBS and B.NE
    if (turn === turns) return { ...counts, retired: counts.retired + 1 }; // SVC
    counts.retired += branch === 'register' ? 3 : 1;
    piece = next;
  }
}

test('a run retires the same instructions, whatever the budgets it is cut into', () => {
  const property = fc.property(
    anyProgram,
    fc.integer({ min: 1, max: 60 }),
    fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 }),
    (program, turns, budgets) => {
      place(program);
      for (const [n, value] of [0, 0, turns, 0, 1].entries()) machine.setX(n, value);
      machine.vcpu.set64(PC, BigInt(CODE + 128 * program[0]!.slot));
      let retired = 0;
      let outcome = machine.resume(budgets[0]);
      for (let n = 1; outcome.leave === LEAVE_BUDGET; n++) {
        retired += outcome.retired;
        // A slice may be longer than its budget, by what is between two branches; never shorter.
        expect(outcome.retired).toBeGreaterThanOrEqual(budgets[(n - 1) % budgets.length]!);
        outcome = machine.resume(budgets[n % budgets.length]);
      }
      retired += outcome.retired;
      expect(outcome.leave).toBe(LEAVE_EXCEPTION);
      const counts: Counts = { retired, hot: Number(machine.x(0)), cold: Number(machine.x(1)) };
      expect(counts).toEqual(expected(program, turns));
    },
  );
  fc.assert(property, { numRuns: 500, seed: 1 });
});
