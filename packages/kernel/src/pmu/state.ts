/**
 * The PMU of a vCPU: its words, and what its profile and its VM make of it. Source: Arm DDI 0487, D13; Linux
 * arch/arm64/kvm/pmu-emul.c. The vCPU's thread writes its words; a VM's are written under the state lock.
 */
import { SYSREGS } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { SHARED_FEATURES, hasPmu } from '../state/features.ts';
import { holds, releases } from '../state/profile.ts';
import type { Words } from '../state/words.ts';
import { PMU, VM_BLOCK } from '../state/vcpu-state.ts';
import { idRegister } from '../state/vm-control.ts';
import { VM_PMU } from '../state/vm-state.ts';

/** The cycle counter, by the number that its bit in the masks has. Below are the event counters. */
export const CYCLE_COUNTER = 31;
export const COUNTERS = 32;
/** Event counters of this CPU. */
export const MAX_EVENT_COUNTERS = 6;

/** Registers, 64 bits each: PMEVCNTRn_EL0 and PMCCNTR_EL0; then PMEVTYPERn_EL0 and PMCCFILTR_EL0. */
export const VALUES = PMU + 0x000;
export const TYPES = PMU + 0x100;
/** PMCR_EL0. */
export const PMCR = PMU + 0x200;
/** PMCNTENSET_EL0, PMINTENSET_EL1, PMOVSSET_EL0; the CLR registers are other names of them. */
export const ENABLED = PMU + 0x208;
export const INTERRUPTS = PMU + 0x210;
export const OVERFLOWS = PMU + 0x218;
/** PMSELR_EL0, PMUSERENR_EL0. */
export const SELECTED = PMU + 0x220;
export const USER_ENABLE = PMU + 0x228;
/** PMSWINC_EL0, which was storage for user space. */
export const SOFTWARE_INCREMENT = PMU + 0x230;

/** KVM_ARM_VCPU_PMU_V3_IRQ; 0 = none. */
export const INTID = PMU + 0x240;
/** Not 0: KVM_ARM_VCPU_PMU_V3_INIT is done. */
export const CREATED = PMU + 0x244;
/** 1 = the overflow interrupt is asserted, as last told to the interrupt controller. */
export const LEVEL = PMU + 0x248;
/** Derived: bit n = some counter counts at exception level n. */
export const COUNTING = PMU + 0x24c;
/** Instructions of this stay in guest code that the counters have already seen; 0 outside. */
export const SEEN = PMU + 0x250;
/** Instructions retired at EL0 and EL1 that the counters have not seen yet, 64 bits each. */
export const RETIRED = PMU + 0x258;
/** Instructions that may retire at EL0 and EL1 before an interrupt can be due, 64 bits each. At most that many. */
export const LEFT = PMU + 0x268;

/** Not 0: a PMU is chosen. */
export const PMU_CHOSEN = VM_PMU + 0x00;
/** Event counters that the VM's vCPUs have, since they are a matter of the VM. */
export const EVENT_COUNTERS = VM_PMU + 0x04;
/** Not 0: KVM_ARM_VCPU_PMU_V3_FILTER was used; then one bit for each event that may be counted. */
export const FILTERED = VM_PMU + 0x08;
export const FILTER = VM_PMU + 0x100;

/** PMCR_EL0. */
export const PMCR_E = 1n << 0n;
export const PMCR_P = 1n << 1n;
export const PMCR_C = 1n << 2n;
export const PMCR_LC = 1n << 6n;
export const PMCR_LP = 1n << 7n;
/** All but the number of counters and who made it. */
export const PMCR_FLAGS = 0xffn;
export const PMCR_N_SHIFT = 11n;
export const PMCR_N = 0x1fn << PMCR_N_SHIFT;

/** ID_AA64DFR0_EL1.PMUVer. */
export const PMUVER_SHIFT = 8n;
const PMUV3_P5 = 6;
const VERSIONS = [
  { version: 4, range: releases({ until: '5.12' }) },
  { version: 5, range: releases({ since: '5.12', until: '6.2' }) },
  { version: PMUV3_P5, range: releases({ since: '6.2' }) },
];

/** PMUVer as KVM tells it of this CPU, whose PMU is PMUv3p5. */
export const newestVersion = (memory: { readonly words: Words }): number =>
  VERSIONS.find(({ range }) => holds(memory, range))!.version;

/** PMUVer as the vCPU sees it. */
function versionOf(vcpu: Block): number {
  if (!hasPmu(vcpu)) return 0;
  if (!holds(vcpu, SHARED_FEATURES)) return newestVersion(vcpu);
  return (vcpu.words.get32(vcpu.get32(VM_BLOCK) + idRegister(SYSREGS.ID_AA64DFR0_EL1)) >>> 8) & 15;
}

/** Whether event counters have 64 bits, and PMCR_EL0.LP lets them overflow there. */
export const hasLongCounters = (vcpu: Block): boolean => versionOf(vcpu) >= PMUV3_P5;

/** Bits of PMEVTYPERn_EL0: which exception levels do not count. NSH is storage: there is no EL2 to count. */
export const TYPE_NOT_EL1 = 1n << 31n;
export const TYPE_NOT_EL0 = 1n << 30n;
const TYPE_LEVELS = 0xc800_0000n;

/** Events that KVM lets user space name, whatever the vCPU's PMU has. */
export const EVENTS = 0x1_0000;

/** The event number in PMEVTYPERn_EL0. */
export const eventMask = (vcpu: Block): bigint => {
  const version = versionOf(vcpu);
  return version >= 4 ? 0xffffn : version === 1 ? 0x3ffn : 0n;
};
export const typeMask = (vcpu: Block): bigint => TYPE_LEVELS | eventMask(vcpu);

/** The number of event counters is the VM's. Before, it is what PMCR_EL0 of the vCPU says. */
export const COUNTERS_OF_VM = releases({ since: '6.8' });

export const eventCounters = (vcpu: Block): number =>
  holds(vcpu, COUNTERS_OF_VM)
    ? vcpu.words.get32(vcpu.get32(VM_BLOCK) + EVENT_COUNTERS)
    : Number((vcpu.get64(PMCR) & PMCR_N) >> PMCR_N_SHIFT);

const maskOf = (counters: number): bigint => (1n << BigInt(CYCLE_COUNTER)) | ((1n << BigInt(counters)) - 1n);

/** The counters that there are, as bits. */
export const counterMask = (vcpu: Block): bigint => maskOf(eventCounters(vcpu));

/** The counters that a reset leaves bits of. */
export const resetMask = (vcpu: Block): bigint =>
  maskOf(holds(vcpu, COUNTERS_OF_VM) ? eventCounters(vcpu) : MAX_EVENT_COUNTERS);

/** PMCR_EL0 with the number of counters in it. */
export const controlOf = (vcpu: Block): bigint =>
  (vcpu.get64(PMCR) & ~PMCR_N) | (BigInt(eventCounters(vcpu)) << PMCR_N_SHIFT);
