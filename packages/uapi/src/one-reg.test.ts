import { describe, expect, test } from 'vitest';
import {
  CORE_REGS,
  KVM_REG_ARM64_SVE_VLS,
  KVM_REG_ARM_PTIMER_CVAL,
  KVM_REG_ARM_TIMER_CNT,
  KVM_REG_ARM_TIMER_CVAL,
  KVM_REG_FPCR,
  KVM_REG_PC,
  ccsidrId,
  coreId,
  ffrId,
  pRegId,
  regSize,
  sysregId,
  sysregKeyOf,
  vRegId,
  xRegId,
  zRegId,
} from './one-reg.ts';
import { SYSREGS } from './sysregs.ts';

describe('a register id', () => {
  test.each([
    ['X0', xRegId(0), 0x6030_0000_0010_0000n, 8],
    ['X30', xRegId(30), 0x6030_0000_0010_003cn, 8],
    ['PC', coreId(CORE_REGS.PC), KVM_REG_PC, 8],
    ['V0', vRegId(0), 0x6040_0000_0010_0054n, 16],
    ['V31', vRegId(31), 0x6040_0000_0010_00d0n, 16],
    ['FPCR', KVM_REG_FPCR, 0x6020_0000_0010_00d5n, 4],
    ['SCTLR_EL1', sysregId(SYSREGS.SCTLR_EL1), 0x6030_0000_0013_c080n, 8],
    ['CCSIDR for CSSELR 2', ccsidrId(2), 0x6020_0000_0011_0002n, 4],
    ['Z31, slice 0', zRegId(31, 0), 0x6080_0000_0015_03e0n, 256],
    ['P1, slice 0', pRegId(1, 0), 0x6050_0000_0015_0420n, 32],
    ['FFR', ffrId(0), 0x6050_0000_0015_0600n, 32],
    ['the SVE vector lengths', KVM_REG_ARM64_SVE_VLS, 0x6060_0000_0015_ffffn, 64],
  ])('of %s is as on Linux, size included', (_name, id, expected, size) => {
    expect(id).toBe(expected);
    expect(regSize(id)).toBe(size);
  });

  test('exchanges CNTVCT and CNTV_CVAL of the virtual timer, and not of the physical one', () => {
    expect(KVM_REG_ARM_TIMER_CNT).toBe(sysregId(SYSREGS.CNTV_CVAL_EL0));
    expect(KVM_REG_ARM_TIMER_CVAL).toBe(sysregId(SYSREGS.CNTVCT_EL0));
    expect(KVM_REG_ARM_PTIMER_CVAL).toBe(sysregId(SYSREGS.CNTP_CVAL_EL0));
  });
});

test('the encoding of a system register is read back, and no other id has one', () => {
  expect(sysregKeyOf(sysregId(SYSREGS.SCTLR_EL1))).toBe(SYSREGS.SCTLR_EL1);
  expect([KVM_REG_PC, vRegId(3), ccsidrId(1), KVM_REG_ARM64_SVE_VLS].map(sysregKeyOf)).toEqual(
    Array.from({ length: 4 }, () => undefined),
  );
});
