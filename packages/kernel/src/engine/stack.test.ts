import { beforeEach, describe, expect, test } from 'vitest';
import { CODE, FlatMachine, RAM, type Outcome } from '../../test/flat-machine.ts';
import { PageTables, USER } from '../../test/page-tables.ts';
import { EC } from '../a64/emitter.ts';
import { SP_EL0, SP_SEL } from '../state/vcpu-state.ts';
import { LEAVE_EXCEPTION } from '../interp/leave.ts';

const machine = new FlatMachine();
const { vcpu } = machine;
let guest = machine.load('stack');

const STACK = RAM + 0x10_0100;
/** SCTLR_EL1.SA and SA0. */
const SA = 1n << 3n;
const SA0 = 1n << 4n;
const FAULT = { leave: LEAVE_EXCEPTION, syndrome: (BigInt(EC.SP_ALIGNMENT) << 26n) | (1n << 25n) };
const END = { leave: LEAVE_EXCEPTION, syndrome: (BigInt(EC.SVC64) << 26n) | (1n << 25n) | 1n };

beforeEach(() => {
  machine.reset();
  guest = machine.load('stack');
  const tables = new PageTables(machine);
  tables.mapCode(CODE);
  for (const page of [STACK - 0x1000, STACK]) tables.map(BigInt(page & ~0xfff), page & ~0xfff, USER);
  tables.use(SA);
  vcpu.set32(SP_SEL, 1);
  machine.setSp(STACK);
  machine.setX(0, 8);
  machine.setX(1, STACK);
  vcpu.set64(SP_EL0, BigInt(STACK + 8));
});

const run = (label: string): Outcome => machine.run(CODE + guest.at(label));

/** Label, and the number of instructions before the access. */
const WRITES = [
  ['add_imm', 1],
  ['add_imm_w', 1],
  ['sub_imm', 1],
  ['mov', 2],
  ['add_extended', 1],
  ['sub_extended', 2],
  ['add_extended_w', 1],
  ['and_imm', 2],
  ['orr_imm', 1],
  ['eor_imm', 1],
  ['ldr_post', 1],
  ['ldrb_pre', 1],
  ['str_pre', 1],
  ['ldp_post', 1],
  ['stp_pre', 1],
  ['stp_w_pre', 1],
  ['ldpsw_post', 1],
  ['str_d_pre', 1],
  ['ldp_d_post', 1],
  ['ld1_post', 1],
  ['ld1_post_x', 1],
  ['st2_post', 1],
  ['ld1r_post', 1],
  ['select', 1],
  ['select_register', 1],
] as const;

const ACCESSES = [
  'access_ldr',
  'access_ldrb',
  'access_str',
  'access_ldur',
  'access_ldtr',
  'access_ldp',
  'access_stp',
  'access_ldr_q',
  'access_stp_q',
  'access_ld1',
  'access_ldxr',
  'access_stlr',
  'access_ldadd',
  'access_cas',
];

describe('an access by an unaligned SP faults', () => {
  test.each(WRITES)('when %s has made it so', (label, retired) => {
    expect(run(label)).toMatchObject({ ...FAULT, retired, pc: BigInt(CODE + guest.at(label) + 4 * retired) });
  });

  test.each(WRITES)('when %s has made it so and accesses there have hit the TLB before', (label) => {
    run('keeps');
    machine.setSp(STACK);
    expect(run(label)).toMatchObject(FAULT);
  });

  test.each(ACCESSES)('as %s, and nothing changes', (label) => {
    machine.setSp(STACK + 8);
    run(label);
    const registers = machine.registers();
    const memory = machine.ram(STACK - 64, 128).slice();
    expect(run(label)).toMatchObject({ ...FAULT, retired: 0 });
    expect(machine.registers()).toEqual(registers);
    expect(machine.ram(STACK - 64, 128)).toEqual(memory);
  });

  test('before any other fault of it', () => {
    machine.setSp(7);
    expect(run('access_stlr')).toMatchObject(FAULT);
  });

  test('at EL0, where SCTLR_EL1.SA0 says so', () => {
    machine.setEl(0);
    machine.setSp(STACK + 8);
    expect(run('access_ldr')).toMatchObject(END);
    machine.setSctlr(1n | SA0);
    expect(run('access_ldr')).toMatchObject(FAULT);
    machine.setEl(1);
    expect(run('access_ldr')).toMatchObject(END);
  });
});

describe('an access does not fault', () => {
  test.each(WRITES)('by what %s has made of SP without SCTLR_EL1.SA', (label) => {
    machine.setSctlr(1n);
    expect(run(label)).toMatchObject(END);
  });

  test.each(['keeps', 'aligned_again', 'other_base', 'select_back'])('in %s', (label) => {
    expect(run(label)).toMatchObject(END);
    machine.setSp(STACK);
    expect(run(label)).toMatchObject(END);
  });

  test('when SP is aligned from outside', () => {
    machine.setSp(STACK + 8);
    expect(run('access_ldr')).toMatchObject(FAULT);
    machine.setSp(STACK + 16);
    expect(run('access_ldr')).toMatchObject(END);
  });
});
