import { describe, expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, NOWHERE, RAM } from '../../test/flat-machine.ts';
import { DEVICE, PageTables, READ_ONLY, TABLES, TABLES_SIZE, USER } from '../../test/page-tables.ts';
import { INSNS } from '../a64/table.ts';
import { LEAVE_BUDGET, LEAVE_EXCEPTION } from '../interp/leave.ts';
import { FLAG_A, FLAG_B, FLAG_NZ, FPSR, SCRATCH } from '../state/vcpu-state.ts';
import { unpackFlags } from '../a64/flags.ts';

/*
 * Compiled code does what the interpreter does: two machines run the same random programs, one compiles all it runs,
 * and whenever they leave guest code they agree on registers, memory and the number of instructions.
 */

const RUNS = 30;
const WORDS = 96;
const CODE = RAM + 0x8_0000;
const DATA = RAM + 0x10_0000;

const machines = [new FlatMachine(false, 'none'), new FlatMachine(false, 'all')] as const;

const LOOPS = INSNS.filter(({ name }) => ['B_cond', 'CBZ_CBNZ', 'TBZ_TBNZ', 'B_BL'].includes(name));
const FREQUENT = INSNS.filter(({ name }) => /^(ADD_SUB|LDR_STR|LDP|AND|ORR|CSEL|CCMP|UBFM|MADD)/.test(name));

/** A branch to a word of the program. */
function branchWord(random: Random, at: number): number {
  const row = random.pick(LOOPS);
  const distance = random.below(WORDS) - at;
  const free = (random.next() & ~row.mask) >>> 0;
  const place = (bits: number, shift: number): number => ((distance & (2 ** bits - 1)) << shift) >>> 0;
  switch (row.name) {
    case 'TBZ_TBNZ':
      return (row.value | (free & 0xfff8_001f & ~row.mask) | place(14, 5)) >>> 0;
    case 'B_BL':
      return (row.value | (random.below(4) === 0 ? 0x8000_0000 : 0) | place(26, 0)) >>> 0;
    default:
      return (row.value | (free & 0xff00_001f & ~row.mask) | place(19, 5)) >>> 0;
  }
}

function wordAt(random: Random, at: number): number {
  const kind = random.below(10);
  if (kind < 2) return branchWord(random, at);
  const row = kind < 7 ? random.pick(FREQUENT) : random.pick(INSNS);
  return (row.value | (random.next() & ~row.mask)) >>> 0;
}

function addressOf(random: Random): bigint {
  const offset = random.pick([0, 8, 16, 64, 0xff0, 0xffc, random.below(0x1000)]);
  return random.pick([
    BigInt(DATA + 0x1000 * random.below(5) + offset),
    BigInt(DATA + 0x800),
    random.next64(),
  ]);
}

/** What can be compared of a machine. */
function stateOf(machine: FlatMachine): Record<string, unknown> {
  const { vcpu } = machine;
  return {
    registers: machine.registers(),
    fpsr: vcpu.get32(FPSR),
    data: Buffer.from(machine.ram(DATA, 0x6000)).toString('base64'),
  };
}

const changedCode = (machine: FlatMachine, code: readonly number[]): boolean =>
  code.some((word, i) => machine.words.get32(machine.userOf(CODE) + 4 * i) !== word);

const nzcvOf = ({ vcpu }: FlatMachine): number =>
  unpackFlags({ nz: vcpu.get64(FLAG_NZ), a: vcpu.get64(FLAG_A), b: vcpu.get64(FLAG_B) });

describe('compiled code does what the interpreter does', () => {
  test.each([1, 2, 3, 4])('with random programs (seed %i)', { timeout: 60_000 }, (seed) => {
    const random = new Random(seed);
    const leaves = new Set<number>();
    for (const machine of machines) machine.reset();
    for (let run = 0; run < RUNS; run++) {
      const code = Array.from({ length: WORDS }, (_, at) => wordAt(random, at));
      const start = Array.from({ length: 32 }, () => addressOf(random));
      const vectors = Array.from({ length: 32 }, () => random.next64() | (random.next64() << 64n));
      const hasMmu = run % 2 === 0;
      const el = run % 3 === 0 ? 0 : 1;
      for (const machine of machines) {
        const { engine, vcpu, script } = machine;
        machine.place(CODE, code);
        machine.ram(TABLES, TABLES_SIZE).fill(0);
        machine.ram(DATA, 0x6000).fill(run);
        machine.setSctlr(0n);
        engine.flushTlb();
        script.mmioRead = () => (vcpu.set64(SCRATCH, 0x1234_5678n), 0);
        if (hasMmu) {
          const tables = new PageTables(machine);
          for (const [i, kind] of [USER, USER, READ_ONLY | USER, DEVICE | USER].entries())
            tables.map(BigInt(DATA + 0x1000 * i), i === 3 ? NOWHERE : DATA + 0x1000 * i, kind);
          tables.map(BigInt(CODE), CODE, USER | READ_ONLY);
          tables.use(0n, 0n);
        }
        machine.setEl(el);
        for (const [n, value] of start.entries()) if (n < 31) machine.setX(n, value);
        machine.setSp(start[31]! & ~15n);
        for (const [n, value] of vectors.entries()) machine.setV(n, value);
      }
      let pc = BigInt(CODE);
      for (let n = 0; n < 20; n++) {
        const [expected, got] = machines.map((machine) => machine.run(pc, 300)) as [
          ReturnType<FlatMachine['run']>,
          ReturnType<FlatMachine['run']>,
        ];
        // A program that writes over itself, and sends no IC, may run either way.
        if (machines.some((machine) => changedCode(machine, code))) break;
        const where = `run ${run}.${n} from ${pc.toString(16)}`;
        const { syndrome, far, ...rest } = expected;
        expect(got, where).toMatchObject(
          expected.leave === LEAVE_EXCEPTION ? { ...rest, syndrome, far } : rest,
        );
        expect(stateOf(machines[1]), where).toEqual(stateOf(machines[0]));
        if (expected.leave === LEAVE_BUDGET) expect(nzcvOf(machines[1]), where).toBe(nzcvOf(machines[0]));
        // Elsewhere flags that the program overwrites before it reads them may be old: not for one that goes on anywhere.
        for (const word of [FLAG_NZ, FLAG_A, FLAG_B])
          machines[1].vcpu.set64(word, machines[0].vcpu.get64(word));
        leaves.add(expected.leave);
        const inside =
          expected.pc >= BigInt(CODE) && expected.pc < BigInt(CODE + 4 * WORDS) && (expected.pc & 3n) === 0n;
        pc = inside && random.below(3) > 0 ? expected.pc + 4n : BigInt(CODE + 4 * random.below(WORDS));
      }
    }
    expect(leaves.size).toBeGreaterThan(3);
  });
});
