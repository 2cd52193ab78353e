import { describe, expect, test } from 'vitest';
import { Random } from '../../test/cpu-state.ts';
import { FlatMachine, NOWHERE, RAM, RAM_SIZE } from '../../test/flat-machine.ts';
import { DEVICE, PageTables, READ_ONLY, TABLES, TABLES_SIZE, TBI0, USER } from '../../test/page-tables.ts';
import { INSNS } from '../a64/table.ts';
import { EL, POOL_SIZE, SCRATCH, SYNDROME, vcpuBlockSize } from '../state/vcpu-state.ts';
import { LEAVE_EXCEPTION } from '../interp/leave.ts';

/*
 * Whatever a guest executes, the engine neither throws nor touches memory that is not the guest's. Instructions are
 * random within the fixed bits of the rows; registers point at memory, devices, page ends and nowhere.
 */

const WORDS = 256;
const CODE = RAM + 0x8_0000;
/** The last word of each piece of code: back to its start, so that the budget ends it. */
const BACK = (0x1400_0000 | ((-(WORDS - 1) >>> 0) & 0x3ff_ffff)) >>> 0;

const interpreted = new FlatMachine();
const compiled = new FlatMachine(false, 'all');

/** Everything outside of RAM and of the vCPU's block. */
const elsewhere = (machine: FlatMachine): Uint8Array[] => [
  machine.words.u8.slice(0, machine.vcpu.base),
  machine.words.u8.slice(machine.vcpu.base + vcpuBlockSize(POOL_SIZE), machine.userOf(RAM)),
  machine.words.u8.slice(machine.userOf(RAM) + RAM_SIZE),
];

const wordOf = (random: Random): number => {
  const row = random.pick(INSNS);
  return (row.value | (random.next() & ~row.mask)) >>> 0;
};

const LOW = 0x0000_0012_3450_0000n;
/** Of 1 GiB. */
const WHOLE = 0xffff_8000_4000_0000n;

/** Pages of several kinds, next to each other; and all of RAM, as a guest with a window maps it. */
function mapSome(machine: FlatMachine): PageTables {
  machine.ram(TABLES, TABLES_SIZE).fill(0); // the guest may have changed them
  const tables = new PageTables(machine);
  const kinds = [0n, USER, READ_ONLY, USER | READ_ONLY, DEVICE, USER];
  for (const [i, kind] of kinds.entries())
    tables.map(LOW + BigInt(0x1000 * i), RAM + 0x10_0000 + 0x1000 * i, kind);
  tables.map(LOW + 0x6000n, NOWHERE, DEVICE | USER);
  tables.map(LOW + 0x7000n, RAM + 0x20_0000, USER);
  tables.map(WHOLE, RAM, 0n, 1);
  for (const page of [CODE, CODE - 0x1000, CODE + 0x1000]) tables.map(BigInt(page), page, USER | READ_ONLY);
  return tables;
}

function addressOf(random: Random): bigint {
  const page = LOW + BigInt(0x1000 * random.below(8));
  const offset = random.pick([0, 0, 8, 16, 64, 0xff0, 0xff8, 0xffc, 0xfff, random.below(0x1000)]);
  return random.pick([
    page + BigInt(offset),
    page + BigInt(offset),
    BigInt(RAM + random.below(RAM_SIZE)),
    WHOLE + BigInt(random.pick([0, RAM_SIZE]) + random.below(256) - 128),
    BigInt(random.below(0x100)),
    random.next64(),
  ]);
}

// What is compiled takes seconds on a machine that does other things, too.
describe('random code', { timeout: 30_000 }, () => {
  test.each([
    [1, interpreted, 400],
    [2, interpreted, 400],
    [3, interpreted, 400],
    [4, interpreted, 400],
    [5, compiled, 60],
    [6, compiled, 60],
  ])('stays inside of the guest (seed %i)', (seed, machine, runs) => {
    const { vcpu, engine } = machine;
    const random = new Random(seed);
    machine.reset();
    const before = elsewhere(machine);
    const leaves = new Set<number>();
    for (let run = 0; run < runs; run++) {
      const code = Array.from({ length: WORDS - 1 }, () => wordOf(random));
      machine.place(CODE, [...code, BACK]);
      const tables = mapSome(machine);
      machine.setSctlr(0n);
      engine.flushTlb();
      machine.script.sysreg = () => (random.below(8) === 0 ? 1 : 0);
      machine.script.mmioRead = () => (vcpu.set64(SCRATCH, random.next64()), random.below(4) === 0 ? 1 : 0);
      const hasWindow = machine === compiled && run % 4 !== 0;
      if (run % 4 !== 0) tables.use(random.pick([0n, 2n, 0x18n]), random.pick([0n, TBI0]));
      const el = run % 3 === 0 && !hasWindow ? 0 : 1;
      machine.setEl(el);
      for (let n = 0; n < 31; n++) machine.setX(n, addressOf(random));
      machine.setSp(hasWindow ? WHOLE + 0x1000n : addressOf(random));
      let pc = BigInt(CODE);
      for (let n = 0; n < 40; n++) {
        const { leave, pc: at } = machine.run(pc, 2000);
        leaves.add(leave);
        // Go on behind what left; where control was lost, anywhere in the code.
        const inside = at >= BigInt(CODE) && at < BigInt(CODE + 4 * WORDS) && (at & 3n) === 0n;
        pc = inside ? at + 4n : BigInt(CODE + 4 * random.below(WORDS));
        if (leave === LEAVE_EXCEPTION) expect(vcpu.get64(SYNDROME) >> 32n).toBe(0n);
      }
      expect(vcpu.get32(EL)).toBe(el);
    }
    expect(leaves.size).toBeGreaterThan(4);
    for (const [i, bytes] of elsewhere(machine).entries()) {
      expect(Buffer.compare(bytes, before[i]!), `region ${i}`).toBe(0);
    }
  });
});
