import {
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_PTIMER_CNT,
  KVM_REG_ARM_TIMER_CNT,
  KVM_REG_ARM_TIMER_CVAL,
  KVM_REG_FPCR,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_REG_SPSR_EL1,
  SYSREGS,
  ccsidrId,
  sysregId,
  vRegId,
  xRegId,
  zRegId,
} from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { registerName } from './register-name.ts';

test.each([
  [xRegId(0), 'X0'],
  [xRegId(30), 'X30'],
  [vRegId(0), 'V0'],
  [vRegId(31), 'V31'],
  [KVM_REG_PC, 'PC'],
  [KVM_REG_PSTATE, 'PSTATE'],
  [KVM_REG_SPSR_EL1, 'SPSR_EL1'],
  [KVM_REG_FPCR, 'FPCR'],
  [sysregId(SYSREGS.SCTLR_EL1), 'SCTLR_EL1'],
  [ccsidrId(3), 'CCSIDR_EL1[3]'],
  [KVM_REG_ARM_PSCI_VERSION, 'PSCI_VERSION'],
  [KVM_REG_ARM_PTIMER_CNT, 'CNTPCT_EL0'],
  // Exchanged in the ABI: each has the other's encoding.
  [KVM_REG_ARM_TIMER_CNT, 'CNTVCT_EL0'],
  [KVM_REG_ARM_TIMER_CVAL, 'CNTV_CVAL_EL0'],
  [zRegId(1, 0), '0x6080000000150020'],
  [sysregId(0x7fff), '0x6030000000137fff'],
])('%# is %s', (id, name) => {
  expect(registerName(id)).toBe(name);
});
