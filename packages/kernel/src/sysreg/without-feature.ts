/**
 * Registers of features that the CPU lacks. A guest does not have them, but some kernels listed them for user space all
 * the same, as storage, until their rows asked for the feature. Source: the register lists of Linux 5.10 and 6.12.
 */
import { SYSREGS } from '@vkvm/uapi';
import type { ReleaseRange } from '@vkvm/uapi';

import { releases } from '../state/profile.ts';
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

const pmu = listed({ until: '5.11' });
const permissions = listed({ since: '6.7', until: '7.3' });

export const withoutFeatureSysregs: readonly SysregRow[] = [
  ...pmu(0n, ['PMCR_EL0', 'PMUSERENR_EL0', 'PMCCFILTR_EL0']),
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
