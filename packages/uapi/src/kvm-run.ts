/**
 * The page a vCPU shares with its VMM. Offsets of all structs here count from the start of that page.
 * Source: include/uapi/linux/kvm.h, `struct kvm_run`; the fields of other architectures are left out.
 */

import { array, bytes, struct, u16, u32, u64, u64n, u8 } from './layout.ts';

/** `struct kvm_run`. */
export const kvmRun = struct('kvm_run', 2352, {
  request_interrupt_window: u8(0), // ignored on arm64
  immediate_exit: u8(1), // read once, when KVM_RUN starts
  padding1: bytes(2, 6),
  exit_reason: u32(8), // read on entry too: 6 lets a pending MMIO access complete
  ready_for_interrupt_injection: u8(12),
  if_flag: u8(13),
  flags: u16(14),
  cr8: u64(16),
  apic_base: u64(24),
  padding: bytes(32, 256), // the union of the exits below
  kvm_valid_regs: u64(288),
  kvm_dirty_regs: u64(296),
  s: bytes(304, 2048), // union of kvm_sync_regs and padding
});

/** `kvm_run.flags` with `KVM_EXIT_DEBUG`: `hsr_high` is valid. */
export const KVM_DEBUG_ARCH_HSR_HIGH_VALID = 0x1;

/** `KVM_EXIT_UNKNOWN`. */
export const kvmRunHw = struct('kvm_run.hw', 40, {
  hardware_exit_reason: u64(32),
});

/** `KVM_EXIT_FAIL_ENTRY`. Stale when `KVM_RUN` failed with `EINVAL`. */
export const kvmRunFailEntry = struct('kvm_run.fail_entry', 48, {
  hardware_entry_failure_reason: u64(32),
  cpu: u32(40),
});

/** `kvm_run.fail_entry.hardware_entry_failure_reason`: this CPU cannot run the vCPU. */
export const KVM_EXIT_FAIL_ENTRY_CPU_UNSUPPORTED = 1;

/** `KVM_EXIT_DEBUG`: `struct kvm_debug_exit_arch`. */
export const kvmRunDebug = struct('kvm_run.debug', 48, {
  hsr: u32(32), // ESR_EL2[31:0]
  hsr_high: u32(36), // ESR_EL2[63:32]; see KVM_DEBUG_ARCH_HSR_HIGH_VALID
  far: u64(40), // only for watchpoints
});

/** `KVM_EXIT_MMIO`. */
export const kvmRunMmio = struct('kvm_run.mmio', 56, {
  phys_addr: u64n(32),
  data: bytes(40, 8), // little-endian; only the first `len` bytes count
  len: u32(48), // 1, 2, 4 or 8
  is_write: u8(52),
});

/** `KVM_EXIT_HYPERCALL`. Arguments and results of the call go through `KVM_GET_ONE_REG` and `KVM_SET_ONE_REG`. */
export const kvmRunHypercall = struct('kvm_run.hypercall', 104, {
  nr: u64(32), // the function id, zero-extended
  args: array(40, 6, u64), // zero on arm64
  ret: u64(88), // zero, and ignored on re-entry
  flags: u64(96),
});

/** `kvm_run.hypercall.flags`: the conduit was SMC. */
export const KVM_HYPERCALL_EXIT_SMC = 0x1;
/** `kvm_run.hypercall.flags`: the instruction was a 16-bit one. */
export const KVM_HYPERCALL_EXIT_16BIT = 0x2;

/** `KVM_EXIT_INTERNAL_ERROR`. */
export const kvmRunInternal = struct('kvm_run.internal', 168, {
  suberror: u32(32),
  ndata: u32(36),
  data: array(40, 16, u64),
});

/** `KVM_EXIT_SYSTEM_EVENT` since Linux 5.18. Before, `flags` at 40 stood in place of `data` and `ndata` was a pad. */
export const kvmRunSystemEvent = struct('kvm_run.system_event', 168, {
  type: u32(32),
  ndata: u32(36), // how many words of `data` are valid
  data: array(40, 16, u64),
});

/** `KVM_EXIT_ARM_NISV` and `KVM_EXIT_ARM_LDST64B`: an access that the syndrome does not describe. */
export const kvmRunArmNisv = struct('kvm_run.arm_nisv', 48, {
  esr_iss: u64(32),
  fault_ipa: u64n(40),
});

/** `KVM_EXIT_MEMORY_FAULT`. The one exit whose union is valid although `KVM_RUN` failed. */
export const kvmRunMemoryFault = struct('kvm_run.memory_fault', 56, {
  flags: u64(32),
  gpa: u64n(40),
  size: u64n(48),
});

/** `kvm_run.memory_fault.flags`: the access was a private one. */
export const KVM_MEMORY_EXIT_FLAG_PRIVATE = 0x8;

/** `KVM_EXIT_ARM_SEA`: a synchronous external abort on memory of the host. */
export const kvmRunArmSea = struct('kvm_run.arm_sea', 64, {
  flags: u64(32),
  esr: u64(40),
  gva: u64(48),
  gpa: u64(56),
});

/** `kvm_run.arm_sea.flags`: `gpa` is valid. */
export const KVM_EXIT_ARM_SEA_FLAG_GPA_VALID = 0x1;

/** `struct kvm_sync_regs`: output levels when the interrupt controller is in user space. */
export const kvmRunSyncRegs = struct('kvm_run.s.regs', 312, {
  device_irq_level: u64(304),
});

/** `device_irq_level`: the EL1 virtual timer. Source: asm/kvm.h. */
export const KVM_ARM_DEV_EL1_VTIMER = 0x1;
/** `device_irq_level`: the EL1 physical timer. */
export const KVM_ARM_DEV_EL1_PTIMER = 0x2;
/** `device_irq_level`: the PMU. */
export const KVM_ARM_DEV_PMU = 0x4;

/** `VKVM_EXIT_IDLE`: under `VKVM_CAP_SLICE`, the vCPU would wait. vkvm's own. */
export const vkvmRunIdle = struct('kvm_run.vkvm_idle', 48, {
  why: u32(32), // VKVM_IDLE_*
  pad: bytes(36, 4),
  deadline_ns: u64(40), // monotonic clock; all ones: none
});

/** What is vkvm's own in the page, after the end of `struct kvm_run`. */
export const vkvmRunPage = struct('vkvm_run_page', 4096, {
  kick: u32(0xff8),
});

/**
 * Offset of the kick word. The VMM's signal is `Atomics.add(word, 1)` and a notify: the vCPU leaves `KVM_RUN` with
 * `-EINTR`. The kernel sets {@link VKVM_KICK_REQUEST} and takes the whole word by an exchange with 0.
 */
export const VKVM_KICK_OFFSET = 0xff8;
/** Bits of the kick word that are the VMM's: not zero is a signal. */
export const VKVM_KICK_SIGNAL_MASK = 0x7fff_ffff;
/** Bit of the kick word that is the kernel's: look at the request bits; causes no exit. */
export const VKVM_KICK_REQUEST = 0x8000_0000;

/** Page of a vCPU's file at which the coalesced MMIO ring is mapped. */
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 1;
/** Page of a vCPU's file from which the dirty ring is mapped. */
export const KVM_DIRTY_LOG_PAGE_OFFSET = 64;
