import fc from 'fast-check';
import { assert, expect, test } from 'vitest';
import { CODE, FlatMachine, RAM, RAM_SIZE } from '../../test/flat-machine.ts';
import {
  NON_GLOBAL,
  PXN,
  PageTables,
  READ_ONLY,
  TABLES,
  TABLES_SIZE,
  USER,
  UXN,
} from '../../test/page-tables.ts';
import { referenceWalk, type WalkAccess } from '../../test/reference-walk.ts';
import { MAIR_EL1, SCTLR_EL1, SYNDROME, TCR_EL1, TTBR0_EL1, TTBR1_EL1 } from '../state/vcpu-state.ts';

/*
 * A guest that changes its tables and invalidates as Arm demands, and no more, never sees an old mapping: whatever the
 * order of accesses, code, changes of descriptors, TLBI by VA and ASID switches, each access meets what the reference
 * walk finds in the tables as they are.
 */

const machine = new FlatMachine();
const { vcpu, engine } = machine;
const guest = machine.load('memory');

const PAGE = 0x1000;
/** Data pages, two blocks of 2 MiB: each begins with `SVC #number`, and has its number at 8. */
const DATA = RAM + 0x20_0000;
const DATA_PAGES = 1024;
const SVC = 0xd400_0001;
const EC_SVC = 0x15n;

/** Addresses that share TLB slots, gibibytes, or neither; as offsets of a gibibyte they all are in the data. */
const BASES = [
  0x0000_0012_0020_0000n,
  0x0000_0013_0020_0000n,
  0x0000_0012_0040_0000n,
  0xffff_0012_0020_0000n,
  0xffff_8000_0040_0000n,
];
const OFFSETS = [0n, 0x1000n, 0x2000n, 0x1f_f000n];
const ATTRIBUTES = [0n, USER, READ_ONLY, READ_ONLY | USER, READ_ONLY | PXN, READ_ONLY | UXN | USER];

const anyAddress = fc
  .tuple(fc.constantFrom(...BASES), fc.constantFrom(...OFFSETS))
  .map(([base, offset]) => base + offset);

const anyOp = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom('ldr', 'str', 'jump'),
      va: anyAddress,
      el: fc.constantFrom(0, 1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('map'),
      va: anyAddress,
      level: fc.constantFrom(1, 2, 3, 3),
      page: fc.nat({ max: DATA_PAGES - 1 }),
      attributes: fc.constantFrom(...ATTRIBUTES),
      present: fc.boolean(),
      other: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('switch') }) },
);

type Op =
  | { readonly op: 'ldr' | 'str' | 'jump'; readonly va: bigint; readonly el: 0 | 1 }
  | {
      readonly op: 'map';
      readonly va: bigint;
      readonly level: 1 | 2 | 3;
      readonly page: number;
      readonly attributes: bigint;
      readonly present: boolean;
      readonly other: boolean;
    }
  | { readonly op: 'switch' };

const readDescriptor = (address: bigint): bigint | undefined => {
  const gpa = Number(address);
  return gpa >= RAM && gpa < RAM + RAM_SIZE ? machine.read64(gpa) : undefined;
};

function expected(access: WalkAccess): ReturnType<typeof referenceWalk> {
  const registers = {
    SCTLR: vcpu.get64(SCTLR_EL1),
    TCR: vcpu.get64(TCR_EL1),
    TTBR0: vcpu.get64(TTBR0_EL1),
    TTBR1: vcpu.get64(TTBR1_EL1),
    MAIR: vcpu.get64(MAIR_EL1),
  };
  return referenceWalk(access, registers, readDescriptor);
}

class Guest {
  readonly #spaces: readonly [PageTables, PageTables];
  #current: 0 | 1 = 0;
  #stored = 1;

  constructor() {
    machine.ram(TABLES, 2 * TABLES_SIZE).fill(0);
    this.#spaces = [new PageTables(machine), new PageTables(machine, TABLES + TABLES_SIZE)];
    for (const space of this.#spaces) space.map(BigInt(CODE), CODE, READ_ONLY | USER | NON_GLOBAL);
    for (let page = 0; page < DATA_PAGES; page++) {
      machine.words.set32(machine.userOf(DATA + page * PAGE), SVC | (page << 5));
      machine.write64(DATA + page * PAGE + 8, page);
    }
    this.#spaces[0].use();
    engine.flushTlb();
    engine.flushCode();
  }

  do(op: Op): void {
    if (op.op === 'map') this.#map(op);
    else if (op.op === 'switch') this.#switch();
    else this.#access(op.op, op.va, op.el);
  }

  #switch(): void {
    this.#current = this.#current === 0 ? 1 : 0;
    const root = BigInt(this.#spaces[this.#current].roots[0]);
    machine.setSysreg(TTBR0_EL1, root | (BigInt(this.#current + 1) << 48n));
  }

  #map({ va, level, page, attributes, present, other }: Extract<Op, { op: 'map' }>): void {
    const upper = (va >> 55n) & 1n;
    const space = this.#spaces[upper ? 0 : other ? 1 - this.#current : this.#current]!;
    const entry = space.entry(va, level);
    const wasTable = level < 3 && (machine.read64(entry) & 3n) === 3n;
    const size = level === 3 ? PAGE : level === 2 ? 0x20_0000 : 0x4000_0000;
    const pa = (DATA + page * PAGE) & ~(size - 1);
    if (present) space.map(va & ~BigInt(size - 1), pa, attributes | (upper ? 0n : NON_GLOBAL), level);
    else machine.write64(entry, 0n);
    // A table that goes takes many mappings along; everything else is one.
    if (wasTable) engine.flushTlb();
    else engine.flushTlbVa(va);
  }

  #access(op: 'ldr' | 'str' | 'jump', va: bigint, el: 0 | 1): void {
    const at = op === 'jump' ? va : va + (op === 'ldr' ? 8n : 16n);
    const kind = ({ ldr: 'read', str: 'write', jump: 'fetch' } as const)[op];
    const result = expected({ va: at, kind, user: el === 0 });
    machine.setEl(el);
    machine.setX(1, at);
    this.#stored += 1;
    machine.setX(0, this.#stored);
    const { syndrome } = machine.run(CODE + guest.at(op));
    const seen = `${op} at EL${el}, ${va.toString(16)}`;
    if ('status' in result) {
      assert.equal(syndrome >> 26n, (op === 'jump' ? 0x20n : 0x24n) + BigInt(el), seen);
      assert.equal(Number(syndrome & 0x3fn), result.status, seen);
      return;
    }
    const pa = Number(result.pa);
    if (op === 'str') {
      assert.equal(syndrome >> 26n, EC_SVC, seen);
      assert.equal(machine.read64(pa), BigInt(this.#stored), seen);
    } else if (op === 'ldr') {
      assert.equal(machine.x(0), machine.read64(pa), seen);
    } else {
      assert.equal(vcpu.get64(SYNDROME) & 0xffffn, BigInt((pa - DATA) / PAGE), seen);
    }
  }
}

test('accesses meet the tables as they are, with one TLBI for each descriptor changed', () => {
  machine.reset();
  machine.load('memory');
  const property = fc.property(fc.array(anyOp, { minLength: 20, maxLength: 60 }), (ops) => {
    const subject = new Guest();
    for (const op of ops) subject.do(op as Op);
  });
  expect(() => fc.assert(property, { numRuns: 500, seed: 7 })).not.toThrow();
});
