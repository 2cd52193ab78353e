/** Debug registers. Source: Arm DDI 0487, D19.3. Breakpoints and watchpoints are storage. */
import { EINVAL, SYSREGS, sysregKey } from '@vkvm/uapi';

import { OSLSR_EL1 } from '../state/control.ts';
import { holds, releases } from '../state/profile.ts';
import { MDSCR_EL1 } from '../state/vcpu-state.ts';
import { SYSREG_DONE } from './row.ts';
import type { SysregRow } from './row.ts';

/** As ID_AA64DFR0_EL1 says. User space sees storage for all sixteen of each. */
export const BREAKPOINTS = 6;
export const WATCHPOINTS = 4;
const SLOTS = 16;

/** OSLSR_EL1: the OS lock is implemented (OSLM = 2). */
const OSLM = 0x8n;
const OSLK = 0x2n;
/** The OS lock can be taken, and is saved and restored. Before, it is always free. */
const OS_LOCK = releases({ since: '5.18' });

const KINDS = [
  { name: 'DBGBVR', op2: 4, count: BREAKPOINTS },
  { name: 'DBGBCR', op2: 5, count: BREAKPOINTS },
  { name: 'DBGWVR', op2: 6, count: WATCHPOINTS },
  { name: 'DBGWCR', op2: 7, count: WATCHPOINTS },
] as const;

const comparators = KINDS.flatMap(({ name, op2, count }) =>
  Array.from({ length: SLOTS }, (_, n): SysregRow => ({
    name: `${name}${n}_EL1`,
    key: sysregKey(2, 0, 0, n, op2),
    ...(n < count ? { readEl: 1, writeEl: 1 } : {}),
    stored: true,
    reset: 0n,
    user: 'plain',
    traps: true,
  })),
);

type Name = keyof typeof SYSREGS;

const constant = (name: Name, value: bigint, readEl: 0 | 1 = 1): SysregRow => ({
  name,
  key: SYSREGS[name],
  readEl,
  read(vcpu, to) {
    vcpu.set64(to, value);
    return SYSREG_DONE;
  },
});

const ignored = (name: Name): SysregRow => ({ ...constant(name, 0n), writeEl: 1, write: () => SYSREG_DONE });

export const debugSysregs: readonly SysregRow[] = [
  ...comparators,
  {
    name: 'MDCCINT_EL1',
    traps: true,
    key: SYSREGS.MDCCINT_EL1,
    readEl: 1,
    writeEl: 1,
    stored: true,
    reset: 0n,
    user: 'plain',
  },
  {
    name: 'MDSCR_EL1',
    traps: true,
    key: SYSREGS.MDSCR_EL1,
    readEl: 1,
    writeEl: 1,
    offset: MDSCR_EL1,
    reset: 0n,
    user: 'plain',
  },
  constant('MDRAR_EL1', 0n),
  {
    name: 'OSLAR_EL1',
    key: SYSREGS.OSLAR_EL1,
    writeEl: 1,
    write(vcpu, from) {
      if (!holds(vcpu, OS_LOCK)) return SYSREG_DONE;
      vcpu.set64(OSLSR_EL1, OSLM | ((vcpu.get64(from) & 1n) === 0n ? 0n : OSLK));
      return SYSREG_DONE;
    },
  },
  {
    name: 'OSLSR_EL1',
    traps: true,
    key: SYSREGS.OSLSR_EL1,
    readEl: 1,
    offset: OSLSR_EL1,
    reset: OSLM,
    userReleases: OS_LOCK,
    user: {
      get: (vcpu) => vcpu.get64(OSLSR_EL1),
      set(vcpu, value) {
        if ((value & ~OSLK) !== OSLM) return -EINVAL;
        vcpu.set64(OSLSR_EL1, value);
        return 0;
      },
    },
  },
  ignored('OSDLR_EL1'),
  ignored('DBGPRCR_EL1'),
  ignored('DBGCLAIMSET_EL1'),
  ignored('DBGCLAIMCLR_EL1'),
  constant('DBGAUTHSTATUS_EL1', 0n),
  constant('MDCCSR_EL0', 0n),
  ignored('DBGDTR_EL0'),
  ignored('DBGDTRRX_EL0'),
  { name: 'DBGVCR32_EL2', key: SYSREGS.DBGVCR32_EL2, stored: true, reset: 0n, user: 'plain' },
];
