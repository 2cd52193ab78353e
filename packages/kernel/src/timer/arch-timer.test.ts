import { KVM_DEV_TYPE_ARM_VGIC_V3, SYSREGS } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import type { BareVm } from '../../test/bare-vm.ts';
import { enableAll, guestGic } from '../../test/guest-gic.ts';
import type { Block } from '../state/block.ts';
import { CNTKCTL_EL1, EL, SCRATCH, X } from '../state/vcpu-state.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { SYSREG_DONE, SYSREG_LEAVE, SYSREG_TRAP } from '../sysreg/row.ts';
import type { SysregEnv, SysregOutcome } from '../sysreg/row.ts';
import { timerSysregs } from '../sysreg/timer.ts';
import {
  PHYSICAL,
  initTimers,
  readCounter,
  resetTimers,
  setCounterOffset,
  timerDeadline,
  timerLevels,
  timerUpdate,
} from './arch-timer.ts';

const TICK = 16;
const SECOND = 1e9;
const TICKS_A_SECOND = 62_500_000n;

interface Guest extends BareVm {
  readonly vcpu: Block;
  mrs(name: string): bigint;
  msr(name: string, value: bigint): SysregOutcome;
}

const rowOf = (name: string) => timerSysregs.find((row) => row.name === name)!;

function guestOf(bare: BareVm): Guest {
  const vcpu = bare.vcpus[0]!;
  vcpu.set32(EL, 1);
  const env: SysregEnv = { host: bare.host, engine: undefined as never };
  return Object.assign(bare, {
    vcpu,
    mrs(name: string) {
      rowOf(name).read!(vcpu, X, env);
      return vcpu.get64(X);
    },
    msr(name: string, value: bigint) {
      vcpu.set64(X, BigInt.asUintN(64, value));
      return rowOf(name).write!(vcpu, X, env);
    },
  });
}

function guest(now = 0): Guest {
  const bare = bareVm();
  bare.now = now;
  const made = guestOf(bare);
  initTimers(made.vcpu, made.host);
  return made;
}

describe('counters', () => {
  test('tick at 62.5 MHz; the virtual one starts with the vCPU', () => {
    const made = guest(5 * SECOND);
    expect(made.mrs('CNTFRQ_EL0')).toBe(TICKS_A_SECOND);
    expect(made.mrs('CNTVCT_EL0')).toBe(0n);
    expect(made.mrs('CNTPCT_EL0')).toBe(5n * TICKS_A_SECOND);
    made.now += TICK - 1;
    expect(made.mrs('CNTVCT_EL0')).toBe(0n);
    made.now += 1;
    expect(made.mrs('CNTVCT_EL0')).toBe(1n);
  });

  test('do not drift in ten years', () => {
    const years = 10 * 365 * 86_400;
    const made = guest(0);
    made.now = years * SECOND;
    expect(made.mrs('CNTVCT_EL0')).toBe(BigInt(years) * TICKS_A_SECOND);
  });

  test('borrow across words', () => {
    const made = guest(0);
    setCounterOffset(made.vm, 0xffff_ffff_ffff_fff0n);
    expect(made.mrs('CNTVCT_EL0')).toBe(0x10n);
    setCounterOffset(made.vm, 1n);
    made.now = 2 ** 32 * TICK;
    expect(made.mrs('CNTVCT_EL0')).toBe(0xffff_ffffn);
  });

  test('set by user space, both ways, as long as no offset was fixed', () => {
    const made = guest(SECOND);
    const { get, set } = rowOf('CNTVCT_EL0').user as {
      get(vcpu: Block, host: unknown): bigint;
      set(vcpu: Block, value: bigint, host: unknown): number;
    };
    expect(set(made.vcpu, 0xffff_ffff_ffff_0000n, made.host)).toBe(0);
    expect(get(made.vcpu, made.host)).toBe(0xffff_ffff_ffff_0000n);
    expect(made.mrs('CNTVCT_EL0')).toBe(0xffff_ffff_ffff_0000n);
    setCounterOffset(made.vm, 5n);
    expect(set(made.vcpu, 77n, made.host)).toBe(0);
    expect(made.mrs('CNTVCT_EL0')).toBe(TICKS_A_SECOND - 5n);
    expect(made.mrs('CNTPCT_EL0')).toBe(TICKS_A_SECOND - 5n);
  });

  test('are read into any place', () => {
    const made = guest(SECOND);
    readCounter(made.vcpu, PHYSICAL, made.now, made.vcpu.base + SCRATCH);
    expect(made.vcpu.get64(SCRATCH)).toBe(TICKS_A_SECOND);
  });
});

describe('a timer', () => {
  test('that is enabled fires when the counter reaches CVAL', () => {
    const made = guest(SECOND);
    expect(made.msr('CNTV_CVAL_EL0', 1000n)).toBe(SYSREG_LEAVE);
    made.msr('CNTV_CTL_EL0', 1n);
    expect(timerDeadline(made.vcpu, made.now)).toBe(SECOND + 1000 * TICK);
    made.now += 1000 * TICK - 1;
    timerUpdate(made.vcpu, made.now, made.host);
    expect([made.mrs('CNTV_CTL_EL0'), timerLevels(made.vcpu)]).toEqual([1n, 0]);
    made.now += 1;
    expect(timerDeadline(made.vcpu, made.now)).toBe(made.now);
    timerUpdate(made.vcpu, made.now, made.host);
    expect([made.mrs('CNTV_CTL_EL0'), timerLevels(made.vcpu)]).toEqual([5n, 1]);
    expect(timerDeadline(made.vcpu, made.now)).toBe(Infinity);
  });

  test('that is masked shows its status and stays low', () => {
    const made = guest();
    made.now = SECOND;
    made.msr('CNTV_TVAL_EL0', -1n);
    made.msr('CNTV_CTL_EL0', 3n);
    expect(made.mrs('CNTV_CTL_EL0')).toBe(7n);
    expect(timerLevels(made.vcpu)).toBe(0);
    made.msr('CNTV_CTL_EL0', 1n);
    expect(timerLevels(made.vcpu)).toBe(1);
  });

  test('that is disabled has no status and no deadline', () => {
    const made = guest(SECOND);
    made.msr('CNTP_CVAL_EL0', 0n);
    made.msr('CNTP_CTL_EL0', 2n);
    expect(made.mrs('CNTP_CTL_EL0')).toBe(2n);
    expect(timerDeadline(made.vcpu, made.now)).toBe(Infinity);
  });

  test('with the greatest CVAL never fires', () => {
    const made = guest(SECOND);
    made.msr('CNTV_CVAL_EL0', -1n);
    made.msr('CNTV_CTL_EL0', 1n);
    expect(timerDeadline(made.vcpu, made.now)).toBe(Infinity);
    timerUpdate(made.vcpu, made.now, made.host);
    expect(timerLevels(made.vcpu)).toBe(0);
  });

  test.each([1n, 0x7fff_ffffn, -5n, -0x8000_0000n])('is set by TVAL %i from now', (value) => {
    const made = guest(0);
    made.now = 2 ** 32 * TICK - TICK;
    made.msr('CNTV_TVAL_EL0', value);
    expect(made.mrs('CNTV_CVAL_EL0')).toBe(BigInt.asUintN(64, 0xffff_ffffn + value));
    expect(made.mrs('CNTV_TVAL_EL0')).toBe(BigInt.asUintN(32, value));
    made.now += 7 * TICK;
    expect(made.mrs('CNTV_TVAL_EL0')).toBe(BigInt.asUintN(32, value - 7n));
  });

  test('the nearer one gives the deadline', () => {
    const made = guest();
    for (const [timer, value] of [
      ['CNTV', 500n],
      ['CNTP', 300n],
    ] as const) {
      made.msr(`${timer}_CVAL_EL0`, value);
      made.msr(`${timer}_CTL_EL0`, 1n);
    }
    expect(timerDeadline(made.vcpu, 0)).toBe(300 * TICK);
  });

  test('is switched off by a reset, which keeps CVAL', () => {
    const made = guest();
    made.msr('CNTV_CVAL_EL0', 0n);
    made.msr('CNTV_CTL_EL0', 1n);
    expect(timerLevels(made.vcpu)).toBe(1);
    made.msr('CNTP_CVAL_EL0', 9n);
    resetTimers(made.vcpu, made.host);
    expect(timerLevels(made.vcpu)).toBe(0);
    expect(made.mrs('CNTP_CVAL_EL0')).toBe(9n);
  });
});

test('user space knows CVAL and the counter of the virtual timer by each other’s encoding', () => {
  const keyOf = (name: string): number | undefined => {
    const { user } = rowOf(name);
    return typeof user === 'object' ? (user.key ?? rowOf(name).key) : undefined;
  };
  expect(keyOf('CNTVCT_EL0')).toBe(SYSREGS.CNTV_CVAL_EL0);
  expect(keyOf('CNTV_CVAL_EL0')).toBe(SYSREGS.CNTVCT_EL0);
  expect(keyOf('CNTP_CVAL_EL0')).toBe(SYSREGS.CNTP_CVAL_EL0);
  expect(keyOf('CNTPCT_EL0')).toBe(SYSREGS.CNTPCT_EL0);
  expect(keyOf('CNTV_TVAL_EL0')).toBeUndefined();
});

test('user space gets CTL as it was set, without ISTATUS, until a run', () => {
  const made = guest(SECOND);
  const { user } = rowOf('CNTV_CTL_EL0');
  if (typeof user !== 'object') throw new Error('no access');
  user.set(made.vcpu, 0xffff_ffff_ffff_ffffn, made.host);
  expect(user.get(made.vcpu, made.host)).toBe(0xffff_ffff_ffff_fffbn);
  user.set(made.vcpu, 1n, made.host);
  expect(user.get(made.vcpu, made.host)).toBe(1n);
  timerUpdate(made.vcpu, made.now, made.host);
  expect(user.get(made.vcpu, made.host)).toBe(5n);
});

describe('EL0', () => {
  const registers = [
    ['CNTFRQ_EL0', 0x3],
    ['CNTPCT_EL0', 0x1],
    ['CNTVCT_EL0', 0x2],
    ['CNTV_CTL_EL0', 0x100],
    ['CNTV_TVAL_EL0', 0x100],
    ['CNTP_CVAL_EL0', 0x200],
  ] as const;
  test.each(registers)('reaches %s by its bits of CNTKCTL_EL1', (name, bits) => {
    const made = guest();
    made.vcpu.set32(EL, 0);
    const env: SysregEnv = { host: made.host, engine: undefined as never };
    const open = (bit: number): boolean => {
      made.vcpu.set32(CNTKCTL_EL1, bit);
      return rowOf(name).read!(made.vcpu, X, env) === SYSREG_DONE;
    };
    const each = Array.from({ length: 10 }, (_, bit) => 1 << bit);
    expect(each.filter(open)).toEqual(each.filter((bit) => (bits & bit) !== 0));
    made.vcpu.set32(CNTKCTL_EL1, 0);
    expect(rowOf(name).read!(made.vcpu, X, env)).toBe(SYSREG_TRAP);
  });
});

test('with a GIC in the kernel the outputs are PPIs 27 and 30', () => {
  const gic = guestGic();
  enableAll(gic);
  const { mrs: mrsIcc, msr: msrIcc } = gic;
  const made = guestOf(gic);
  initTimers(made.vcpu, made.host);
  made.msr('CNTV_CVAL_EL0', 10n);
  made.msr('CNTV_CTL_EL0', 1n);
  expect(gic.lines(made.vcpu)).toBe(0);
  made.now = 10 * TICK;
  timerUpdate(made.vcpu, made.now, made.host);
  expect(mrsIcc(made.vcpu, 'ICC_IAR1_EL1')).toBe(27);
  made.msr('CNTV_CTL_EL0', 0n);
  msrIcc(made.vcpu, 'ICC_EOIR1_EL1', 27);
  expect(gic.lines(made.vcpu)).toBe(0);
  made.msr('CNTP_CVAL_EL0', 0n);
  made.msr('CNTP_CTL_EL0', 1n);
  expect(mrsIcc(made.vcpu, 'ICC_IAR1_EL1')).toBe(30);
  expect(gic.vm.get32(IRQCHIP)).toBe(KVM_DEV_TYPE_ARM_VGIC_V3);
  expect(timerLevels(made.vcpu)).toBe(1 << PHYSICAL);
});
