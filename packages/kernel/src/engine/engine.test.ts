import { beforeEach, describe, expect, test } from 'vitest';
import { CODE, FlatMachine, NOWHERE, RAM, RAM_AT } from '../../test/flat-machine.ts';
import { EC } from '../a64/emitter.ts';
import {
  CPACR_EL1,
  DAIF,
  FAULT_PA,
  INTERRUPT_LINES,
  PC,
  POOL_SIZE,
  POOL_USED,
  SCRATCH,
  SCTLR_EL1,
  TCR_EL1,
} from '../state/vcpu-state.ts';
import {
  LEAVE_BUDGET,
  LEAVE_ERET,
  LEAVE_EXCEPTION,
  LEAVE_INTERRUPT,
  LEAVE_PORT,
  LEAVE_UNDEFINED,
  LEAVE_WFE,
  LEAVE_WFI,
} from '../interp/leave.ts';
import { DECODED_PAGE_SIZE } from '../interp/uop.ts';

const machine = new FlatMachine();
const { vcpu, engine } = machine;
let guest = machine.load('engine');

const PAGE = 4096;
const IL = 1n << 25n;
/** ESR of `SVC #immediate`. */
const svc = (immediate: number): bigint => (BigInt(EC.SVC64) << 26n) | IL | BigInt(immediate);
const END = { leave: LEAVE_EXCEPTION, syndrome: svc(1) };

const at = (label: string): number => CODE + guest.at(label);

const MOVZ_X0_1 = 0xd280_0020;
const ADD_X0_X0_1 = 0x9100_0400;
const SVC_1 = 0xd400_0021;
const B = 0x1400_0000;
const BL = 0x9400_0000;
/** B or BL by `bytes`. */
const branch = (opcode: number, bytes: number): number => (opcode | ((bytes >> 2) & 0x3ff_ffff)) >>> 0;

beforeEach(() => {
  machine.reset();
  guest = machine.load('engine');
});

describe('retired instructions', () => {
  test('are counted one by one in straight code', () => {
    expect(machine.run(at('straight'))).toMatchObject({ ...END, retired: 11 });
    expect(machine.x(0)).toBe(10n);
  });

  test('are the same when the code is already decoded', () => {
    machine.run(at('straight'));
    expect(machine.run(at('straight')).retired).toBe(11);
  });

  test('do not include what a branch ahead skips', () => {
    expect(machine.run(at('ahead'))).toMatchObject({ ...END, retired: 4 });
    expect(machine.x(0)).toBe(1n);
  });

  test('include a conditional branch that is not taken', () => {
    expect(machine.run(at('not_taken'))).toMatchObject({ ...END, retired: 3 });
  });

  test('include each turn of a loop', () => {
    machine.setX(0, 1000);
    expect(machine.run(at('loop'))).toMatchObject({ ...END, retired: 2001 });
  });

  test('include calls, indirect calls to another page, and returns', () => {
    machine.place(RAM + 5 * PAGE, [0xd65f_03c0]);
    machine.setX(1, RAM + 5 * PAGE);
    expect(machine.run(at('calls'))).toMatchObject({ ...END, retired: 5 });
  });

  test('include cold handlers', () => {
    expect(machine.run(at('cold'))).toMatchObject({ ...END, retired: 5 });
  });

  test('include ISB', () => {
    expect(machine.run(at('isb'))).toMatchObject({ ...END, retired: 3 });
  });

  test('include hypercalls that the port serves', () => {
    const calls: [number, number][] = [];
    machine.script.hypercall = (...call) => (calls.push(call), 0);
    expect(machine.run(at('hypercall'))).toMatchObject({ ...END, retired: 5 });
    expect(calls).toEqual([
      [0, 0x123],
      [1, 0x45],
    ]);
  });

  test('include a hypercall that leaves, with the pc after it', () => {
    machine.script.hypercall = () => 1;
    expect(machine.run(at('hypercall'))).toMatchObject({
      leave: LEAVE_PORT,
      retired: 2,
      pc: BigInt(at('hypercall') + 8),
    });
    expect(machine.resume()).toMatchObject({ leave: LEAVE_PORT, retired: 1 });
  });

  test('include a system register access that goes on, and not one that leaves', () => {
    expect(machine.run(at('system'))).toMatchObject({ ...END, retired: 4 });
    machine.script.sysreg = () => 1;
    expect(machine.run(at('system'))).toMatchObject({
      leave: LEAVE_PORT,
      retired: 1,
      pc: BigInt(at('system') + 4),
    });
  });

  test('include the SVC that raises an exception, but not BRK', () => {
    expect(machine.run(at('straight') + 40).retired).toBe(1);
    expect(machine.run(at('breakpoint'))).toMatchObject({
      leave: LEAVE_EXCEPTION,
      retired: 0,
      pc: BigInt(at('breakpoint')),
      syndrome: (BigInt(EC.BRK64) << 26n) | IL | 0x77n,
    });
  });

  test.each([
    ['wfi', LEAVE_WFI],
    ['wfe', LEAVE_WFE],
  ])('include %s, with the pc after it', (label, leave) => {
    expect(machine.run(at(label))).toMatchObject({ leave, retired: 1, pc: BigInt(at(label) + 4) });
  });

  test('do not include ERET, with the pc at it', () => {
    expect(machine.run(at('eret'))).toMatchObject({ leave: LEAVE_ERET, retired: 0, pc: BigInt(at('eret')) });
  });

  test('do not include an instruction that is not allocated', () => {
    expect(machine.run(at('unallocated'))).toMatchObject({
      leave: LEAVE_UNDEFINED,
      retired: 1,
      pc: BigInt(at('unallocated') + 4),
    });
    expect(vcpu.get32(SCRATCH)).toBe(0x123);
  });

  test('do not include an access that faults', () => {
    machine.load('memory');
    machine.setSctlr(2n); // SCTLR_EL1.A
    machine.setX(1, RAM + PAGE + 1);
    expect(machine.run(CODE + machine.load('memory').at('ldr'))).toMatchObject({
      leave: LEAVE_EXCEPTION,
      retired: 0,
    });
  });

  test('include the branch to a place that cannot be fetched', () => {
    machine.setX(1, NOWHERE);
    expect(machine.run(at('jump'))).toMatchObject({
      leave: LEAVE_EXCEPTION,
      retired: 1,
      pc: BigInt(NOWHERE),
    });
  });

  test('include the last instruction of a page before one that cannot be fetched', () => {
    const last = RAM + 0x100_0000 - 4;
    machine.place(last, [MOVZ_X0_1]);
    expect(machine.run(last)).toMatchObject({ leave: LEAVE_EXCEPTION, retired: 1, pc: BigInt(last + 4) });
    expect(machine.x(0)).toBe(1n);
  });
});

describe('straight-line execution', () => {
  test('goes on across the end of a page, which counts for nothing', () => {
    const start = RAM + 2 * PAGE - 8;
    machine.place(start, [MOVZ_X0_1, ADD_X0_X0_1, ADD_X0_X0_1, SVC_1]);
    expect(machine.run(start)).toMatchObject({ ...END, retired: 4, pc: BigInt(start + 16) });
    expect(machine.x(0)).toBe(3n);
  });

  test('goes through several whole pages', () => {
    const start = RAM + 2 * PAGE;
    machine.place(start, [MOVZ_X0_1, ...Array.from({ length: 3 * 1024 }, () => ADD_X0_X0_1), SVC_1]);
    expect(machine.run(start)).toMatchObject({ ...END, retired: 3 * 1024 + 2 });
    expect(machine.x(0)).toBe(3n * 1024n + 1n);
  });

  test.each([
    ['to the next page', 2 * PAGE - 4, 4],
    ['over a page', 2 * PAGE - 4, PAGE + 8],
    ['back over a page', 6 * PAGE, -PAGE - 4],
    ['from the first to the last word of a page', 2 * PAGE, PAGE - 4],
    ['from the last to the first word of a page', 3 * PAGE - 4, 4 - PAGE],
  ])('takes a branch %s', (_, from, distance) => {
    machine.place(RAM + from, [branch(B, distance)]);
    machine.place(RAM + from + distance, [MOVZ_X0_1, SVC_1]);
    expect(machine.run(RAM + from)).toMatchObject({ ...END, retired: 3 });
    expect(machine.x(0)).toBe(1n);
  });

  test('links the address behind a far call', () => {
    machine.place(RAM + 3 * PAGE - 4, [branch(BL, 5 * PAGE)]);
    machine.place(RAM + 8 * PAGE - 4, [SVC_1]);
    machine.run(RAM + 3 * PAGE - 4);
    expect(machine.x(30)).toBe(BigInt(RAM + 3 * PAGE));
  });

  test('keeps the flags across a cold handler', () => {
    machine.setX(0, 1);
    machine.setX(1, 2);
    machine.run(at('flags'));
    expect(machine.x(2)).toBe(1n);
  });
});

describe('the budget', () => {
  test('of nothing runs nothing', () => {
    expect(machine.run(at('straight'), 0)).toMatchObject({
      leave: LEAVE_BUDGET,
      retired: 0,
      pc: BigInt(at('straight')),
    });
  });

  test('ends an endless loop', () => {
    expect(machine.run(at('spin'), 1000)).toMatchObject({
      leave: LEAVE_BUDGET,
      retired: 1000,
      pc: BigInt(at('spin')),
    });
  });

  test('is looked at where a loop goes back, and the loop goes on from there', () => {
    machine.setX(0, 1000);
    expect(machine.run(at('loop'), 101)).toMatchObject({ leave: LEAVE_BUDGET, retired: 102 });
    expect(machine.x(0)).toBe(949n);
    expect(machine.resume(100_000)).toMatchObject({ ...END, retired: 2001 - 102 });
  });

  test('does not end straight code', () => {
    expect(machine.run(at('straight'), 1)).toMatchObject({ ...END, retired: 11 });
  });

  test('is looked at at the end of a page', () => {
    const start = RAM + 2 * PAGE - 8;
    machine.place(start, [MOVZ_X0_1, ADD_X0_X0_1, ADD_X0_X0_1, SVC_1]);
    expect(machine.run(start, 1)).toMatchObject({
      leave: LEAVE_BUDGET,
      retired: 2,
      pc: BigInt(RAM + 2 * PAGE),
    });
  });

  test('of more than an i32 holds in sixteenths is cut, not wrapped', () => {
    machine.setX(0, 10);
    expect(machine.run(at('loop'), Number.MAX_SAFE_INTEGER)).toMatchObject({ ...END, retired: 21 });
    machine.setX(0, 10);
    expect(machine.run(at('loop'), Infinity)).toMatchObject({ ...END, retired: 21 });
  });
});

describe('a compare and the branch behind it', () => {
  const start = RAM + PAGE;
  const CMP_X0_1 = 0xf100_041f;
  const SVC_2 = 0xd400_0041;
  const B_EQ_8 = 0x5400_0040;
  const B_NE_8 = 0x5400_0041;
  const code = [CMP_X0_1, B_EQ_8, SVC_2, SVC_1];
  const outcome = (x0: number): unknown => {
    machine.setX(0, x0);
    const { syndrome, retired } = machine.run(start);
    return { syndrome, retired };
  };

  test('are two instructions, whichever way they go', () => {
    machine.place(start, code);
    expect(outcome(1)).toEqual({ syndrome: svc(1), retired: 3 });
    expect(outcome(2)).toEqual({ syndrome: svc(2), retired: 3 });
  });

  test('can be entered at the branch', () => {
    machine.place(start, code);
    outcome(1); // leaves Z set
    expect(machine.run(start + 4)).toMatchObject({ syndrome: svc(1), retired: 2 });
  });

  test('are taken apart when the branch is in another line, and changes', () => {
    machine.place(start + 60, code);
    const run = (): bigint => machine.run(start + 60).syndrome;
    machine.setX(0, 1);
    expect(run()).toBe(svc(1));
    machine.words.set32(RAM_AT + PAGE + 64, B_NE_8);
    engine.flushCodeRange(RAM_AT + PAGE + 64, 64);
    expect(run()).toBe(svc(2));
  });
});

describe('the kick word of a shared memory', () => {
  const kicked = new FlatMachine(true);
  beforeEach(() => {
    kicked.reset();
    kicked.load('engine');
  });

  test('keeps guest code from being entered', () => {
    kicked.kick();
    expect(kicked.run(at('straight'))).toMatchObject({ leave: LEAVE_BUDGET, retired: 0 });
  });

  test('ends a loop within a turn, whichever bit is set', () => {
    kicked.script.sysreg = () => (kicked.kick(0x8000_0000), 0);
    kicked.place(RAM + PAGE, [0xd53b_f000, branch(B, -4)]);
    expect(kicked.run(RAM + PAGE)).toMatchObject({
      leave: LEAVE_BUDGET,
      retired: 2,
      pc: BigInt(RAM + PAGE),
    });
  });
});

describe('fetch', () => {
  test.each([1, 2, 3])('at an address with low bits %i is a PC alignment fault', (low) => {
    machine.setX(1, at('straight') + low);
    expect(machine.run(at('jump'))).toMatchObject({
      leave: LEAVE_EXCEPTION,
      retired: 1,
      pc: BigInt(at('straight') + low),
      far: BigInt(at('straight') + low),
      syndrome: (BigInt(EC.PC_ALIGNMENT) << 26n) | IL,
    });
  });

  test('at an unaligned address faults even where the page was just executed', () => {
    machine.run(at('straight'));
    expect(machine.run(at('straight') + 2)).toMatchObject({ leave: LEAVE_EXCEPTION, retired: 0 });
    expect(machine.run(at('straight')).retired).toBe(11);
  });

  test('of no memory is an external abort', () => {
    expect(machine.run(NOWHERE)).toMatchObject({
      leave: LEAVE_EXCEPTION,
      retired: 0,
      pc: BigInt(NOWHERE),
      far: BigInt(NOWHERE),
      syndrome: (BigInt(EC.INSTRUCTION_ABORT_SAME) << 26n) | IL | 0x10n,
    });
  });

  test('of no memory at EL0 is an abort of a lower level', () => {
    machine.setEl(0);
    expect(machine.run(NOWHERE).syndrome >> 26n).toBe(BigInt(EC.INSTRUCTION_ABORT_LOWER));
  });

  test('with the top byte ignored executes at the address without it', () => {
    machine.setSysreg(TCR_EL1, 1n << 37n); // TBI0
    machine.setX(1, (0xabn << 56n) | BigInt(at('isb')));
    expect(machine.run(at('jump'))).toMatchObject({ ...END, retired: 4, pc: BigInt(at('isb') + 12) });
    machine.setX(1, (0xabn << 56n) | BigInt(NOWHERE));
    expect(machine.run(at('jump'))).toMatchObject({ pc: BigInt(NOWHERE), far: BigInt(NOWHERE) });
    machine.setX(1, (0xabn << 56n) | BigInt(CODE + 1));
    expect(machine.run(at('jump'))).toMatchObject({ pc: BigInt(CODE + 1), far: BigInt(CODE + 1) });
  });
});

describe('leaving', () => {
  test('for an interrupt happens behind the instruction that unmasks it', () => {
    vcpu.set32(INTERRUPT_LINES, 1);
    vcpu.set32(DAIF, 0x3c0);
    expect(machine.run(at('unmask'))).toMatchObject({
      leave: LEAVE_INTERRUPT,
      retired: 2,
      pc: BigInt(at('unmask') + 8),
    });
    expect(vcpu.get32(DAIF)).toBe(0x340);
    expect(machine.x(0)).toBe(1n);
  });

  test('for an interrupt does not happen while none is pending', () => {
    expect(machine.run(at('unmask'))).toMatchObject({ ...END, retired: 4 });
  });

  test('happens at what EL0 may not execute', () => {
    machine.setEl(0);
    expect(machine.run(at('el1_only'))).toMatchObject({
      leave: LEAVE_UNDEFINED,
      retired: 1,
      pc: BigInt(at('el1_only') + 4),
    });
    expect(vcpu.get32(SCRATCH)).toBe(0xd538_4240);
    expect(machine.x(0)).toBe(1n);
  });

  test.each([
    [0, 0, true],
    [0, 1, true],
    [1, 0, true],
    [1, 1, false],
    [2, 0, true],
    [2, 1, true],
    [3, 0, false],
    [3, 1, false],
  ] as const)('with CPACR_EL1.FPEN = %i at EL%i, vectors trap: %s', (fpen, el, traps) => {
    machine.setSysreg(CPACR_EL1, BigInt(fpen) << 20n);
    machine.setEl(el);
    const outcome = machine.run(at('vector'));
    expect(outcome.pc === BigInt(at('vector'))).toBe(traps);
    if (traps) expect(outcome.syndrome).toBe((BigInt(EC.FP_ACCESS) << 26n) | IL | 0x1e0_0000n);
  });

  test('for a port shows it the pc of the instruction', () => {
    let pc = 0n;
    machine.script.sysreg = () => ((pc = vcpu.get64(PC)), 0);
    machine.run(at('system'));
    expect(pc).toBe(BigInt(at('system') + 4));
    machine.script.hypercall = () => ((pc = vcpu.get64(PC)), 0);
    machine.run(at('hypercall') + 4);
    expect(pc).toBe(BigInt(at('hypercall') + 12));
  });

  test('goes on where a port has put the pc', () => {
    machine.script.sysreg = () => (vcpu.set64(PC, BigInt(at('ahead'))), 1);
    expect(machine.run(at('system'))).toMatchObject({ leave: LEAVE_PORT, pc: BigInt(at('ahead')) });
  });
});

describe('changed code', () => {
  const NEW = 0xd280_00e0; // mov x0, #7

  test('is not seen without maintenance', () => {
    machine.run(at('straight'));
    machine.words.set32(RAM_AT + guest.at('straight') + 36, NEW);
    machine.run(at('straight'));
    expect(machine.x(0)).toBe(10n);
  });

  test('is seen after flushCodeRange of its line, and only of its line', () => {
    machine.run(at('straight'));
    machine.words.set32(RAM_AT + 4, NEW); // add → mov, in the line at 0
    machine.words.set32(RAM_AT + 64 + 4, NEW); // in the line at 64, decoded by none yet
    engine.flushCodeRange(RAM_AT, 64);
    machine.run(CODE);
    expect(machine.x(0)).toBe(15n);
  });

  test('stays as it was outside of the flushed range', () => {
    const start = RAM + PAGE;
    machine.place(start, [...Array.from({ length: 31 }, () => ADD_X0_X0_1), SVC_1]);
    machine.run(start);
    for (const offset of [56, 64, 124]) machine.words.set32(RAM_AT + PAGE + offset, SVC_1);
    engine.flushCodeRange(RAM_AT + PAGE + 64, 4);
    expect(machine.run(start).retired).toBe(17);
    engine.flushCodeRange(RAM_AT + PAGE + 56, 1);
    expect(machine.run(start).retired).toBe(15);
  });

  test('is seen after a flush that crosses pages', () => {
    const start = RAM + 2 * PAGE - 8;
    machine.place(start, [ADD_X0_X0_1, ADD_X0_X0_1, ADD_X0_X0_1, SVC_1]);
    machine.run(start);
    machine.words.set32(machine.userOf(start) + 4, NEW);
    machine.words.set32(machine.userOf(start) + 8, NEW);
    engine.flushCodeRange(machine.userOf(start), 16);
    machine.run(start);
    expect(machine.x(0)).toBe(7n);
  });

  test('is seen after flushCode and a jump', () => {
    machine.run(at('straight'));
    machine.words.set32(RAM_AT + guest.at('straight') + 36, NEW);
    engine.flushCode();
    machine.run(at('straight'));
    expect(machine.x(0)).toBe(7n);
  });

  test('is seen after flushCode, though another line was flushed by itself before', () => {
    machine.run(at('straight'));
    machine.words.set32(RAM_AT + guest.at('straight') + 36, NEW);
    engine.flushCodeRange(RAM_AT + 0x800, 64);
    engine.flushCode();
    machine.run(at('straight'));
    expect(machine.x(0)).toBe(7n);
  });

  test('is seen after flushCode, though it is what it was when its page was first executed', () => {
    const start = RAM + PAGE;
    const later = start + 0x800;
    machine.place(start, [SVC_1]);
    machine.place(later, [ADD_X0_X0_1, SVC_1]);
    machine.run(start);
    machine.words.set32(machine.userOf(later), NEW);
    machine.run(later);
    machine.words.set32(machine.userOf(later), ADD_X0_X0_1);
    engine.flushCode();
    machine.setX(0, 0);
    machine.run(later);
    expect(machine.x(0)).toBe(1n);
  });

  test('is seen behind the ISB of a guest that flushes all of it in the middle of a page', () => {
    machine.place(RAM + PAGE, [0xd53b_f000, 0xd503_3fdf, ADD_X0_X0_1, SVC_1]); // mrs, isb
    machine.run(RAM + PAGE);
    machine.script.sysreg = () => {
      machine.words.set32(RAM_AT + PAGE + 8, NEW);
      engine.flushCode();
      return 0;
    };
    expect(machine.run(RAM + PAGE)).toMatchObject({ ...END, retired: 4 });
    expect(machine.x(0)).toBe(7n);
  });

  test('of one page is dropped through every mapping of it', () => {
    machine.setMemslots([
      { gpa: RAM, length: PAGE, user: RAM_AT },
      { gpa: RAM + PAGE, length: PAGE, user: RAM_AT },
    ]);
    machine.run(CODE);
    machine.run(CODE + PAGE);
    machine.words.set32(RAM_AT + 36, NEW);
    engine.flushCodeRange(RAM_AT + 36, 4);
    machine.run(CODE);
    expect(machine.x(0)).toBe(7n);
    machine.setX(0, 0);
    machine.run(CODE + PAGE);
    expect(machine.x(0)).toBe(7n);
  });

  test('that was never decoded can be flushed', () => {
    engine.flushCodeRange(RAM_AT + 0x10_0000, 0x1000);
    engine.flushCodeRange(0xffff_f000, 0x1000);
    expect(machine.run(at('straight'))).toMatchObject(END);
  });
});

describe('decoded pages', () => {
  const POOL_PAGES = Math.floor(POOL_SIZE / DECODED_PAGE_SIZE);

  test('decode up to the first branch, and no word that was not reached counts', () => {
    machine.place(RAM + PAGE, [MOVZ_X0_1, branch(B, 8), 0, SVC_1]);
    expect(machine.run(RAM + PAGE)).toMatchObject({ ...END, retired: 3 });
  });

  test('that overflow the pool make room, and code runs on', () => {
    const pages = RAM_AT;
    // Every page of RAM is a page of code; a chain of branches visits more of them than the pool holds.
    const visited = POOL_PAGES + 10;
    machine.setMemslots(
      Array.from({ length: visited + 1 }, (_, i) => ({
        gpa: RAM + i * PAGE,
        length: PAGE,
        user: pages + i * PAGE,
      })),
    );
    for (let i = 0; i < visited; i++) {
      machine.words.set32(pages + i * PAGE, i === visited - 1 ? SVC_1 : branch(B, PAGE));
    }
    engine.flushCode();
    expect(machine.run(RAM)).toMatchObject({ ...END, retired: visited });
    expect(vcpu.get32(POOL_USED)).toBe(10 * DECODED_PAGE_SIZE);
    expect(machine.run(RAM)).toMatchObject({ ...END, retired: visited });
  });
});

describe('translate', () => {
  test('tells where an address leads', () => {
    expect(engine.translate(BigInt(RAM + 0x123), 'read')).toEqual({
      gpa: RAM + 0x123,
      user: RAM_AT + 0x123,
      descriptor: 0n,
    });
  });

  test('tells of an address without memory', () => {
    expect(engine.translate(BigInt(NOWHERE), 'write')).toEqual({
      gpa: NOWHERE,
      user: undefined,
      descriptor: 0n,
    });
    expect(vcpu.getNumber(FAULT_PA)).toBe(NOWHERE);
  });

  test('tells the syndrome of a fault', () => {
    machine.setSctlr(vcpu.get64(SCTLR_EL1) | 1n);
    const result = engine.translate(0n, 'read');
    expect(result).toHaveProperty('syndrome');
  });
});
