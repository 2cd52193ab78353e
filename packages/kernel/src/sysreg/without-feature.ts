/**
 * Registers of features that the CPU lacks. Some kernels listed them for user space all the same, as storage, until
 * their rows asked for the feature. Source: the register lists of Linux 6.12.
 */
import { SYSREGS } from '@vkvm/uapi';

import { releases } from '../state/profile.ts';
import type { SysregRow } from './row.ts';

/** What KVM resets an architecturally unknown value to. */
const UNKNOWN = 0x1de7_ec7e_dbad_c0den;

/** Of permission indirection. */
const LISTED = releases({ since: '6.7', until: '7.3' });

const listed = (name: keyof typeof SYSREGS, reset: bigint): SysregRow => ({
  name,
  key: SYSREGS[name],
  stored: true,
  reset,
  user: 'plain',
  userReleases: LISTED,
});

export const withoutFeatureSysregs: readonly SysregRow[] = [
  listed('TCR2_EL1', 0n),
  listed('PIRE0_EL1', UNKNOWN),
  listed('PIR_EL1', UNKNOWN),
];
