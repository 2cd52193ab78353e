/** A vCPU's set-up and state. Source: arch/arm64/include/uapi/asm/kvm.h, include/uapi/linux/kvm.h. */

import { array, bytes, s32, struct, u32, u64, u64n, u8 } from './layout.ts';

/** `struct kvm_vcpu_init`. */
export const kvmVcpuInit = struct('kvm_vcpu_init', 32, {
  target: u32(0),
  features: array(4, 7, u32), // KVM_ARM_VCPU_* are bit numbers; all so far are in the first word
});

/** `kvm_vcpu_init.target`: Armv8 foundation models. */
export const KVM_ARM_TARGET_AEM_V8 = 0;
/** `kvm_vcpu_init.target`: Armv8 foundation models. */
export const KVM_ARM_TARGET_FOUNDATION_V8 = 1;
/** `kvm_vcpu_init.target`: Cortex-A57. */
export const KVM_ARM_TARGET_CORTEX_A57 = 2;
/** `kvm_vcpu_init.target`: X-Gene Potenza. */
export const KVM_ARM_TARGET_XGENE_POTENZA = 3;
/** `kvm_vcpu_init.target`: Cortex-A53. */
export const KVM_ARM_TARGET_CORTEX_A53 = 4;
/** `kvm_vcpu_init.target`: any Armv8 CPU. */
export const KVM_ARM_TARGET_GENERIC_V8 = 5;
/** How many targets there are. */
export const KVM_ARM_NUM_TARGETS = 6;

/** Feature bit: the vCPU starts STOPPED. */
export const KVM_ARM_VCPU_POWER_OFF = 0;
/** Feature bit: EL1 is AArch32. */
export const KVM_ARM_VCPU_EL1_32BIT = 1;
/** Feature bit: PSCI 0.2 or newer instead of 0.1. */
export const KVM_ARM_VCPU_PSCI_0_2 = 2;
/** Feature bit: a PMU. */
export const KVM_ARM_VCPU_PMU_V3 = 3;
/** Feature bit: SVE; needs `KVM_ARM_VCPU_FINALIZE`, whose argument is this number too. */
export const KVM_ARM_VCPU_SVE = 4;
/** Feature bit: pointer authentication of addresses; both or neither. */
export const KVM_ARM_VCPU_PTRAUTH_ADDRESS = 5;
/** Feature bit: generic pointer authentication; both or neither. */
export const KVM_ARM_VCPU_PTRAUTH_GENERIC = 6;
/** Feature bit: EL2. */
export const KVM_ARM_VCPU_HAS_EL2 = 7;
/** Feature bit: EL2 without the Virtualization Host Extensions. */
export const KVM_ARM_VCPU_HAS_EL2_E2H0 = 8;
/** Feature bit: no default PMU of the host is chosen. */
export const KVM_ARM_VCPU_PMU_V3_STRICT = 9;

/** Argument of `KVM_ARM_VCPU_FINALIZE`: a feature bit. */
export const kvmVcpuFinalize = struct('int', 4, {
  feature: s32(0),
});

/** `struct kvm_mp_state`. */
export const kvmMpState = struct('kvm_mp_state', 4, {
  mp_state: u32(0),
});

/** `kvm_mp_state.mp_state`: runs when `KVM_RUN` is called. */
export const KVM_MP_STATE_RUNNABLE = 0;
/** Another architecture's. */
export const KVM_MP_STATE_UNINITIALIZED = 1;
/** Another architecture's. */
export const KVM_MP_STATE_INIT_RECEIVED = 2;
/** Another architecture's. */
export const KVM_MP_STATE_HALTED = 3;
/** Another architecture's. */
export const KVM_MP_STATE_SIPI_RECEIVED = 4;
/** `kvm_mp_state.mp_state`: powered off; `KVM_RUN` waits until another vCPU or the VMM starts it. */
export const KVM_MP_STATE_STOPPED = 5;
/** Another architecture's. */
export const KVM_MP_STATE_CHECK_STOP = 6;
/** Another architecture's. */
export const KVM_MP_STATE_OPERATING = 7;
/** Another architecture's. */
export const KVM_MP_STATE_LOAD = 8;
/** Another architecture's. */
export const KVM_MP_STATE_AP_RESET_HOLD = 9;
/** `kvm_mp_state.mp_state`: `KVM_RUN` waits as WFI does, then exits with a WAKEUP event. Since Linux 5.19. */
export const KVM_MP_STATE_SUSPENDED = 10;

/** `struct kvm_vcpu_events`. */
export const kvmVcpuEvents = struct('kvm_vcpu_events', 64, {
  serror_pending: u8(0),
  serror_has_esr: u8(1),
  ext_dabt_pending: u8(2),
  pad: bytes(3, 5),
  serror_esr: u64(8),
  reserved: array(16, 12, u32),
});

/** `struct kvm_guest_debug`. */
export const kvmGuestDebug = struct('kvm_guest_debug', 520, {
  control: u32(0),
  pad: u32(4),
  dbg_bcr: array(8, 16, u64),
  dbg_bvr: array(136, 16, u64),
  dbg_wcr: array(264, 16, u64),
  dbg_wvr: array(392, 16, u64),
});

/** `kvm_guest_debug.control`: debug at all. */
export const KVM_GUESTDBG_ENABLE = 0x1;
/** `kvm_guest_debug.control`: exit after each instruction. */
export const KVM_GUESTDBG_SINGLESTEP = 0x2;
/** `kvm_guest_debug.control`: BRK exits. */
export const KVM_GUESTDBG_USE_SW_BP = 0x1_0000;
/** `kvm_guest_debug.control`: use the breakpoints and watchpoints given. */
export const KVM_GUESTDBG_USE_HW = 0x2_0000;

/** `struct kvm_signal_mask`: followed by `len` bytes. */
export const kvmSignalMask = struct('kvm_signal_mask', 4, {
  len: u32(0),
});

/** `struct kvm_arm_counter_offset`. Since Linux 6.4. */
export const kvmArmCounterOffset = struct('kvm_arm_counter_offset', 16, {
  counter_offset: u64(0),
  reserved: u64(8),
});

/** `struct reg_mask_range`. Since Linux 6.7. */
export const regMaskRange = struct('reg_mask_range', 64, {
  addr: u64n(0), // user address of 192 words
  range: u32(8),
  reserved: array(12, 13, u32),
});

/** `reg_mask_range.range`: the feature id registers. */
export const KVM_ARM_FEATURE_ID_RANGE = 0;
/** Words that `reg_mask_range.addr` points to. */
export const KVM_ARM_FEATURE_ID_RANGE_SIZE = 192;

/** `struct kvm_enable_cap`. */
export const kvmEnableCap = struct('kvm_enable_cap', 104, {
  cap: u32(0),
  flags: u32(4),
  args: array(8, 4, u64),
  pad: bytes(40, 64),
});
