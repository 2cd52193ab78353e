import { SYSREGS } from '@vkvm/uapi';
import { beforeEach, describe, expect, test } from 'vitest';
import { Evaluator } from '../../eval/evaluator.ts';
import type { Outcome } from '../../eval/outcome.ts';
import {
  CONTEXTIDR_EL1,
  DAIF,
  EL,
  EXCLUSIVE_HOST,
  FP_TRAP,
  FPCR,
  INTERRUPT_LINES,
  PC,
  SCTLR_EL1,
  SP_EL0,
  SP_EL1,
  SP_SEL,
  SP_SLOT,
  TPIDR_EL0,
  TPIDRRO_EL0,
  X,
} from '../../state/vcpu-state.ts';
import { Words } from '../../state/words.ts';
import { DecodeTable } from '../decode.ts';
import { EC } from '../emitter.ts';
import { INSNS } from '../table.ts';

const PLAIN = new Map<number, number>([
  [SYSREGS.CONTEXTIDR_EL1, CONTEXTIDR_EL1],
  [SYSREGS.TPIDR_EL0, TPIDR_EL0],
  [SYSREGS.TPIDRRO_EL0, TPIDRRO_EL0],
]);
const site = { offset: 0, plainSysreg: (key: number) => PLAIN.get(key) ?? -1 };
const table = new DecodeTable(INSNS);
const MEMORY_AT = 0x1_0000;
const words = new Words(new WebAssembly.Memory({ initial: 2, maximum: 2 }));
const evaluator = new Evaluator(words, 0, {
  translate: ({ address }) => (address < 0x1000n ? MEMORY_AT + Number(address) : -1),
});

function step(word: number): Outcome {
  const row = table.find(word);
  const handler = row?.select(word, site) ?? -1;
  return row && handler >= 0 ? evaluator.step(row, handler, row.operands(word, site)) : { kind: 'undefined' };
}

const at = (el: 0 | 1): void => words.set32(EL, el);
const x = (n: number): bigint => words.get64(X + 8 * n);
const setX = (n: number, value: bigint): void => words.set64(X + 8 * n, value);

/** Words as binutils assembles them. */
const MRS_X1 = {
  CONTEXTIDR_EL1: 0xd538_d021,
  TPIDR_EL0: 0xd53b_d041,
  DAIF: 0xd53b_4221,
  CurrentEL: 0xd538_4241,
  SPSel: 0xd538_4201,
  SP_EL0: 0xd538_4101,
  FPCR: 0xd53b_4401,
  SCTLR_EL1: 0xd538_1001,
} as const;
const MSR_X1 = {
  CONTEXTIDR_EL1: 0xd518_d021,
  TPIDR_EL0: 0xd51b_d041,
  TPIDRRO_EL0: 0xd51b_d061,
  DAIF: 0xd51b_4221,
  SPSel: 0xd518_4201,
  SP_EL0: 0xd518_4101,
} as const;
const MSR_SPSEL_0 = 0xd500_40bf;
const MSR_SPSEL_1 = 0xd500_41bf;
const MSR_DAIFSET_2 = 0xd503_42df;
const MSR_DAIFCLR_2 = 0xd503_42ff;
const DC_ZVA_X1 = 0xd50b_7421;
const DC_CVAC_X1 = 0xd50b_7a21;
const WFI = 0xd503_207f;
const WFE = 0xd503_205f;
const CLREX = 0xd503_3f5f;
const ESB = 0xd503_221f;

beforeEach(() => {
  words.u8.fill(0);
  words.set64(PC, 0x1000n);
  at(1);
});

describe('a system register that is plain storage', () => {
  test('is read and written in place at EL1', () => {
    setX(1, 0x1234_5678_9abc_def0n);
    expect(step(MSR_X1.CONTEXTIDR_EL1)).toEqual({ kind: 'next' });
    expect(words.get64(CONTEXTIDR_EL1)).toBe(0x1234_5678_9abc_def0n);
    setX(1, 0n);
    step(MRS_X1.CONTEXTIDR_EL1);
    expect([x(1), words.get64(PC)]).toEqual([0x1234_5678_9abc_def0n, 0x1008n]);
  });

  test('is undefined at EL0 if its op1 is not 3, and TPIDRRO_EL0 cannot be written there', () => {
    at(0);
    expect(step(MRS_X1.CONTEXTIDR_EL1)).toEqual({ kind: 'undefined' });
    expect(step(MSR_X1.CONTEXTIDR_EL1)).toEqual({ kind: 'undefined' });
    expect(step(MSR_X1.TPIDRRO_EL0)).toEqual({ kind: 'undefined' });
    expect(step(MSR_X1.TPIDR_EL0)).toEqual({ kind: 'next' });
  });

  test('any other goes to the port, with the pc at it', () => {
    expect(step(MRS_X1.SCTLR_EL1)).toEqual({ kind: 'system_register' });
    expect(step(DC_CVAC_X1)).toEqual({ kind: 'system_register' });
    expect(words.get64(PC)).toBe(0x1000n);
  });
});

describe('interrupt masks', () => {
  test('are set, cleared, read and written', () => {
    step(MSR_DAIFSET_2);
    expect(words.get32(DAIF)).toBe(0x80);
    setX(1, -1n);
    step(MSR_X1.DAIF);
    expect(words.get32(DAIF)).toBe(0x3c0);
    step(MSR_DAIFCLR_2);
    step(MRS_X1.DAIF);
    expect(x(1)).toBe(0x340n);
  });

  test('trap at EL0 unless SCTLR_EL1.UMA is set', () => {
    at(0);
    const trap = { kind: 'exception', exceptionClass: EC.SYS64, after: false } as const;
    // Op0 0, Op2 6, Op1 3, CRn 4, Rt 31, CRm 2, write.
    expect(step(MSR_DAIFSET_2)).toEqual({
      ...trap,
      iss: (6 << 17) | (3 << 14) | (4 << 10) | (31 << 5) | (2 << 1),
    });
    // Op0 3, Op2 1, Op1 3, CRn 4, Rt 1, CRm 2, read.
    expect(step(MRS_X1.DAIF)).toEqual({
      ...trap,
      iss: (3 << 20) | (1 << 17) | (3 << 14) | (4 << 10) | (1 << 5) | (2 << 1) | 1,
    });
    words.set32(SCTLR_EL1, 1 << 9);
    expect(step(MSR_DAIFSET_2)).toEqual({ kind: 'next' });
    expect(words.get32(DAIF)).toBe(0x80);
  });
});

describe('the stack pointers', () => {
  beforeEach(() => {
    words.set32(SP_SEL, 1);
    words.set64(SP_SLOT, 0x11n);
    words.set64(SP_EL0, 0x22n);
  });

  test('change places when SPSel changes, and only then', () => {
    step(MSR_SPSEL_1);
    expect(words.get64(SP_SLOT)).toBe(0x11n);
    step(MSR_SPSEL_0);
    expect([words.get64(SP_SLOT), words.get64(SP_EL1), words.get32(SP_SEL)]).toEqual([0x22n, 0x11n, 0]);
    setX(1, 3n); // only bit 0 counts
    step(MSR_X1.SPSel);
    expect([words.get64(SP_SLOT), words.get64(SP_EL0)]).toEqual([0x11n, 0x22n]);
    step(MRS_X1.SPSel);
    expect(x(1)).toBe(1n);
  });

  test('of EL0 has a name at EL1 while the other one is selected', () => {
    setX(1, 0x33n);
    step(MSR_X1.SP_EL0);
    setX(1, 0n);
    step(MRS_X1.SP_EL0);
    expect([x(1), words.get64(SP_EL0), words.get64(SP_SLOT)]).toEqual([0x33n, 0x33n, 0x11n]);
    words.set32(SP_SEL, 0);
    expect(step(MRS_X1.SP_EL0)).toEqual({ kind: 'undefined' });
    expect(step(MSR_X1.SP_EL0)).toEqual({ kind: 'undefined' });
    at(0);
    expect(step(MRS_X1.SP_EL0)).toEqual({ kind: 'undefined' });
  });

  test('cannot be selected at EL0', () => {
    at(0);
    expect(step(MSR_SPSEL_0)).toEqual({ kind: 'undefined' });
    expect(step(MSR_X1.SPSel)).toEqual({ kind: 'undefined' });
    expect(step(MRS_X1.SPSel)).toEqual({ kind: 'undefined' });
  });
});

test('ESB is for the port while an interrupt is pending', () => {
  expect(step(ESB)).toEqual({ kind: 'next' });
  words.set32(INTERRUPT_LINES, 4);
  expect(step(ESB)).toEqual({ kind: 'system_register' });
});

test('CurrentEL reads the level at its place, and is undefined at EL0', () => {
  step(MRS_X1.CurrentEL);
  expect(x(1)).toBe(4n);
  at(0);
  expect(step(MRS_X1.CurrentEL)).toEqual({ kind: 'undefined' });
});

test('FPCR traps where floating point does', () => {
  words.set32(FPCR, 1 << 22);
  words.set32(FP_TRAP, 1);
  expect(step(MRS_X1.FPCR)).toEqual({ kind: 'fp_trap' });
  words.set32(FP_TRAP, 0);
  step(MRS_X1.FPCR);
  expect(x(1)).toBe(1n << 22n);
});

describe('DC ZVA', () => {
  test('zeroes the 64 bytes around the address', () => {
    words.u8.fill(0xff, MEMORY_AT, MEMORY_AT + 0x1000);
    setX(1, 0x17fn);
    expect(step(DC_ZVA_X1)).toEqual({ kind: 'next' });
    const zeroes = words.u8.subarray(MEMORY_AT, MEMORY_AT + 0x1000).filter((byte) => byte === 0);
    expect(zeroes).toHaveLength(64);
    expect([words.u8[MEMORY_AT + 0x13f], words.u8[MEMORY_AT + 0x140], words.u8[MEMORY_AT + 0x180]]).toEqual([
      0xff, 0, 0xff,
    ]);
  });

  test('traps at EL0 unless SCTLR_EL1.DZE is set', () => {
    at(0);
    expect(step(DC_ZVA_X1)).toMatchObject({ kind: 'exception', exceptionClass: EC.SYS64, after: false });
    words.set32(SCTLR_EL1, 1 << 14);
    expect(step(DC_ZVA_X1)).toEqual({ kind: 'next' });
  });
});

describe('waiting', () => {
  test('is for the engine at EL1', () => {
    expect(step(WFI)).toEqual({ kind: 'wait', event: 'wfi' });
    expect(step(WFE)).toEqual({ kind: 'wait', event: 'wfe' });
  });

  test('traps at EL0 unless SCTLR_EL1 lets it', () => {
    at(0);
    const iss = (1 << 24) | (0xe << 20);
    const trap = { kind: 'exception', exceptionClass: EC.WFX, after: false };
    expect(step(WFI)).toEqual({ ...trap, iss });
    expect(step(WFE)).toEqual({ ...trap, iss: iss | 1 });
    words.set32(SCTLR_EL1, (1 << 16) | (1 << 18));
    expect(step(WFI)).toEqual({ kind: 'wait', event: 'wfi' });
  });
});

test('CLREX opens the exclusive monitor', () => {
  words.set32(EXCLUSIVE_HOST, 0x1234);
  step(CLREX);
  expect(words.get32(EXCLUSIVE_HOST)).toBe(0);
});

describe('exceptions', () => {
  const SVC_0x123 = 0xd400_2461;
  const BRK_0x123 = 0xd420_2460;
  const HVC_1 = 0xd400_0022;
  const SMC_2 = 0xd400_0043;
  const ERET = 0xd69f_03e0;

  test('SVC returns behind itself, BRK to itself', () => {
    at(0);
    const raised = { kind: 'exception', iss: 0x123 };
    expect(step(SVC_0x123)).toEqual({ ...raised, exceptionClass: EC.SVC64, after: true });
    expect(step(BRK_0x123)).toEqual({ ...raised, exceptionClass: EC.BRK64, after: false });
  });

  test('HVC and SMC are calls at EL1 and undefined at EL0', () => {
    expect(step(HVC_1)).toEqual({ kind: 'hypercall', conduit: 'hvc', immediate: 1 });
    expect(step(SMC_2)).toEqual({ kind: 'hypercall', conduit: 'smc', immediate: 2 });
    at(0);
    expect(step(HVC_1)).toEqual({ kind: 'undefined' });
    expect(step(SMC_2)).toEqual({ kind: 'undefined' });
  });

  test('ERET is for EL1', () => {
    expect(step(ERET)).toEqual({ kind: 'exception_return' });
    at(0);
    expect(step(ERET)).toEqual({ kind: 'undefined' });
  });

  test.each([
    ['HLT', 0xd440_0000],
    ['DCPS1', 0xd4a0_0001],
    ['DRPS', 0xd6bf_03e0],
    ['UDF', 0x0000_1234],
    ['SB with a number', 0xd503_31ff],
    ['CFINV with a number', 0xd500_411f],
    ['MSR PAN', 0xd500_419f],
    ['LDLAR', 0x88df_7c20],
  ])('%s is undefined', (_name, word) => {
    expect(step(word)).toEqual({ kind: 'undefined' });
  });
});
