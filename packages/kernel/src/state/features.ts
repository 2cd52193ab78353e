/** Features of a vCPU: KVM_ARM_VCPU_* bits as KVM_ARM_VCPU_INIT gave them. */
import { KVM_ARM_VCPU_PMU_V3 } from '@vkvm/uapi';

import type { Block } from './block.ts';
import { VCPU_FEATURES } from './control.ts';
import { holds, releases } from './profile.ts';
import { VM_BLOCK } from './vcpu-state.ts';
import { FEATURES } from './vm-control.ts';

/** All vCPUs of a VM have the same features, and POWER_OFF is none of them. Before, each has its own, with that bit. */
export const SHARED_FEATURES = releases({ since: '6.7' });

export const featuresOf = (vcpu: Block): number =>
  holds(vcpu, SHARED_FEATURES)
    ? vcpu.words.get32(vcpu.get32(VM_BLOCK) + FEATURES)
    : vcpu.get32(VCPU_FEATURES);

/** Whether the vCPU has a PMU. */
export const hasPmu = (vcpu: Block): boolean => (featuresOf(vcpu) & (1 << KVM_ARM_VCPU_PMU_V3)) !== 0;
