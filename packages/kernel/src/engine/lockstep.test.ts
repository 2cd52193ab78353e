import { describe, expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, NOWHERE, RAM } from '../../test/flat-machine.ts';
import { DEVICE, PageTables, READ_ONLY, TABLES, TABLES_SIZE, USER } from '../../test/page-tables.ts';
import type { Insn } from '../a64/pattern.ts';
import { INSNS } from '../a64/table.ts';
import { LEAVE_BUDGET, LEAVE_EXCEPTION } from '../interp/leave.ts';
import { FPSR, SCRATCH } from '../state/vcpu-state.ts';

/*
 * Compiled code does what the interpreter does: two machines run the same random programs, one compiles all it runs,
 * and whenever they leave guest code they agree on registers, memory and the number of instructions.
 */

const RUNS = 30;
const WORDS = 96;
const CODE = RAM + 0x8_0000;
const DATA = RAM + 0x10_0000;

const TIERS = ['none', 'all', 'evict'] as const;
const machines = TIERS.map((tier) => new FlatMachine(false, tier));
const [reference, ...others] = machines as [FlatMachine, ...FlatMachine[]];

const LOOPS = INSNS.filter(({ name }) => ['B_cond', 'CBZ_CBNZ', 'TBZ_TBNZ', 'B_BL'].includes(name));
const named = (pattern: RegExp): readonly Insn[] => INSNS.filter(({ name }) => pattern.test(name));

/** What most instructions of a program are, and what its vector registers hold. */
interface Flavour {
  readonly frequent: readonly Insn[];
  /** Words with a general register in bits 4:0, now and then. */
  readonly rare: readonly number[];
  readonly vector: (random: Random) => bigint;
  /** FPSR: by which compiled code is made for programs that make inexact results or for others. */
  readonly fpsr: (random: Random) => number;
}
const GENERAL: Flavour = {
  frequent: named(/^(ADD_SUB|LDR_STR|LDP|AND|ORR|CSEL|CCMP|UBFM|MADD)/),
  rare: [],
  vector: (random) => random.next64() | (random.next64() << 64n),
  fpsr: () => 0,
};
const FLAGS: Flavour = {
  ...GENERAL,
  frequent: named(/^(ADD_SUB|ADC_SBC|AND|LOGICAL|CSEL|CSINC|CCMP|FCMP|FCCMP|B_cond)/),
};
const FLOAT: Flavour = {
  frequent: named(
    /^(F(ADD|SUB|MUL|DIV|SQRT|M?N?M(ADD|SUB)|MLA|NEG|ABS|MOV|CMP|CCMP|CSEL|CVT|M(AX|IN))|[SU]CVTF|DUP|INS|(LDR_STR|LDP_STP)_simd)/,
  ),
  // MSR FPCR, MSR FPSR
  rare: [0xd51b_4400, 0xd51b_4420],
  vector: (random) => {
    const [low, high] = [0, 0].map(() => (random.below(2000) - 1000) / random.pick([1, 8, 7]));
    const values =
      random.below(2) === 0 ? Float64Array.of(low!, high!) : Float32Array.of(low!, high!, 0, low!);
    const [first, second] = new BigUint64Array(values.buffer);
    return first! | (second! << 64n);
  },
  fpsr: (random) => random.pick([0, 0x10]),
};

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

function wordAt(random: Random, at: number, { frequent, rare }: Flavour): number {
  if (rare.length > 0 && random.below(40) === 0) return random.pick(rare) + random.below(32);
  const kind = random.below(10);
  if (kind < 2) return branchWord(random, at);
  const row = kind < 7 ? random.pick(frequent) : random.pick(INSNS);
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

describe('compiled code does what the interpreter does', () => {
  test.each([
    { seed: 1, kind: 'random', flavour: GENERAL },
    { seed: 2, kind: 'random', flavour: GENERAL },
    { seed: 3, kind: 'random', flavour: GENERAL },
    { seed: 4, kind: 'random', flavour: GENERAL },
    { seed: 7, kind: 'flag-setting', flavour: FLAGS },
    { seed: 5, kind: 'floating-point', flavour: FLOAT },
    { seed: 6, kind: 'floating-point', flavour: FLOAT },
  ])('with $kind programs (seed $seed)', { timeout: 60_000 }, ({ seed, flavour }) => {
    const random = new Random(seed);
    const leaves = new Set<number>();
    for (const machine of machines) machine.reset();
    for (let run = 0; run < RUNS; run++) {
      const code = Array.from({ length: WORDS }, (_, at) => wordAt(random, at, flavour));
      const start = Array.from({ length: 32 }, () => addressOf(random));
      const vectors = Array.from({ length: 32 }, () => flavour.vector(random));
      const fpsr = flavour.fpsr(random);
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
        vcpu.set32(FPSR, fpsr);
        machine.setSp(start[31]! & ~15n);
        for (const [n, value] of vectors.entries()) machine.setV(n, value);
      }
      let pc = BigInt(CODE);
      for (let n = 0; n < 20; n++) {
        const [expected, ...outcomes] = machines.map((machine) => machine.run(pc, 300)) as [
          ReturnType<FlatMachine['run']>,
          ...ReturnType<FlatMachine['run']>[],
        ];
        // A program that writes over itself, and sends no IC, may run either way.
        if (machines.some((machine) => changedCode(machine, code))) break;
        const { syndrome, far, ...rest } = expected;
        for (const [i, other] of others.entries()) {
          const where = `tier ${TIERS[i + 1]}, run ${run}.${n} from ${pc.toString(16)}`;
          expect(outcomes[i], where).toMatchObject(
            expected.leave === LEAVE_EXCEPTION ? { ...rest, syndrome, far } : rest,
          );
          expect(stateOf(other), where).toEqual(stateOf(reference));
          if (expected.leave === LEAVE_BUDGET) expect(other.nzcv, where).toBe(reference.nzcv);
          // Elsewhere flags that the program overwrites before it reads them may be old: not for one that goes on anywhere.
          other.takeFlags(reference);
        }
        leaves.add(expected.leave);
        const inside =
          expected.pc >= BigInt(CODE) && expected.pc < BigInt(CODE + 4 * WORDS) && (expected.pc & 3n) === 0n;
        pc = inside && random.below(3) > 0 ? expected.pc + 4n : BigInt(CODE + 4 * random.below(WORDS));
      }
    }
    expect(leaves.size).toBeGreaterThan(2);
  });
});
