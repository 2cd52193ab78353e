import { SYSREGS, ccsidrId, sysregId } from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { TestProcess, TestVcpu, TestVm } from './machine.ts';

const CLIDR = sysregId(SYSREGS.CLIDR_EL1);
const CTR = sysregId(SYSREGS.CTR_EL0);
const IDC = 1n << 28n;

const vcpu = (profile: ProfileName): TestVcpu =>
  new TestVcpu(new TestVm(new TestProcess({ profile }))).start();

describe('CLIDR_EL1', () => {
  test("is the machine's until Linux makes it up", () => {
    const it = vcpu('linux-6.1');
    expect(it.get(CLIDR)).toBe(0x200_0023n);
    expect(it.set(CLIDR, 0x200_0023n)).toBe(0);
    expect(it.set(CLIDR, 0x200_0021n)).toBe('EINVAL');
  });

  test.each(['linux-6.12', 'linux-7.3'] as const)(
    'takes every value but for reserved bits: %s',
    (profile) => {
      const it = vcpu(profile);
      for (const value of [0x200_0023n, 0n, 0x7fff_ffff_ffffn]) {
        expect(it.set(CLIDR, value)).toBe(0);
        expect(it.get(CLIDR)).toBe(value);
      }
      expect(it.set(CLIDR, 0x8000_0000_0000n)).toBe('EINVAL');
      expect(it.init()).toBe(0);
      expect(it.get(CLIDR)).toBe(0x200_0021n);
    },
  );

  test('names a level to clean to where CTR_EL0 says that one must', () => {
    const it = vcpu('linux-7.3');
    expect(it.set(CTR, (it.get(CTR) as bigint) & ~IDC)).toBe(0);
    expect(it.set(CLIDR, 0x200_0021n)).toBe('EINVAL');
    expect(it.set(CLIDR, 0x820_0003n)).toBe('EINVAL');
    expect(it.set(CLIDR, 0x920_0003n)).toBe(0);
    expect(it.init()).toBe(0);
    expect(it.get(CLIDR)).toBe(0x920_0003n);
  });
});

describe('CCSIDR_EL1', () => {
  test('has no lines shorter than the shortest that CTR_EL0 tells', () => {
    const it = vcpu('linux-7.3');
    for (const csselr of [0, 1, 13]) {
      expect(it.set(ccsidrId(csselr), 0xffff_fff8n)).toBe('EINVAL');
      expect(it.set(ccsidrId(csselr), 0xffff_fff9n)).toBe('EINVAL');
      expect(it.set(ccsidrId(csselr), 0xffff_fffan)).toBe(0);
      expect(it.get(ccsidrId(csselr))).toBe(0xffff_fffan);
    }
  });
});
