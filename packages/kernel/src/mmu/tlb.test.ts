import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '@vkvm/uapi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CODE, FlatMachine, RAM, RAM_AT, RAM_SIZE } from '../../test/flat-machine.ts';
import {
  AF,
  BLOCK,
  DEVICE,
  IPS_40,
  MAIR,
  NON_GLOBAL,
  PAGE,
  PageTables,
  READ_ONLY,
  TG0,
  USER,
  setRegime,
  t0sz,
} from '../../test/page-tables.ts';
import { LEAVE_EXCEPTION, LEAVE_NO_SYNDROME } from '../interp/leave.ts';
import {
  FILL_LOG_CAPACITY,
  FILL_LOG_GLOBAL,
  FILL_LOG_NON_GLOBAL,
  SYNDROME,
  TCR_EL1,
  TLB,
  TLB_TABLE_SIZE,
  TTBR0_EL1,
} from '../state/vcpu-state.ts';
import { MEMSLOTS, MEMSLOT_DIRTY_BITMAP } from '../state/vm-state.ts';
import { HIT_LIMIT, TLB_TABLES } from './tlb.ts';

const machine = new FlatMachine();
const { engine, vcpu, words } = machine;
let guest = machine.load('memory');
let tables = new PageTables(machine);

const SLOTS = TLB_TABLE_SIZE / 8;
const PAGE_SIZE = 0x1000;
const MIB = 0x10_0000;
const EC_SVC = 0x15n;

/** Tables by number: what for, at which level. */
const EL0_WRITE = 1;
const EL1_READ = 2;
const EL1_WRITE = 3;

/** Where a bitmap of dirty pages lies, in memory that nothing else uses. */
const BITMAP = 0x18_0000;

/** Pages with known contents, and an address that no other test object uses. */
const FIRST = RAM + 0x10_0000;
const SECOND = RAM + 0x30_0000;
const VA = 0x0000_7654_3210_0000n;

beforeEach(() => {
  machine.reset();
  words.u8.fill(0, BITMAP, BITMAP + PAGE_SIZE);
  guest = machine.load('memory');
  tables = new PageTables(machine);
  tables.mapCode(CODE);
  for (const base of [FIRST, SECOND]) {
    for (let page = 0; page < 0x20_0000; page += PAGE_SIZE) {
      machine.write64(base + page, base + page);
    }
  }
  tables.use();
});

/** Runs one instruction of the guest at `x1`. @returns x0, or `undefined` if it did not get to the SVC */
function access(label: string, va: bigint): bigint | undefined {
  machine.setX(1, va);
  machine.run(CODE + guest.at(label));
  return vcpu.get64(SYNDROME) >> 26n === EC_SVC ? machine.x(0) : undefined;
}
const read = (va: bigint): bigint | undefined => access('ldr', va);

/** Address of a TLB entry. */
const entryOf = (table: number, slot: number): number => vcpu.base + TLB + table * TLB_TABLE_SIZE + 8 * slot;
const slotOf = (va: bigint): number => Number((va >> 12n) & 0xf_ffffn);

/** Where an address of the slot would be in process memory, but for its upper half. */
const hostPageOf = (table: number, slot: number): number =>
  (words.get32(entryOf(table, slot)) + (slot << 12)) >>> 0;
const isEmpty = (table: number, va: bigint): boolean => hostPageOf(table, slotOf(va)) === HIT_LIMIT;

describe('an empty entry', () => {
  test('brings every address of its slot to the page that never hits', () => {
    let others = 0;
    engine.format();
    for (let table = 0; table < TLB_TABLES; table++) {
      for (let slot = 0; slot < SLOTS; slot++) if (hostPageOf(table, slot) !== HIT_LIMIT) others += 1;
    }
    expect(others).toBe(0);
  });

  test('is what every flush leaves', () => {
    tables.map(VA, FIRST);
    for (const flush of [
      () => engine.flushTlb(),
      () => engine.flushTlbVa(VA),
      () => machine.setSysreg(TCR_EL1, vcpu.get64(TCR_EL1) ^ (1n << 37n)),
    ]) {
      read(VA);
      expect(isEmpty(EL1_READ, VA)).toBe(false);
      flush();
      expect(isEmpty(EL1_READ, VA)).toBe(true);
    }
  });

  test.each([
    'ldrb',
    'ldrh',
    'ldr_w',
    'ldr',
    'ldp',
    'ldr_q',
    'ldp_q',
    'strb',
    'strh',
    'str',
    'stp',
    'str_q',
    'stp_q',
    'ldxr',
    'ldadd',
    'zva',
  ])('lets %s reach no process memory, whatever the upper half of the address', (label) => {
    const before = words.u8.slice(0, PAGE_SIZE);
    const last = words.memory.buffer.byteLength - PAGE_SIZE;
    const beforeLast = words.u8.slice(last);
    const property = fc.property(
      fc.oneof(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        // All halves near those that would bring an address to 0 if the entry's upper half had a pattern.
        fc.constantFrom(0x5a5a_5a5a, 0x5a5a_5a5b, 0xa5a5_a5a5, 0xffff_ffff, 0xffff_fffe, 0x1_0000, 1),
      ),
      fc.integer({ min: 0, max: SLOTS - 1 }),
      fc.integer({ min: 0, max: 63 }).map((n) => 64 * n),
      (high, slot, offset) => {
        const va = (BigInt(high) << 32n) | BigInt(slot * PAGE_SIZE + offset);
        fc.pre(!(va >= BigInt(CODE) && va < BigInt(CODE + PAGE_SIZE)));
        expect(access(label, va)).toBeUndefined();
      },
    );
    fc.assert(property, { numRuns: 200, seed: 1 });
    expect(words.u8.subarray(0, PAGE_SIZE)).toEqual(before);
    expect(words.u8.subarray(last)).toEqual(beforeLast);
  });
});

describe('an entry', () => {
  test('serves until TLBI by VA, and then the new mapping does', () => {
    tables.map(VA, FIRST);
    expect(read(VA)).toBe(BigInt(FIRST));
    tables.map(VA, SECOND);
    expect(read(VA)).toBe(BigInt(FIRST));
    engine.flushTlbVa(VA + 0xff8n);
    expect(read(VA)).toBe(BigInt(SECOND));
  });

  test('stays when TLBI names another page', () => {
    tables.map(VA, FIRST);
    read(VA);
    engine.flushTlbVa(VA + BigInt(PAGE_SIZE));
    expect(isEmpty(EL1_READ, VA)).toBe(false);
  });

  test('of one address is not one of another that has the same slot', () => {
    const other = VA + (1n << 32n);
    tables.map(VA, FIRST);
    tables.map(other, SECOND);
    expect(read(VA)).toBe(BigInt(FIRST));
    expect(read(other)).toBe(BigInt(SECOND));
    expect(read(VA)).toBe(BigInt(FIRST));
    expect(read(VA + (2n << 32n))).toBeUndefined();
    expect(read(VA - (1n << 32n))).toBeUndefined();
  });

  test('of EL1 is not one of EL0, and LDTR takes that of EL0', () => {
    tables.map(VA, FIRST);
    read(VA);
    expect(access('ldtr', VA)).toBeUndefined();
    machine.setEl(0);
    expect(read(VA)).toBeUndefined();
    machine.setEl(1);
    expect(read(VA)).toBe(BigInt(FIRST));
  });

  test('for reading does not let a write through', () => {
    tables.map(VA, FIRST, READ_ONLY);
    read(VA);
    expect(access('str', VA)).toBeUndefined();
    expect(machine.read64(FIRST)).toBe(BigInt(FIRST));
    expect(isEmpty(EL1_WRITE, VA)).toBe(true);
  });

  test('for writing at EL0 is none at EL1 and the reverse', () => {
    tables.map(VA, FIRST, USER);
    access('sttr', VA);
    expect([EL0_WRITE, EL1_WRITE].map((table) => isEmpty(table, VA))).toEqual([false, true]);
    access('str', VA);
    expect(isEmpty(EL1_WRITE, VA)).toBe(false);
  });

  test('goes with the MMU', () => {
    tables.map(BigInt(FIRST), SECOND);
    expect(read(BigInt(FIRST))).toBe(BigInt(SECOND));
    machine.setSctlr(0n);
    expect(read(BigInt(FIRST))).toBe(BigInt(FIRST));
    machine.setSctlr(1n);
    expect(read(BigInt(FIRST))).toBe(BigInt(SECOND));
  });

  test('does not exist for Device memory, but where all memory is', () => {
    tables.map(VA, FIRST, DEVICE);
    read(VA);
    access('str', VA);
    expect([EL1_READ, EL1_WRITE].map((table) => isEmpty(table, VA))).toEqual([true, true]);
    tables.map(VA, FIRST);
    tables.use(2n); // SCTLR_EL1.A
    read(VA);
    expect(isEmpty(EL1_READ, VA)).toBe(false);
    machine.setSctlr(0n);
    read(BigInt(FIRST));
    expect(isEmpty(EL1_READ, BigInt(FIRST))).toBe(false);
  });
});

describe('a change of address space', () => {
  const otherAsid = (): void => machine.setSysreg(TTBR0_EL1, vcpu.get64(TTBR0_EL1) ^ (5n << 48n));

  test('drops what is not global', () => {
    tables.map(VA, FIRST, NON_GLOBAL);
    read(VA);
    tables.map(VA, SECOND, NON_GLOBAL);
    otherAsid();
    expect(read(VA)).toBe(BigInt(SECOND));
  });

  test('keeps what is global', () => {
    tables.map(VA, FIRST);
    read(VA);
    tables.map(VA, SECOND);
    otherAsid();
    expect(read(VA)).toBe(BigInt(FIRST));
  });

  test('drops an entry that replaced a global one of the same slot', () => {
    tables.map(VA, FIRST);
    tables.map(VA + (1n << 32n), SECOND, NON_GLOBAL);
    read(VA);
    read(VA + (1n << 32n));
    otherAsid();
    expect(isEmpty(EL1_READ, VA)).toBe(true);
    expect(read(VA)).toBe(BigInt(FIRST));
  });

  test('is what TLBI by ASID does', () => {
    tables.map(VA, FIRST, NON_GLOBAL);
    tables.map(VA + 0x1000n, FIRST + PAGE_SIZE);
    read(VA);
    read(VA + 0x1000n);
    engine.flushTlbNonGlobal();
    expect([VA, VA + 0x1000n].map((va) => isEmpty(EL1_READ, va))).toEqual([true, false]);
  });

  test('reaches code, too', () => {
    const code = VA + BigInt(guest.at('ldr'));
    tables.map(VA, CODE, NON_GLOBAL | READ_ONLY);
    machine.setX(1, FIRST);
    machine.run(code);
    expect(vcpu.get64(SYNDROME) >> 26n).not.toBe(0x21n);
    tables.map(VA, CODE, NON_GLOBAL | READ_ONLY | (1n << 53n)); // PXN
    otherAsid();
    machine.run(code);
    expect(vcpu.get64(SYNDROME) >> 26n).toBe(0x21n);
  });
});

describe('one TLBI by VA', () => {
  /** Reads two pages, changes the one descriptor of both, flushes at a third address. */
  function changeUnder(
    pages: readonly bigint[],
    change: () => void,
    flushed: bigint,
  ): (bigint | undefined)[] {
    for (const va of pages) expect(read(va)).toBeDefined();
    change();
    engine.flushTlbVa(flushed);
    return pages.map(read);
  }

  test('drops all pages of a 2 MiB block', () => {
    tables.map(VA, FIRST - 0x10_0000, 0n, 2);
    const va = VA & ~0x1f_ffffn;
    const pages = [0x10_0000n, 0x10_3000n, 0x1f_f000n].map((offset) => va + offset);
    const before = [...pages];
    expect(before.map(read)).toEqual([FIRST, FIRST + 0x3000, FIRST + 0xf_f000].map(BigInt));
    const change = (): void => tables.map(VA, SECOND - 0x10_0000, 0n, 2);
    expect(changeUnder(pages, change, va)).toEqual([SECOND, SECOND + 0x3000, SECOND + 0xf_f000].map(BigInt));
  });

  test('drops all pages of a 1 GiB block, wherever in it the TLBI and the accesses are', () => {
    const va = VA & ~0x3fff_ffffn;
    tables.map(va, RAM, 0n, 1);
    const pages = [BigInt(FIRST - RAM), BigInt(SECOND - RAM)].map((offset) => va + offset);
    for (const flushed of [va, va + 0x3fff_f000n, va + BigInt(FIRST - RAM)]) {
      tables.map(va, RAM, 0n, 1);
      const change = (): void => machine.write64(tables.entry(va, 1), 0n);
      expect(changeUnder(pages, change, flushed)).toEqual([undefined, undefined]);
    }
  });

  test.each([
    [14, 25],
    [16, 29],
  ] as const)('drops all of a block of the 2^%i granule, which has 2^%i bytes', (granule, size) => {
    // The block at level 2 is entry 0 of the first table; the next entry is a block, too, and stays.
    const table = RAM + 8 * MIB;
    const start = (RAM >>> size) * 2 ** size;
    const map = (index: number, attributes: bigint): void =>
      machine.write64(table + 8 * index, BigInt(start) | AF | BLOCK | attributes);
    map(0, USER | READ_ONLY);
    map(1, 0n);
    const TCR = t0sz(30) | TG0[granule] | IPS_40;
    setRegime(machine, { SCTLR: 1n, TCR, TTBR0: BigInt(table), TTBR1: 0n, MAIR });
    const readAt = (block: number, gpa: number): bigint | undefined => {
      machine.setX(1, block * 2 ** size + (gpa - start));
      machine.run(CODE - start + guest.at('ldr'));
      return vcpu.get64(SYNDROME) >> 26n === EC_SVC ? machine.x(0) : undefined;
    };
    expect([FIRST, SECOND].map((gpa) => readAt(1, gpa))).toEqual([FIRST, SECOND].map(BigInt));
    machine.write64(table + 8, 0n);
    engine.flushTlbVa(BigInt(2 * 2 ** size - PAGE_SIZE));
    expect([FIRST, SECOND].map((gpa) => readAt(1, gpa))).toEqual([undefined, undefined]);
    expect(readAt(0, FIRST)).toBe(BigInt(FIRST));
  });

  test.each([
    [14, 0x4000],
    [16, 0x1_0000],
  ] as const)('drops all of a page of 2^%i bytes', (granule, size) => {
    // One table of level 3, which is the first one: its index is bits 24 and below.
    const table = RAM + 8 * MIB;
    const map = (va: number, pa: number): void =>
      machine.write64(table + 8 * (va >>> granule), BigInt(pa) | AF | PAGE | USER | READ_ONLY);
    map(0, CODE);
    map(size, FIRST);
    const TCR = t0sz(39) | TG0[granule] | IPS_40;
    setRegime(machine, { SCTLR: 1n, TCR, TTBR0: BigInt(table), TTBR1: 0n, MAIR });
    const readAt = (va: number): bigint | undefined => {
      machine.setX(1, va);
      machine.run(guest.at('ldr'));
      return vcpu.get64(SYNDROME) >> 26n === EC_SVC ? machine.x(0) : undefined;
    };
    expect([size, size + 0x1000].map(readAt)).toEqual([FIRST, FIRST + 0x1000].map(BigInt));
    map(size, SECOND);
    engine.flushTlbVa(BigInt(size));
    expect([size, size + 0x1000].map(readAt)).toEqual([SECOND, SECOND + 0x1000].map(BigInt));
  });

  test('drops a block that is split into pages', () => {
    const va = VA & ~0x1f_ffffn;
    tables.map(va, FIRST, 0n, 2);
    const pages = [va + 0x1000n, va + 0x8000n];
    const base = FIRST & ~0x1f_ffff;
    machine.write64(tables.entry(va, 2), BigInt(base) | AF | BLOCK);
    pages.forEach(read);
    machine.write64(tables.entry(va, 2), 0n);
    engine.flushTlbVa(va);
    for (const page of pages) tables.map(page, SECOND + Number(page - va));
    expect(pages.map(read)).toEqual([SECOND + 0x1000, SECOND + 0x8000].map(BigInt));
  });

  test('drops code that was only executed, of all pages of a block', () => {
    // Two pages of one block hold SVC; the guest has never read them.
    const va = VA & ~0x1f_ffffn;
    tables.map(va, RAM, READ_ONLY, 2);
    for (const page of [4, 5]) machine.place(RAM + page * PAGE_SIZE, [0xd400_0021]);
    const run = (page: number): bigint => machine.run(va + BigInt(page * PAGE_SIZE)).syndrome >> 26n;
    expect([4, 5].map(run)).toEqual([EC_SVC, EC_SVC]);
    machine.write64(tables.entry(va, 2), 0n);
    engine.flushTlbVa(va);
    expect([4, 5].map(run)).toEqual([0x21n, 0x21n]);
  });

  test('drops code of the page it names', () => {
    const va = VA + BigInt(guest.at('ldr'));
    tables.map(VA, CODE, READ_ONLY);
    machine.setX(1, FIRST);
    machine.run(va);
    tables.map(VA, CODE, READ_ONLY | (1n << 53n));
    engine.flushTlbVa(VA);
    expect(machine.run(va).syndrome >> 26n).toBe(0x21n);
  });
});

describe('the log of fills', () => {
  const readPages = (count: number): void => {
    machine.setX(1, VA & ~0x3fff_ffffn);
    machine.setX(2, count);
    expect(machine.run(CODE + guest.at('walk_pages'), 10_000_000).leave).toBe(LEAVE_EXCEPTION);
    expect(machine.x(2)).toBe(0n);
  };

  // 17 copies of RAM, so that there are more pages than the log holds.
  const manyPages = (attributes: bigint): void => {
    const copies = 17;
    machine.setMemslots(
      Array.from({ length: copies }, (_, i) => ({ gpa: RAM + i * RAM_SIZE, length: RAM_SIZE, user: RAM_AT })),
    );
    // What may not be written to lies in no window.
    tables.map(VA & ~0x3fff_ffffn, RAM, attributes | READ_ONLY, 1);
  };

  test.each([
    ['global', 0n, FILL_LOG_GLOBAL],
    ['non-global', NON_GLOBAL, FILL_LOG_NON_GLOBAL],
  ])('that is full of %s entries stops filling, not reading', (_, attributes, log) => {
    manyPages(attributes);
    readPages(FILL_LOG_CAPACITY + 1000);
    expect(vcpu.get32(log)).toBeGreaterThan(FILL_LOG_CAPACITY - 2);
    expect(vcpu.get32(log)).toBeLessThanOrEqual(FILL_LOG_CAPACITY);
    expect(words.get32(vcpu.base + log + 4 + 4 * FILL_LOG_CAPACITY)).not.toBe(0xffff_ffff);
  });

  test('names every entry, so that a flush empties all of them', () => {
    manyPages(0n);
    readPages(FILL_LOG_CAPACITY + 1000);
    engine.flushTlb();
    let left = 0;
    for (let slot = 0; slot < SLOTS; slot++) if (hostPageOf(EL1_READ, slot) !== HIT_LIMIT) left += 1;
    expect(left).toBe(0);
  });

  test('that is nearly full is emptied before guest code is entered again', () => {
    manyPages(0n);
    readPages(FILL_LOG_CAPACITY + 1000);
    read(VA & ~0x3fff_ffffn);
    expect(vcpu.get32(FILL_LOG_GLOBAL)).toBeLessThan(10);
  });
});

describe('a memslot', () => {
  test('that is read-only never has an entry for writing', () => {
    machine.setMemslots([
      { gpa: RAM, length: 2 * MIB, user: RAM_AT, flags: KVM_MEM_READONLY },
      { gpa: RAM + 2 * MIB, length: RAM_SIZE - 2 * MIB, user: RAM_AT + 2 * MIB },
    ]);
    tables.map(VA, FIRST);
    for (const label of ['str', 'stp', 'str_q', 'ldxr', 'ldadd', 'ldr']) access(label, VA);
    expect([EL1_READ, EL1_WRITE].map((table) => isEmpty(table, VA))).toEqual([false, true]);
  });

  test('that is logged takes the store, notes the page, and then has an entry for writing', () => {
    machine.setMemslots([{ gpa: RAM, length: RAM_SIZE, user: RAM_AT, flags: KVM_MEM_LOG_DIRTY_PAGES }]);
    machine.vm.set32(MEMSLOTS + MEMSLOT_DIRTY_BITMAP, BITMAP);
    tables.map(VA, FIRST);
    machine.setX(0, 77);
    expect(access('str', VA)).toBeDefined();
    expect(machine.read64(FIRST)).toBe(77n);
    const page = (FIRST - RAM) / 4096;
    expect(words.u8[BITMAP + (page >>> 3)]).toBe(1 << (page & 7));
    expect(isEmpty(EL1_WRITE, VA)).toBe(false);
  });

  test('that is logged notes nothing of a read, nor of AT', () => {
    machine.setMemslots([{ gpa: RAM, length: RAM_SIZE, user: RAM_AT, flags: KVM_MEM_LOG_DIRTY_PAGES }]);
    machine.vm.set32(MEMSLOTS + MEMSLOT_DIRTY_BITMAP, BITMAP);
    tables.map(VA, FIRST);
    read(VA);
    engine.translate(VA, 'write');
    expect(isEmpty(EL1_WRITE, VA)).toBe(true);
    expect(words.u8.subarray(BITMAP, BITMAP + 0x200).every((byte) => byte === 0)).toBe(true);
  });

  test('that is read-only makes a store a device access, each time', () => {
    machine.setMemslots([
      { gpa: RAM, length: 2 * MIB, user: RAM_AT, flags: KVM_MEM_READONLY },
      { gpa: RAM + 2 * MIB, length: RAM_SIZE - 2 * MIB, user: RAM_AT + 2 * MIB },
    ]);
    tables.map(VA, FIRST);
    let stores = 0;
    machine.script.mmioWrite = () => ((stores += 1), 0);
    for (let i = 0; i < 3; i++) {
      read(VA);
      access('str', VA);
    }
    expect(stores).toBe(3);
    expect(machine.read64(FIRST)).toBe(BigInt(FIRST));
    machine.setX(1, VA);
    expect(machine.run(CODE + guest.at('stp')).leave).toBe(LEAVE_NO_SYNDROME);
  });
});
