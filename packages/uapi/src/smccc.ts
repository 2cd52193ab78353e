/**
 * SMC calling convention: fields of a function id, ids, return codes, and KVM's filter.
 * Source: Arm DEN 0028; include/linux/arm-smccc.h; asm/kvm.h for the filter.
 */

import { bytes, struct, u32, u8 } from './layout.ts';

/** Function id: a fast call; clear: a yielding one. Bit 31. */
export const ARM_SMCCC_FAST_CALL = 0x8000_0000;
/** Function id: 64-bit arguments. Bit 30. */
export const ARM_SMCCC_SMC_64 = 0x4000_0000;
/** Function id: owner, bits 29–24. */
export const ARM_SMCCC_OWNER_SHIFT = 24;
/** Mask of the field at {@link ARM_SMCCC_OWNER_SHIFT}. */
export const ARM_SMCCC_OWNER_MASK = 0x3f;
/** Function id: number, bits 15–0. */
export const ARM_SMCCC_FUNC_MASK = 0xffff;

/** Owner: the architecture. */
export const ARM_SMCCC_OWNER_ARCH = 0;
/** Owner: the CPU's vendor. */
export const ARM_SMCCC_OWNER_CPU = 1;
/** Owner: the chip's vendor. */
export const ARM_SMCCC_OWNER_SIP = 2;
/** Owner: the board's vendor. */
export const ARM_SMCCC_OWNER_OEM = 3;
/** Owner: standard services, PSCI and TRNG among them. */
export const ARM_SMCCC_OWNER_STANDARD = 4;
/** Owner: standard hypervisor services. */
export const ARM_SMCCC_OWNER_STANDARD_HYP = 5;
/** Owner: the hypervisor's own services. */
export const ARM_SMCCC_OWNER_VENDOR_HYP = 6;
/** Owner: trusted applications, first of two. */
export const ARM_SMCCC_OWNER_TRUSTED_APP = 48;
/** Owner: trusted applications, last. */
export const ARM_SMCCC_OWNER_TRUSTED_APP_END = 49;
/** Owner: trusted OS, first of 14. */
export const ARM_SMCCC_OWNER_TRUSTED_OS = 50;
/** Owner: trusted OS, last. */
export const ARM_SMCCC_OWNER_TRUSTED_OS_END = 63;

/** Done. */
export const SMCCC_RET_SUCCESS = 0;
/** No such function. */
export const SMCCC_RET_NOT_SUPPORTED = -1;
/** The workaround is not required. PSCI gives -2 another meaning. */
export const SMCCC_RET_NOT_REQUIRED = -2;
/** A parameter is wrong. PSCI gives -3 another meaning. */
export const SMCCC_RET_INVALID_PARAMETER = -3;

/** Result of SMCCC_VERSION: 1.0. */
export const ARM_SMCCC_VERSION_1_0 = 0x1_0000;
/** Result of SMCCC_VERSION: 1.1. */
export const ARM_SMCCC_VERSION_1_1 = 0x1_0001;

/** Version of the convention. */
export const ARM_SMCCC_VERSION_FUNC_ID = 0x8000_0000;
/** Whether a function exists. */
export const ARM_SMCCC_ARCH_FEATURES_FUNC_ID = 0x8000_0001;
/** Identity of the chip. */
export const ARM_SMCCC_ARCH_SOC_ID = 0x8000_0002;
/** Mitigation of CVE-2017-5715. */
export const ARM_SMCCC_ARCH_WORKAROUND_1 = 0x8000_8000;
/** Mitigation of CVE-2018-3639. */
export const ARM_SMCCC_ARCH_WORKAROUND_2 = 0x8000_7fff;
/** Mitigation of CVE-2022-23960. */
export const ARM_SMCCC_ARCH_WORKAROUND_3 = 0x8000_3fff;

/** Stolen time: whether a function exists. Since Linux 5.5. */
export const ARM_SMCCC_HV_PV_TIME_FEATURES = 0xc500_0020;
/** Stolen time: guest-physical address of the structure. */
export const ARM_SMCCC_HV_PV_TIME_ST = 0xc500_0021;

/** Random numbers: version. Since Linux 5.12. */
export const ARM_SMCCC_TRNG_VERSION = 0x8400_0050;
/** Random numbers: whether a function exists. */
export const ARM_SMCCC_TRNG_FEATURES = 0x8400_0051;
/** Random numbers: identity of the source. */
export const ARM_SMCCC_TRNG_GET_UUID = 0x8400_0052;
/** Random numbers: up to 96 bits. */
export const ARM_SMCCC_TRNG_RND32 = 0x8400_0053;
/** Random numbers: up to 192 bits. */
export const ARM_SMCCC_TRNG_RND64 = 0xc400_0053;

/** Identity of the hypervisor. Since Linux 5.13. */
export const ARM_SMCCC_VENDOR_HYP_CALL_UID_FUNC_ID = 0x8600_ff01;
/** KVM: which functions it serves. */
export const ARM_SMCCC_VENDOR_HYP_KVM_FEATURES_FUNC_ID = 0x8600_0000;
/** KVM: the host's time and the counter at that moment. */
export const ARM_SMCCC_VENDOR_HYP_KVM_PTP_FUNC_ID = 0x8600_0001;
/** KVM: versions of the CPUs the guest may be moved to. Since Linux 6.15. */
export const ARM_SMCCC_VENDOR_HYP_KVM_DISCOVER_IMPL_VER_FUNC_ID = 0xc600_0040;
/** KVM: CPUs the guest may be moved to. Since Linux 6.15. */
export const ARM_SMCCC_VENDOR_HYP_KVM_DISCOVER_IMPL_CPUS_FUNC_ID = 0xc600_0041;

/** What x0–x3 are after {@link ARM_SMCCC_VENDOR_HYP_CALL_UID_FUNC_ID}: 28b46fb6-2ec5-11e9-a9ca-4b564d003a74. */
export const ARM_SMCCC_VENDOR_HYP_UID_KVM = [0xb66f_b428, 0xe911_c52e, 0x564b_caa9, 0x743a_004d] as const;

/** `struct kvm_smccc_filter`. Since Linux 6.4. */
export const kvmSmcccFilter = struct('kvm_smccc_filter', 24, {
  base: u32(0), // first function id
  nr_functions: u32(4),
  action: u8(8),
  pad: bytes(9, 15),
});

/** `kvm_smccc_filter.action`: the kernel serves it. */
export const KVM_SMCCC_FILTER_HANDLE = 0;
/** `kvm_smccc_filter.action`: the guest gets NOT_SUPPORTED. */
export const KVM_SMCCC_FILTER_DENY = 1;
/** `kvm_smccc_filter.action`: user space serves it; `KVM_EXIT_HYPERCALL`. */
export const KVM_SMCCC_FILTER_FWD_TO_USER = 2;
