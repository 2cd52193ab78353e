/** vCPU features: which there are, which this CPU has. Source: arch/arm64/include/uapi/asm/kvm.h. */
import {
  KVM_ARM_VCPU_HAS_EL2_E2H0,
  KVM_ARM_VCPU_PMU_V3,
  KVM_ARM_VCPU_PMU_V3_STRICT,
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
} from '@vkvm/uapi';

import { holds, releases } from '../state/profile.ts';
import { MAX_MEMSLOTS } from '../state/vm-state.ts';
import type { Words } from '../state/words.ts';

/** KVM_ARM_VCPU_HAS_EL2, HAS_EL2_E2H0 and PMU_V3_STRICT are known. */
const TEN_FEATURES = releases({ since: '7.3' });
const SEVEN_FEATURES = releases({ since: '5.10' });

/** How many features the profile knows, KVM_VCPU_MAX_FEATURES; a higher bit is ENOENT. */
export function maxFeatures(words: Words): number {
  if (holds({ words }, TEN_FEATURES)) return 10;
  return holds({ words }, SEVEN_FEATURES) ? 7 : 2;
}

/** Start STOPPED: of one KVM_ARM_VCPU_INIT, not of the VM. */
export const FEATURE_POWER_OFF = 1 << KVM_ARM_VCPU_POWER_OFF;

export const FEATURE_PMU = 1 << KVM_ARM_VCPU_PMU_V3;
/** No PMU is chosen unless user space says which. Needs FEATURE_PMU. */
export const FEATURE_PMU_STRICT = 1 << KVM_ARM_VCPU_PMU_V3_STRICT;

/** What the CPU has; the rest is EINVAL. */
export const SUPPORTED_FEATURES =
  FEATURE_POWER_OFF |
  (1 << KVM_ARM_VCPU_PSCI_0_2) |
  FEATURE_PMU |
  FEATURE_PMU_STRICT |
  // Says how EL2 shall be, where there is one.
  (1 << KVM_ARM_VCPU_HAS_EL2_E2H0);

/** Size in bits of the physical addresses that the CPU has: KVM_CAP_ARM_VM_IPA_SIZE, ID_AA64MMFR0_EL1.PARange. */
export const MAX_IPA_BITS = 48;
/** What a VM has that does not say. */
export const DEFAULT_IPA_BITS = 40;
export const MIN_IPA_BITS = 32;

/** Before, there are 512 user memslots, a constant of arm64. */
const MANY_MEMSLOTS = releases({ since: '6.1' });
const FEW_MEMSLOTS = 512;

/** Number of memslots, and so the bound of their ids: KVM_CAP_NR_MEMSLOTS. */
export const memslotLimit = (words: Words): number =>
  holds({ words }, MANY_MEMSLOTS) ? MAX_MEMSLOTS : FEW_MEMSLOTS;
