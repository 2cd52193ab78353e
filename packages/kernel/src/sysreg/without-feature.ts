/**
 * Registers of features that the CPU lacks. Some kernels listed them for user space all the same, as storage, until
 * their rows asked for the feature. Source: the register lists of Linux 5.10 and 6.12.
 */
import { SYSREGS } from '@vkvm/uapi';
import type { ReleaseRange } from '@vkvm/uapi';

import { holds, releases } from '../state/profile.ts';
import { SYSREG_DONE } from './row.ts';
import type { SysregRow } from './row.ts';

/** What KVM resets an architecturally unknown value to. */
const UNKNOWN = 0x1de7_ec7e_dbad_c0den;

type Name = keyof typeof SYSREGS;

const listed =
  (range: ReleaseRange) =>
  (reset: bigint, names: readonly Name[]): readonly SysregRow[] =>
    names.map((name) => ({
      name,
      key: SYSREGS[name],
      stored: true,
      reset,
      user: 'plain',
      userReleases: releases(range),
    }));

const numbered = (prefix: 'PMEVCNTR' | 'PMEVTYPER'): readonly Name[] =>
  Array.from({ length: 31 }, (_, n) => `${prefix}${n}_EL0` as Name);

/** Without a PMU its registers read as zero and ignore writes. Later they are undefined. */
const RAZ_WI = releases({ until: '5.11' });

const pmu = (reset: bigint, names: readonly Name[]): readonly SysregRow[] =>
  listed({ until: '5.11' })(reset, names).map((row) => {
    const level = row.name.endsWith('_EL1') ? 1 : 0;
    return {
      ...row,
      visible: (vcpu) => holds(vcpu, RAZ_WI),
      readEl: level,
      writeEl: level,
      read(vcpu, to) {
        vcpu.set64(to, 0n);
        return SYSREG_DONE;
      },
      write: () => SYSREG_DONE,
    };
  });
const permissions = listed({ since: '6.7', until: '7.3' });

export const withoutFeatureSysregs: readonly SysregRow[] = [
  // PMCR_EL0: LC, and what is unknown of X, DP and D.
  ...pmu(0xacn, ['PMCR_EL0']),
  ...pmu(0n, ['PMUSERENR_EL0', 'PMCCFILTR_EL0']),
  ...pmu(UNKNOWN, [
    'PMINTENSET_EL1',
    'PMINTENCLR_EL1',
    'PMCNTENSET_EL0',
    'PMCNTENCLR_EL0',
    'PMOVSCLR_EL0',
    'PMOVSSET_EL0',
    'PMSWINC_EL0',
    'PMSELR_EL0',
    'PMCCNTR_EL0',
    ...numbered('PMEVCNTR'),
    ...numbered('PMEVTYPER'),
  ]),
  ...permissions(0n, ['TCR2_EL1']),
  ...permissions(UNKNOWN, ['PIRE0_EL1', 'PIR_EL1']),
];
