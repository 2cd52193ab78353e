import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '@vkvm/uapi';
import { beforeEach, describe, expect, test } from 'vitest';
import { CODE, FlatMachine, NOWHERE, RAM, RAM_AT, RAM_SIZE } from '../../test/flat-machine.ts';
import { DEVICE, NON_GLOBAL, PageTables, READ_ONLY, USER } from '../../test/page-tables.ts';
import { createCompiler } from '../engine/engine.ts';
import type { CompileAnswer } from '../jit/compiler.ts';
import {
  FAULT_VA,
  SYNDROME,
  WINDOW_BYTES,
  WINDOW_HOST,
  WINDOW_MISSES,
  WINDOW_SIZE,
  WINDOW_START,
} from '../state/vcpu-state.ts';
import { INSTRUCTIONS } from '../state/engine-stats.ts';
import { GUEST_VM } from '../state/vm-state.ts';
import type { CodeWindow } from './window-search.ts';

const PAGE = 0x1000;
const MIB = 0x10_0000;
const PAGES = 128;
/** `b .`: compiled before it runs, which is when a window is looked for. */
const LOOP = [0x1400_0000];
const SA = 1n << 3n;

const VA = 0xffff_8000_4020_0000n;
const DATA = RAM + 2 * MIB;

let machine = new FlatMachine(false, 'all');
let tables = new PageTables(machine);

beforeEach(() => {
  machine = new FlatMachine(false, 'all');
  machine.place(CODE, LOOP);
  tables = new PageTables(machine);
  tables.mapCode(CODE);
});

const vaOf = (page: number): bigint => VA + BigInt(page * PAGE);

function mapPages(attributes = 0n, va = VA, gpa = DATA, pages = PAGES): void {
  for (let page = 0; page < pages; page++) {
    tables.map(va + BigInt(page * PAGE), gpa + page * PAGE, attributes);
  }
}

/** The window when code has been compiled with the stack at an address, and x1 at another. */
function windowAt(va: bigint, pointer = va): ReturnType<typeof found> {
  machine.setSp(va);
  machine.setX(1, pointer);
  machine.engine.flushCodeRange(machine.userOf(CODE), 4);
  machine.run(CODE, 1);
  return found();
}

/** Runs long enough for a dropped window to be made again. */
function goOn(): ReturnType<typeof found> {
  machine.setX(1, 0n);
  machine.run(CODE, 1000);
  return found();
}

function found(): { readonly start: bigint; readonly bytes: number; readonly host: number } | undefined {
  const { vcpu } = machine;
  const bytes = vcpu.getNumber(WINDOW_BYTES);
  if (bytes === 0) return undefined;
  return { start: vcpu.get64(WINDOW_START), bytes, host: vcpu.get32(WINDOW_HOST) };
}

const hostOf = (gpa: number): number => RAM_AT + (gpa - RAM);
const WHOLE = { start: VA, bytes: PAGES * PAGE, host: hostOf(DATA) };

describe('the window', () => {
  test('is all that is mapped in one piece', () => {
    mapPages();
    tables.use();
    expect(windowAt(vaOf(5) + 0x123n)).toEqual(WHOLE);
  });

  test.each([
    ['is not mapped', (va: bigint): void => machine.write64(tables.entry(va, 3), 0n)],
    ['is read-only', (va: bigint): void => tables.map(va, DATA + 100 * PAGE, READ_ONLY)],
    ['is Device memory', (va: bigint): void => tables.map(va, DATA + 100 * PAGE, DEVICE)],
    ['lies elsewhere', (va: bigint): void => tables.map(va, DATA + 200 * PAGE)],
    ['is not memory', (va: bigint): void => tables.map(va, NOWHERE)],
    ['is not global', (va: bigint): void => tables.map(va, DATA + 100 * PAGE, NON_GLOBAL)],
  ])('ends where a page %s', (_what, change) => {
    mapPages();
    change(vaOf(100));
    tables.use();
    expect(windowAt(vaOf(99))).toEqual({ ...WHOLE, bytes: 100 * PAGE });
  });

  test('begins behind what is mapped in another way', () => {
    mapPages();
    tables.map(vaOf(30), DATA + 30 * PAGE, READ_ONLY);
    tables.use();
    expect(windowAt(vaOf(99))).toEqual({
      start: vaOf(31),
      bytes: (PAGES - 31) * PAGE,
      host: hostOf(DATA) + 31 * PAGE,
    });
  });

  test('ends with its memslot, though the mapping goes on', () => {
    machine.setMemslots([
      { gpa: RAM, length: RAM_SIZE / 2, user: RAM_AT },
      { gpa: RAM + RAM_SIZE / 2, length: RAM_SIZE / 2, user: RAM_AT + RAM_SIZE / 2 },
    ]);
    tables.map(VA & ~0x3fff_ffffn, RAM, 0n, 1);
    tables.use();
    expect(windowAt(VA)).toEqual({
      start: VA & ~0x3fff_ffffn,
      bytes: RAM_SIZE / 2,
      host: RAM_AT,
    });
  });

  test('does not go on from one memslot to another, over what is none', () => {
    const second = { gpa: RAM + RAM_SIZE / 2, length: RAM_SIZE / 4, user: RAM_AT + RAM_SIZE / 2 };
    machine.setMemslots([{ gpa: RAM, length: RAM_SIZE / 4, user: RAM_AT }, second]);
    const va = VA & ~0x3fff_ffffn;
    tables = new PageTables(machine, RAM + RAM_SIZE / 8);
    tables.mapCode(CODE);
    tables.map(va, RAM, 0n, 1);
    tables.use();
    expect(windowAt(va)).toEqual({ start: va, bytes: RAM_SIZE / 4, host: RAM_AT });
    expect(windowAt(va, va + BigInt(RAM_SIZE / 2))).toEqual({ start: va, bytes: RAM_SIZE / 4, host: RAM_AT });
  });

  test('is around the stack, or there is none', () => {
    mapPages();
    mapPages(0n, VA + 0x4000_0000n, DATA + PAGE, 2);
    tables.use();
    expect(windowAt(VA + 0x4000_0000n, VA)).toBeUndefined();
  });

  test('is not looked for around a stack that was in none, for some time', () => {
    tables.use();
    expect(windowAt(VA)).toBeUndefined();
    mapPages();
    expect(windowAt(VA)).toBeUndefined();
    machine.run(CODE, 10_000);
    expect(windowAt(VA)).toEqual(WHOLE);
  });

  test('is a memslot without the MMU', () => {
    expect(windowAt(BigInt(DATA))).toEqual({ start: BigInt(RAM), bytes: RAM_SIZE, host: RAM_AT });
  });

  test('is not worth while if it is small', () => {
    mapPages(0n, VA, DATA, 63);
    tables.use();
    expect(windowAt(VA)).toBeUndefined();
  });

  test('becomes wider when more is mapped and pointed to', () => {
    mapPages();
    tables.use();
    windowAt(VA);
    mapPages(0n, vaOf(PAGES), DATA + PAGES * PAGE, 50);
    expect(windowAt(VA, vaOf(PAGES + 20))).toEqual({ ...WHOLE, bytes: (PAGES + 50) * PAGE });
  });

  test('moves to what is larger, a few times', () => {
    const places = [0, 1, 2, 3, 4, 5].map((n) => VA + BigInt(n * 0x4000_0000));
    for (const [n, va] of places.entries()) mapPages(0n, va, DATA + n * 17 * PAGE, 100 + n);
    tables.use();
    expect(places.map((va) => windowAt(va)?.start)).toEqual([...places.slice(0, 4), places[3], places[3]]);
    expect(windowAt(places[0]!)?.start).toBe(places[3]);
  });

  test('stays when what is pointed to is smaller', () => {
    mapPages();
    mapPages(0n, VA + 0x4000_0000n, DATA + PAGE, 100);
    tables.use();
    expect(windowAt(VA)).toEqual(WHOLE);
    expect(windowAt(VA + 0x4000_0000n)).toEqual(WHOLE);
  });

  test('moves to the other exception level, if it is larger there', () => {
    mapPages(USER);
    mapPages(USER, VA + 0x4000_0000n, DATA + PAGE, PAGES + 1);
    tables.use();
    expect(windowAt(VA)).toEqual(WHOLE);
    machine.setEl(0);
    windowAt(VA + 0x4000_0000n);
    expect(machine.vcpu.getNumber(WINDOW_SIZE)).toBe((PAGES + 1) * PAGE - 63);
    machine.setEl(1);
    expect(machine.vcpu.getNumber(WINDOW_SIZE)).toBe(0);
  });

  test.each([
    ['is logged', { flags: KVM_MEM_LOG_DIRTY_PAGES }],
    ['is read-only', { flags: KVM_MEM_READONLY }],
  ])('is not there if its memslot %s', (_what, flags) => {
    machine.setMemslots([{ gpa: RAM, length: RAM_SIZE, user: RAM_AT, ...flags }]);
    expect(windowAt(BigInt(DATA))).toBeUndefined();
  });

  test('is not there if another memslot is logged, which may have the same memory', () => {
    machine.setMemslots([
      { gpa: RAM, length: RAM_SIZE, user: RAM_AT },
      { gpa: RAM + RAM_SIZE, length: PAGE, user: RAM_AT, flags: KVM_MEM_LOG_DIRTY_PAGES },
    ]);
    expect(windowAt(BigInt(DATA))).toBeUndefined();
  });

  test('is not there in a secure runtime, whose stores may be logged by its guest', () => {
    machine.vm.set32(GUEST_VM, 0x1000);
    expect(windowAt(BigInt(DATA))).toBeUndefined();
    machine.vm.set32(GUEST_VM, 0);
  });

  test('is not there while accesses by SP fault', () => {
    mapPages();
    tables.use(SA);
    expect(windowAt(VA + 8n)).toBeUndefined();
  });

  test('is looked for unnoticed', () => {
    mapPages();
    tables.use();
    const words = [SYNDROME, FAULT_VA];
    for (const word of words) machine.vcpu.set64(word, 0x1234n);
    expect(windowAt(VA)).toEqual(WHOLE);
    expect(words.map((word) => machine.vcpu.get64(word))).toEqual([0x1234n, 0x1234n]);
  });
});

describe('an access that was expected in the window', () => {
  const PROGRAM = [
    0xf940_0023, // ldr x3, [x1]
    0x8b05_0021, // add x1, x1, x5
    0xf940_0044, // ldr x4, [x2]
    0x17ff_fffd, // b ldr
  ];
  /** What code was compiled for, each time. */
  let windows: (CodeWindow | undefined)[] = [];

  beforeEach(() => {
    windows = [];
    const compile = createCompiler();
    const answers: CompileAnswer[] = [];
    machine = new FlatMachine(false, 'hot', {
      post: (request) => {
        windows.push(request.window);
        answers.push(compile(request));
      },
      take: () => answers.shift(),
    });
    tables = new PageTables(machine);
    tables.mapCode(CODE);
    machine.place(CODE, PROGRAM);
    mapPages();
    mapPages(0n, VA + 0x4000_0000n, DATA + PAGE);
    tables.use();
    machine.setSp(VA);
    machine.setX(1, VA);
    machine.setX(2, vaOf(7));
    machine.run(CODE, 1 << 20);
  });

  test('is left to the interpreter', () =>
    expect(windows).toEqual([
      { start: VA, host: hostOf(DATA), pointers: (1 << 1) | (1 << 2) | (1 << 31), mayLeave: true },
    ]));

  test('is looked for in the TLB as well when it is elsewhere too often', () => {
    machine.setX(1, VA + 0x4000_0000n);
    machine.resume(1 << 21);
    expect(windows.map((window) => window?.mayLeave)).toEqual([true, false]);
  });

  test('is left to the interpreter when that was not for long', () => {
    for (let time = 0; time < 10; time++) {
      machine.vcpu.setNumber(INSTRUCTIONS, machine.vcpu.getNumber(INSTRUCTIONS) + 2 ** 28);
      machine.vcpu.set32(WINDOW_MISSES, 2 ** 20);
      machine.resume(1 << 20);
    }
    expect(windows).toHaveLength(1);
  });

  test('has the window grow, if it can', () => {
    for (let pages = PAGES; pages < PAGES + 300; pages += 50) {
      mapPages(0n, vaOf(pages), DATA + pages * PAGE, 50);
      machine.setX(1, vaOf(pages));
      machine.resume(1 << 20);
    }
    expect(windows).toHaveLength(1);
    expect(found()).toEqual({ ...WHOLE, bytes: (PAGES + 300) * PAGE });
  });
});

describe('the window is dropped', () => {
  beforeEach(() => {
    mapPages();
    tables.use();
    windowAt(VA);
  });

  test.each([
    ['all', () => machine.engine.flushTlb()],
    ['its first page', () => machine.engine.flushTlbVa(VA)],
    ['its last page', () => machine.engine.flushTlbVa(vaOf(PAGES - 1))],
  ])('when the guest invalidates %s', (_what, invalidate) => {
    expect(found()).toEqual(WHOLE);
    invalidate();
    expect(found()).toBeUndefined();
    expect(machine.vcpu.get64(WINDOW_SIZE)).toBe(0n);
  });

  test.each([
    ['the page before it', () => machine.engine.flushTlbVa(vaOf(-1))],
    ['the page behind it', () => machine.engine.flushTlbVa(vaOf(PAGES))],
    ['a page whose address ends as one of it', () => machine.engine.flushTlbVa(VA ^ (1n << 40n))],
    ['what is not global', () => machine.engine.flushTlbNonGlobal()],
  ])('not when the guest invalidates %s', (_what, invalidate) => {
    invalidate();
    expect(found()).toEqual(WHOLE);
  });

  test('when accesses by SP begin to fault', () => {
    tables.use(SA);
    expect(windowAt(VA)).toEqual(WHOLE);
    machine.setSp(8);
    machine.run(CODE, 1);
    expect(found()).toBeUndefined();
  });

  test('and made again, as far as it is as it was', () => {
    machine.engine.flushTlb();
    expect(goOn()).toEqual(WHOLE);
    machine.write64(tables.entry(vaOf(50), 3), 0n);
    machine.engine.flushTlbVa(vaOf(50));
    expect(goOn()).toEqual({ ...WHOLE, bytes: 50 * PAGE });
  });

  test('and not made again while the stack is elsewhere', () => {
    machine.engine.flushTlb();
    machine.setSp(VA - 16n);
    expect(goOn()).toBeUndefined();
  });

  test('and not made again where something else is mapped', () => {
    mapPages(0n, VA, DATA + PAGE);
    machine.engine.flushTlb();
    expect(goOn()).toBeUndefined();
    mapPages();
    machine.engine.flushTlb();
    expect(goOn()).toBeUndefined();
  });
});

test('the window of mappings that are not global is dropped with them', () => {
  mapPages(NON_GLOBAL);
  tables.use();
  expect(windowAt(VA)).toEqual(WHOLE);
  machine.engine.flushTlbNonGlobal();
  expect(found()).toBeUndefined();
});

test('the window of blocks is dropped when a block of it is invalidated at any address', () => {
  for (const n of [0, 1]) tables.map(VA + BigInt(n * 2 * MIB), DATA + n * 2 * MIB, 0n, 2);
  tables.use();
  expect(windowAt(VA)).toEqual({ ...WHOLE, bytes: 4 * MIB });
  machine.engine.flushTlbVa(VA + BigInt(3 * MIB + PAGE));
  expect(found()).toBeUndefined();
});

test('the window of a part of a block is dropped when the block is invalidated in another part', () => {
  machine.setMemslots([
    { gpa: RAM, length: DATA + MIB - RAM, user: RAM_AT },
    { gpa: DATA + MIB, length: RAM + RAM_SIZE - DATA - MIB, user: hostOf(DATA + MIB) },
  ]);
  tables.map(VA, DATA, 0n, 2);
  tables.use();
  expect(windowAt(VA)).toEqual({ ...WHOLE, bytes: MIB });
  machine.engine.flushTlbVa(VA + BigInt(MIB + PAGE));
  expect(found()).toBeUndefined();
});

test('the window is of one exception level', () => {
  mapPages(USER);
  tables.use();
  windowAt(VA);
  const { vcpu } = machine;
  expect(vcpu.getNumber(WINDOW_SIZE)).toBe(PAGES * PAGE - 63);
  machine.setEl(0);
  expect(vcpu.getNumber(WINDOW_SIZE)).toBe(0);
  machine.setEl(1);
  expect(vcpu.getNumber(WINDOW_SIZE)).toBe(PAGES * PAGE - 63);
});
