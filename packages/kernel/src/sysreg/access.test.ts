import { SYSOPS, SYSREGS, VKVM_KICK_OFFSET, VKVM_KICK_REQUEST, releaseNumber } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import { PROFILE } from '../state/arena.ts';
import type { Block } from '../state/block.ts';
import { IN_GUEST, REQUESTS, SERROR_PENDING, SERROR_SYNDROME } from '../state/control.ts';
import { REQUEST_FLUSH_CODE, REQUEST_FLUSH_TLB } from '../state/requests.ts';
import {
  DAIF,
  EL,
  FAULT_VA,
  INTERRUPT_LINES,
  MAIR_EL1,
  PAR_EL1,
  RUN_PAGE,
  SCTLR_EL1,
  SYNDROME,
  TTBR0_EL1,
  X,
  ZERO_SLOT,
} from '../state/vcpu-state.ts';
import { SYSREG_TABLE } from '../vcpu/sysregs.ts';
import { accessSysreg, trapSyndrome } from './access.ts';
import { SYSREG_DONE, SYSREG_EXCEPTION, SYSREG_TRAP, SYSREG_UNDEFINED } from './row.ts';
import type { SysregEngine, SysregOutcome } from './row.ts';

const RT = 3;
const XZR = 31;
const msr = (key: number, rt = RT): number => (0xd500_0000 | (key << 5) | rt) >>> 0;
const mrs = (key: number, rt = RT): number => (0xd520_0000 | (key << 5) | rt) >>> 0;

/** @param translation - what every address leads to */
function cpu(translation: ReturnType<SysregEngine['translate']> = { syndrome: 0n }) {
  const { vcpus, host } = bareVm([0, 1]);
  const vcpu = vcpus[0]!;
  vcpu.set32(EL, 1);
  const calls: unknown[][] = [];
  const note =
    (name: string) =>
    (...args: unknown[]): void =>
      void calls.push([name, ...args]);
  const engine: SysregEngine = {
    contextChanged: note('contextChanged'),
    regimeChanged: note('regimeChanged'),
    flushTlb: note('flushTlb'),
    flushTlbNonGlobal: note('flushTlbNonGlobal'),
    flushTlbVa: note('flushTlbVa'),
    flushCode: note('flushCode'),
    flushCodeRange: note('flushCodeRange'),
    translate: () => translation,
  };
  const access = (word: number): SysregOutcome => accessSysreg(SYSREG_TABLE, vcpu, word, { host, engine });
  return { vcpu, other: vcpus[1]!, calls, access };
}

const at = (vcpu: Block, register: number): bigint => vcpu.get64(X + 8 * register);

describe('ESB', () => {
  const ESB = 0xd503_221f;
  const SERROR_LINE = 4;
  const SYNDROME_OF_SERROR = 0x123_4567n;

  function withSerror(daif: number) {
    const { vcpu, access } = cpu();
    vcpu.set32(INTERRUPT_LINES, SERROR_LINE | 1);
    vcpu.set32(SERROR_PENDING, 1);
    vcpu.set64(SERROR_SYNDROME, SYNDROME_OF_SERROR);
    vcpu.set32(DAIF, daif);
    expect(access(ESB)).toBe(SYSREG_DONE);
    access(mrs(SYSREGS.DISR_EL1));
    return { pending: vcpu.get32(SERROR_PENDING), lines: vcpu.get32(INTERRUPT_LINES), disr: at(vcpu, RT) };
  }

  test('turns a masked SError into DISR_EL1', () => {
    expect(withSerror(1 << 8)).toEqual({ pending: 0, lines: 1, disr: (1n << 31n) | SYNDROME_OF_SERROR });
  });

  test('leaves one that can be taken', () => {
    expect(withSerror(1 << 7)).toEqual({ pending: 1, lines: SERROR_LINE | 1, disr: 0n });
  });
});

describe('an access', () => {
  test('reads into its register, and writes from it', () => {
    const { vcpu, access } = cpu();
    vcpu.set64(X + 8 * RT, 0x1234n);
    expect(access(msr(SYSREGS.AFSR0_EL1))).toBe(SYSREG_DONE);
    expect(access(mrs(SYSREGS.AFSR0_EL1, 4))).toBe(SYSREG_DONE);
    expect(at(vcpu, 4)).toBe(0x1234n);
    expect(access(msr(SYSREGS.AFSR0_EL1, XZR))).toBe(SYSREG_DONE);
    expect(access(mrs(SYSREGS.AFSR0_EL1, 4))).toBe(SYSREG_DONE);
    expect(at(vcpu, 4)).toBe(0n);
  });

  test('leaves XZR zero', () => {
    const { vcpu, access } = cpu();
    access(mrs(SYSREGS.DCZID_EL0, XZR));
    expect(vcpu.get64(ZERO_SLOT)).toBe(0n);
  });

  test.each([
    ['a register nobody has', mrs(0x7fff), 1],
    ['an EL1 register at EL0', mrs(SYSREGS.SCTLR_EL1), 0],
    ['an ID register at EL0', mrs(SYSREGS.ID_AA64PFR0_EL1), 0],
    ['an EL2 register', mrs(SYSREGS.DACR32_EL2), 1],
    ['a write of an ID register', msr(SYSREGS.MIDR_EL1), 1],
    ['a read of a register that is only written', mrs(SYSREGS.OSLAR_EL1), 1],
    ['a breakpoint beyond the last', mrs(SYSREGS.DBGBVR6_EL1), 1],
    ['a GIC register without a GIC', mrs(SYSREGS.ICC_PMR_EL1), 1],
    ['the PMU, which is not there', mrs(SYSREGS.PMCR_EL0), 1],
    ['TLBI by range, which is not announced', msr(SYSOPS.TLBI_RVAE1IS), 1],
  ])('to %s is undefined', (_, word, el) => {
    const { vcpu, access } = cpu();
    vcpu.set32(EL, el);
    expect(access(word)).toBe(SYSREG_UNDEFINED);
  });

  test.each([
    ['5.10', SYSREG_DONE, SYSREG_DONE],
    ['6.1', SYSREG_DONE, SYSREG_UNDEFINED],
    ['6.12', SYSREG_UNDEFINED, SYSREG_UNDEFINED],
  ] as const)('to the CPU interface of a VM without a GIC: Linux %s', (release, reached, sends) => {
    const { vcpu, access } = cpu();
    vcpu.words.set32(PROFILE, releaseNumber(release));
    vcpu.set32(INTERRUPT_LINES, 1); // KVM_IRQ_LINE has raised it
    vcpu.set64(X + 8 * RT, 0xffn);
    expect(access(msr(SYSREGS.ICC_PMR_EL1))).toBe(reached);
    expect(access(msr(SYSREGS.ICC_SGI1R_EL1))).toBe(sends);
    expect(access(mrs(SYSREGS.ICC_IAR1_EL1))).toBe(reached);
    expect(access(mrs(SYSREGS.ICC_SRE_EL1))).toBe(reached);
    if (reached === SYSREG_DONE) expect(at(vcpu, RT)).toBe(7n);
    expect(vcpu.get32(INTERRUPT_LINES)).toBe(1);
  });

  test('of EL0 to CTR_EL0 and to caches is what SCTLR_EL1 says', () => {
    const { vcpu, access } = cpu({ gpa: 0, user: undefined, descriptor: 0n });
    vcpu.set32(EL, 0);
    expect([access(mrs(SYSREGS.CTR_EL0)), access(msr(SYSOPS.IC_IVAU))]).toEqual([SYSREG_TRAP, SYSREG_TRAP]);
    vcpu.set32(SCTLR_EL1, (1 << 15) | (1 << 26));
    expect([access(mrs(SYSREGS.CTR_EL0)), access(msr(SYSOPS.IC_IVAU))]).toEqual([SYSREG_DONE, SYSREG_DONE]);
  });

  test('that traps names the instruction', () => {
    // mrs x3, ctr_el0: op0 3, op1 3, CRn 0, CRm 0, op2 1.
    expect(trapSyndrome(mrs(SYSREGS.CTR_EL0)) >>> 0).toBe(
      ((0x18 << 26) | (1 << 25) | (3 << 20) | (1 << 17) | (3 << 14) | (3 << 5) | 1) >>> 0,
    );
  });
});

describe('what changes translation', () => {
  test('is told to the engine, once it has changed', () => {
    const { vcpu, calls, access } = cpu();
    vcpu.set64(X + 8 * RT, 0x8000n);
    access(msr(SYSREGS.TTBR0_EL1));
    access(msr(SYSREGS.TTBR0_EL1));
    expect([vcpu.get64(TTBR0_EL1), calls]).toEqual([0x8000n, [['regimeChanged']]]);
    access(msr(SYSREGS.CPACR_EL1));
    expect(calls.at(-1)).toEqual(['contextChanged']);
  });

  test('TLBI drops what it names', () => {
    const { vcpu, calls, access } = cpu();
    vcpu.set64(X + 8 * RT, (7n << 48n) | 0x12_3456n);
    for (const op of ['TLBI_VMALLE1', 'TLBI_ASIDE1', 'TLBI_VAE1', 'TLBI_VAALE1'] as const)
      access(msr(SYSOPS[op]));
    const va = calls.map(([, address]) => address as bigint).slice(2);
    expect(calls.map(([name]) => name)).toEqual([
      'flushTlb',
      'flushTlbNonGlobal',
      'flushTlbVa',
      'flushTlbVa',
    ]);
    for (const address of va) expect((address >> 12n) & 0xf_ffffn).toBe(0x2_3456n);
  });

  test('TLBI of all CPUs asks the others, and waits for nobody who is outside of guest code', () => {
    const { other, access, calls } = cpu();
    expect(access(msr(SYSOPS.TLBI_VMALLE1IS, XZR))).toBe(SYSREG_DONE);
    expect(calls).toEqual([['flushTlb']]);
    expect(requestsOf(other)).toBe(REQUEST_FLUSH_TLB);
  });

  test('TLBI of all CPUs serves its own requests while it waits: two may wait for one another', () => {
    const { vcpu, other, access, calls } = cpu();
    other.set32(IN_GUEST, 1);
    vcpu.set32(REQUESTS, REQUEST_FLUSH_CODE);
    // What the other CPU does meanwhile: it sees that its request is served, and then serves ours.
    Object.defineProperty(calls, 'push', {
      value(call: unknown[]) {
        if (call[0] === 'flushCode') other.set32(IN_GUEST, 0);
        return Array.prototype.push.call(calls, call);
      },
    });
    expect(access(msr(SYSOPS.TLBI_ASIDE1IS, XZR))).toBe(SYSREG_DONE);
    expect(calls).toEqual([['flushTlbNonGlobal'], ['flushCode']]);
    expect(vcpu.get32(REQUESTS)).toBe(0);
  });
});

/** Request bits of a vCPU that comes to look. */
function requestsOf(vcpu: Block): number {
  const kick = (vcpu.get32(RUN_PAGE) + VKVM_KICK_OFFSET) >>> 2;
  expect(vcpu.words.u32[kick]! & VKVM_KICK_REQUEST).not.toBe(0);
  return vcpu.get32(REQUESTS);
}

describe('cache maintenance and AT', () => {
  const fault = { syndrome: 0x9600_0045n };

  test('IC IVAU drops the line of code, on all CPUs', () => {
    const { calls, access, other } = cpu({ gpa: 0x4000_1234, user: 0x70_1234, descriptor: 0n });
    expect(access(msr(SYSOPS.IC_IVAU))).toBe(SYSREG_DONE);
    expect(calls).toEqual([['flushCodeRange', 0x70_1200, 64]]);
    expect(requestsOf(other)).toBe(REQUEST_FLUSH_CODE);
  });

  test.each([
    ['DC_IVAC', 1],
    ['DC_CVAC', 0],
    ['DC_CVAU', 0],
    ['DC_CVAP', 0],
    ['DC_CVADP', 0],
    ['DC_CIVAC', 0],
  ] as const)('%s faults as a write by cache maintenance, and is for EL%i', (name, lowest) => {
    const word = msr(SYSOPS[name]);
    const { vcpu, access } = cpu(fault);
    vcpu.set64(X + 8 * RT, 0xdead_0000n);
    vcpu.set32(SCTLR_EL1, 1);
    expect(access(word)).toBe(SYSREG_EXCEPTION);
    expect([vcpu.get64(SYNDROME), vcpu.get64(FAULT_VA)]).toEqual([0x9600_0145n, 0xdead_0000n]);
    vcpu.set32(SCTLR_EL1, 0);
    expect(access(word)).toBe(SYSREG_DONE);
    vcpu.set32(EL, 0);
    // SCTLR_EL1.UCI is clear.
    expect(access(word)).toBe(lowest === 0 ? SYSREG_TRAP : SYSREG_UNDEFINED);
  });

  test('AT puts the address or the fault into PAR_EL1', () => {
    const good = cpu({ gpa: 0x4000_1234, user: undefined, descriptor: (3n << 8n) | (2n << 2n) });
    good.access(msr(SYSOPS.AT_S1E1R));
    // Without translation: Device-nGnRnE, outer shareable.
    expect(good.vcpu.get64(PAR_EL1)).toBe(0x4000_1900n);
    good.vcpu.set32(SCTLR_EL1, 1);
    good.vcpu.set64(MAIR_EL1, 0xff_4404n);
    good.access(msr(SYSOPS.AT_S1E1R));
    expect(good.vcpu.get64(PAR_EL1)).toBe(0xff00_0000_4000_1980n);
    const bad = cpu({ syndrome: 0x9600_0007n });
    bad.access(msr(SYSOPS.AT_S1E0W));
    expect(bad.vcpu.get64(PAR_EL1)).toBe(0x80fn);
  });
});
