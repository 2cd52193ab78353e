import { KVM_REG_ARM_TIMER_CVAL, KVM_REG_ELR_EL1, SYSREGS, sysregId } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { formatRegister, registerId } from './registers.ts';

describe('a register name', () => {
  test('stands for an id; an id stands for itself', () => {
    expect(registerId('x30')).toBe(0x6030_0000_0010_003cn);
    expect(registerId('v31')).toBe(0x6040_0000_0010_00d0n);
    expect(registerId('vbar_el1')).toBe(sysregId(SYSREGS.VBAR_EL1));
    expect(registerId('0x603000000013c006')).toBe(0x6030_0000_0013_c006n);
    expect(registerId('x31')).toBeUndefined();
  });

  test('means the core register where there is one, and the exchanged timer registers of the ABI', () => {
    expect(registerId('elr_el1')).toBe(KVM_REG_ELR_EL1);
    expect(registerId('cntv_cval')).toBe(KVM_REG_ARM_TIMER_CVAL);
  });
});

describe("a register's value", () => {
  test('is hex up to 64 bits', () => {
    expect(formatRegister(Uint8Array.of(0x78, 0x56, 0x34, 0x12))).toBe('0x12345678');
    expect(formatRegister(new Uint8Array(8))).toBe('0x0');
  });

  test('is bytes without trailing zeros above', () => {
    const wide = new Uint8Array(16);
    expect(formatRegister(wide)).toBe('le:00');
    wide.set([1, 0, 2]);
    expect(formatRegister(wide)).toBe('le:010002');
  });
});
