/** vCPU features: which there are, which this CPU has. Source: arch/arm64/include/uapi/asm/kvm.h. */
import { KVM_ARM_VCPU_POWER_OFF, KVM_ARM_VCPU_PSCI_0_2 } from '@vkvm/uapi';

/** Features that a kernel of this profile knows; a higher bit is ENOENT. KVM_VCPU_MAX_FEATURES of Linux 7.3. */
export const MAX_FEATURES = 10;

/** Start STOPPED: of one KVM_ARM_VCPU_INIT, not of the VM. */
export const FEATURE_POWER_OFF = 1 << KVM_ARM_VCPU_POWER_OFF;

/** What the CPU has; the rest is EINVAL. */
export const SUPPORTED_FEATURES = FEATURE_POWER_OFF | (1 << KVM_ARM_VCPU_PSCI_0_2);

/** Size in bits of the physical addresses that the CPU has: KVM_CAP_ARM_VM_IPA_SIZE, ID_AA64MMFR0_EL1.PARange. */
export const MAX_IPA_BITS = 48;
/** What a VM has that does not say. */
export const DEFAULT_IPA_BITS = 40;
export const MIN_IPA_BITS = 32;
