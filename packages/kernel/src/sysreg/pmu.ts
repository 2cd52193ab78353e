/**
 * The registers of a PMU that is not there, as kernels before 5.12 have them: user space sees all of them on every vCPU,
 * and to a guest they read as zero. Source: Linux arch/arm64/kvm/sys_regs.c. Later they are hidden.
 */
import { SYSREGS } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { SYSREG_DONE } from './row.ts';
import type { SysregRow } from './row.ts';
import { UNKNOWN } from './vm.ts';

const ALWAYS_LISTED = releases({ until: '5.12' });
const visible = (vcpu: Block): boolean => holds(vcpu, ALWAYS_LISTED);

/** PMCR_EL0 at reset: LC, and what is unknown of X, DP and D. */
const PMCR_RESET = 0xacn;

function absent(name: keyof typeof SYSREGS, reset: bigint, level: 0 | 1 = 0): SysregRow {
  return {
    name,
    key: SYSREGS[name],
    readEl: level,
    writeEl: level,
    stored: true,
    reset,
    read(vcpu, to) {
      vcpu.set64(to, 0n);
      return SYSREG_DONE;
    },
    write: () => SYSREG_DONE,
    user: 'plain',
    visible,
  };
}

const NAMED = [
  'PMCNTENSET_EL0',
  'PMCNTENCLR_EL0',
  'PMOVSCLR_EL0',
  'PMSWINC_EL0',
  'PMSELR_EL0',
  'PMCCNTR_EL0',
  'PMOVSSET_EL0',
] as const;

/** Event counters, whatever the number of them that a CPU has. */
const numbered = (Object.keys(SYSREGS) as (keyof typeof SYSREGS)[]).filter((name) =>
  /^PMEV(CNTR|TYPER)\d+_EL0$/.test(name),
);

export const pmuSysregs: readonly SysregRow[] = [
  absent('PMINTENSET_EL1', UNKNOWN, 1),
  absent('PMINTENCLR_EL1', UNKNOWN, 1),
  absent('PMCR_EL0', PMCR_RESET),
  absent('PMUSERENR_EL0', 0n),
  absent('PMCCFILTR_EL0', 0n),
  ...NAMED.map((name) => absent(name, UNKNOWN)),
  ...numbered.map((name) => absent(name, UNKNOWN)),
];
