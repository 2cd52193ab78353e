/**
 * Exit reasons, and the codes within them. Source: include/uapi/linux/kvm.h.
 *
 * Numbers that arm64 never produces are listed all the same: they are taken.
 */

import type { LinuxVersion } from './brand.ts';

/** An exit reason. */
export interface ExitRow<Name extends string = string> {
  readonly name: Name;
  readonly number: number;
  /** arm64 produces it. */
  readonly arm64: boolean;
  readonly since?: LinuxVersion;
}

/** No exit yet, or `KVM_RUN` failed before there was one. */
export const KVM_EXIT_UNKNOWN = 0;
/** Another architecture's. */
export const KVM_EXIT_EXCEPTION = 1;
/** Another architecture's. */
export const KVM_EXIT_IO = 2;
/** An SMCCC call that the filter forwards; see `kvmRunHypercall`. Since Linux 6.4. */
export const KVM_EXIT_HYPERCALL = 3;
/** A debug exception or a step; see `kvmRunDebug`. */
export const KVM_EXIT_DEBUG = 4;
/** Another architecture's. */
export const KVM_EXIT_HLT = 5;
/** An access that no memslot backs; see `kvmRunMmio`. */
export const KVM_EXIT_MMIO = 6;
/** Another architecture's. */
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
/** Another architecture's. */
export const KVM_EXIT_SHUTDOWN = 8;
/** The vCPU cannot be entered; see `kvmRunFailEntry`. */
export const KVM_EXIT_FAIL_ENTRY = 9;
/** Interrupted; `KVM_RUN` answers `-EINTR`. */
export const KVM_EXIT_INTR = 10;
/** Another architecture's. */
export const KVM_EXIT_SET_TPR = 11;
/** Another architecture's. */
export const KVM_EXIT_TPR_ACCESS = 12;
/** Another architecture's. */
export const KVM_EXIT_S390_SIEIC = 13;
/** Another architecture's. */
export const KVM_EXIT_S390_RESET = 14;
/** Another architecture's; deprecated. */
export const KVM_EXIT_DCR = 15;
/** Another architecture's. */
export const KVM_EXIT_NMI = 16;
/** The kernel failed; see `kvmRunInternal`. */
export const KVM_EXIT_INTERNAL_ERROR = 17;
/** Another architecture's. */
export const KVM_EXIT_OSI = 18;
/** Another architecture's. */
export const KVM_EXIT_PAPR_HCALL = 19;
/** Another architecture's. */
export const KVM_EXIT_S390_UCONTROL = 20;
/** Another architecture's. */
export const KVM_EXIT_WATCHDOG = 21;
/** Another architecture's. */
export const KVM_EXIT_S390_TSCH = 22;
/** Another architecture's. */
export const KVM_EXIT_EPR = 23;
/** The guest asks for power-off, reset or suspend; see `kvmRunSystemEvent`. Since Linux 3.16. */
export const KVM_EXIT_SYSTEM_EVENT = 24;
/** Another architecture's. */
export const KVM_EXIT_S390_STSI = 25;
/** Another architecture's. */
export const KVM_EXIT_IOAPIC_EOI = 26;
/** Another architecture's. */
export const KVM_EXIT_HYPERV = 27;
/** An access to no memslot that the syndrome does not describe; see `kvmRunArmNisv`. Since Linux 5.5. */
export const KVM_EXIT_ARM_NISV = 28;
/** Another architecture's. */
export const KVM_EXIT_X86_RDMSR = 29;
/** Another architecture's. */
export const KVM_EXIT_X86_WRMSR = 30;
/** The dirty ring is full. */
export const KVM_EXIT_DIRTY_RING_FULL = 31;
/** Another architecture's. */
export const KVM_EXIT_AP_RESET_HOLD = 32;
/** Another architecture's. */
export const KVM_EXIT_X86_BUS_LOCK = 33;
/** Another architecture's. */
export const KVM_EXIT_XEN = 34;
/** Another architecture's. */
export const KVM_EXIT_RISCV_SBI = 35;
/** Another architecture's. */
export const KVM_EXIT_RISCV_CSR = 36;
/** Another architecture's. */
export const KVM_EXIT_NOTIFY = 37;
/** Another architecture's. */
export const KVM_EXIT_LOONGARCH_IOCSR = 38;
/** A fault that user space can resolve; see `kvmRunMemoryFault`. */
export const KVM_EXIT_MEMORY_FAULT = 39;
/** Another architecture's. */
export const KVM_EXIT_TDX = 40;
/** An external abort on the host's memory; see `kvmRunArmSea`. */
export const KVM_EXIT_ARM_SEA = 41;
/** A 64-byte load or store to no memslot; see `kvmRunArmNisv`. */
export const KVM_EXIT_ARM_LDST64B = 42;
/** Another architecture's. */
export const KVM_EXIT_SNP_REQ_CERTS = 43;

/** The vCPU would wait, under `VKVM_CAP_SLICE`; see `vkvmRunIdle`. vkvm's own. */
export const VKVM_EXIT_IDLE = 0x564b_0001;
/** A PSCI call that is user space's, by `VKVM_CAP_PSCI_OWNER`; see `vkvmRunPsci`. vkvm's own; since ABI revision 2. */
export const VKVM_EXIT_PSCI = 0x564b_0002;

const rows = [
  { name: 'KVM_EXIT_UNKNOWN', number: KVM_EXIT_UNKNOWN, arm64: true },
  { name: 'KVM_EXIT_EXCEPTION', number: KVM_EXIT_EXCEPTION, arm64: false },
  { name: 'KVM_EXIT_IO', number: KVM_EXIT_IO, arm64: false },
  { name: 'KVM_EXIT_HYPERCALL', number: KVM_EXIT_HYPERCALL, arm64: true, since: '6.4' },
  { name: 'KVM_EXIT_DEBUG', number: KVM_EXIT_DEBUG, arm64: true },
  { name: 'KVM_EXIT_HLT', number: KVM_EXIT_HLT, arm64: false },
  { name: 'KVM_EXIT_MMIO', number: KVM_EXIT_MMIO, arm64: true },
  { name: 'KVM_EXIT_IRQ_WINDOW_OPEN', number: KVM_EXIT_IRQ_WINDOW_OPEN, arm64: false },
  { name: 'KVM_EXIT_SHUTDOWN', number: KVM_EXIT_SHUTDOWN, arm64: false },
  { name: 'KVM_EXIT_FAIL_ENTRY', number: KVM_EXIT_FAIL_ENTRY, arm64: true },
  { name: 'KVM_EXIT_INTR', number: KVM_EXIT_INTR, arm64: true },
  { name: 'KVM_EXIT_SET_TPR', number: KVM_EXIT_SET_TPR, arm64: false },
  { name: 'KVM_EXIT_TPR_ACCESS', number: KVM_EXIT_TPR_ACCESS, arm64: false },
  { name: 'KVM_EXIT_S390_SIEIC', number: KVM_EXIT_S390_SIEIC, arm64: false },
  { name: 'KVM_EXIT_S390_RESET', number: KVM_EXIT_S390_RESET, arm64: false },
  { name: 'KVM_EXIT_DCR', number: KVM_EXIT_DCR, arm64: false },
  { name: 'KVM_EXIT_NMI', number: KVM_EXIT_NMI, arm64: false },
  { name: 'KVM_EXIT_INTERNAL_ERROR', number: KVM_EXIT_INTERNAL_ERROR, arm64: true },
  { name: 'KVM_EXIT_OSI', number: KVM_EXIT_OSI, arm64: false },
  { name: 'KVM_EXIT_PAPR_HCALL', number: KVM_EXIT_PAPR_HCALL, arm64: false },
  { name: 'KVM_EXIT_S390_UCONTROL', number: KVM_EXIT_S390_UCONTROL, arm64: false },
  { name: 'KVM_EXIT_WATCHDOG', number: KVM_EXIT_WATCHDOG, arm64: false },
  { name: 'KVM_EXIT_S390_TSCH', number: KVM_EXIT_S390_TSCH, arm64: false },
  { name: 'KVM_EXIT_EPR', number: KVM_EXIT_EPR, arm64: false },
  { name: 'KVM_EXIT_SYSTEM_EVENT', number: KVM_EXIT_SYSTEM_EVENT, arm64: true, since: '3.16' },
  { name: 'KVM_EXIT_S390_STSI', number: KVM_EXIT_S390_STSI, arm64: false },
  { name: 'KVM_EXIT_IOAPIC_EOI', number: KVM_EXIT_IOAPIC_EOI, arm64: false },
  { name: 'KVM_EXIT_HYPERV', number: KVM_EXIT_HYPERV, arm64: false },
  { name: 'KVM_EXIT_ARM_NISV', number: KVM_EXIT_ARM_NISV, arm64: true, since: '5.5' },
  { name: 'KVM_EXIT_X86_RDMSR', number: KVM_EXIT_X86_RDMSR, arm64: false },
  { name: 'KVM_EXIT_X86_WRMSR', number: KVM_EXIT_X86_WRMSR, arm64: false },
  { name: 'KVM_EXIT_DIRTY_RING_FULL', number: KVM_EXIT_DIRTY_RING_FULL, arm64: true },
  { name: 'KVM_EXIT_AP_RESET_HOLD', number: KVM_EXIT_AP_RESET_HOLD, arm64: false },
  { name: 'KVM_EXIT_X86_BUS_LOCK', number: KVM_EXIT_X86_BUS_LOCK, arm64: false },
  { name: 'KVM_EXIT_XEN', number: KVM_EXIT_XEN, arm64: false },
  { name: 'KVM_EXIT_RISCV_SBI', number: KVM_EXIT_RISCV_SBI, arm64: false },
  { name: 'KVM_EXIT_RISCV_CSR', number: KVM_EXIT_RISCV_CSR, arm64: false },
  { name: 'KVM_EXIT_NOTIFY', number: KVM_EXIT_NOTIFY, arm64: false },
  { name: 'KVM_EXIT_LOONGARCH_IOCSR', number: KVM_EXIT_LOONGARCH_IOCSR, arm64: false },
  { name: 'KVM_EXIT_MEMORY_FAULT', number: KVM_EXIT_MEMORY_FAULT, arm64: true },
  { name: 'KVM_EXIT_TDX', number: KVM_EXIT_TDX, arm64: false },
  { name: 'KVM_EXIT_ARM_SEA', number: KVM_EXIT_ARM_SEA, arm64: true },
  { name: 'KVM_EXIT_ARM_LDST64B', number: KVM_EXIT_ARM_LDST64B, arm64: true },
  { name: 'KVM_EXIT_SNP_REQ_CERTS', number: KVM_EXIT_SNP_REQ_CERTS, arm64: false },
  { name: 'VKVM_EXIT_IDLE', number: VKVM_EXIT_IDLE, arm64: true },
  { name: 'VKVM_EXIT_PSCI', number: VKVM_EXIT_PSCI, arm64: true },
] as const satisfies readonly ExitRow[];

/** Name of an exit reason. */
export type ExitName = (typeof rows)[number]['name'];

/** Every exit reason, by ascending number. */
export const EXITS: readonly ExitRow<ExitName>[] = rows;

/** `kvm_run.vkvm_idle.why`: WFI with no interrupt pending. */
export const VKVM_IDLE_WFI = 1;
/** `kvm_run.vkvm_idle.why`: the vCPU is STOPPED. */
export const VKVM_IDLE_STOPPED = 2;
/** `kvm_run.vkvm_idle.why`: the vCPU is SUSPENDED and nothing wakes it. */
export const VKVM_IDLE_SUSPENDED = 3;

/** `kvm_run.system_event.type`: the guest asks to be powered off. Every vCPU is STOPPED. */
export const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
/** `kvm_run.system_event.type`: the guest asks to be reset. Every vCPU is STOPPED. */
export const KVM_SYSTEM_EVENT_RESET = 2;
/** `kvm_run.system_event.type`: the guest crashed. Not produced on arm64. */
export const KVM_SYSTEM_EVENT_CRASH = 3;
/** `kvm_run.system_event.type`: an interrupt is pending for this SUSPENDED vCPU. Since Linux 5.19. */
export const KVM_SYSTEM_EVENT_WAKEUP = 4;
/** `kvm_run.system_event.type`: the guest asks to be suspended to RAM. Since Linux 5.19. */
export const KVM_SYSTEM_EVENT_SUSPEND = 5;
/** `kvm_run.system_event.type`: x86 only. */
export const KVM_SYSTEM_EVENT_SEV_TERM = 6;
/** `kvm_run.system_event.type`: x86 only. */
export const KVM_SYSTEM_EVENT_TDX_FATAL = 7;

/** `data[0]` of a SHUTDOWN: by PSCI SYSTEM_OFF2. Since Linux 6.13. */
export const KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2 = 0x1;
/** `data[0]` of a RESET: by PSCI SYSTEM_RESET2. Since Linux 5.18. */
export const KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2 = 0x1;
