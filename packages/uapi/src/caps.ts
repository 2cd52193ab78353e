/**
 * Capabilities: what `KVM_CHECK_EXTENSION` is asked, and `KVM_ENABLE_CAP` switches on.
 * Source: include/uapi/linux/kvm.h; Documentation/virt/kvm/api.rst, sections 4.4, 7 and 8.
 */

import type { LinuxVersion } from './brand.ts';

/** A capability. */
export interface CapRow<Name extends string = string> {
  readonly name: Name;
  readonly number: number;
  /** The Linux release that brought it to arm64, or where that is not known the first profile that has it. */
  readonly since?: LinuxVersion;
}

/** An in-kernel interrupt controller. */
export const KVM_CAP_IRQCHIP = 0;
/** Memslots. */
export const KVM_CAP_USER_MEMORY = 3;
/** Recommended number of vCPUs. */
export const KVM_CAP_NR_VCPUS = 9;
/** Number of memslots. */
export const KVM_CAP_NR_MEMSLOTS = 10;
/** `KVM_GET_MP_STATE`, `KVM_SET_MP_STATE`. Since Linux 4.1. */
export const KVM_CAP_MP_STATE = 14;
/** Page of the coalesced MMIO ring in a vCPU's file. */
export const KVM_CAP_COALESCED_MMIO = 15;
/** Memory may change under a memslot. */
export const KVM_CAP_SYNC_MMU = 16;
/** A memslot can be deleted. */
export const KVM_CAP_DESTROY_MEMORY_REGION_WORKS = 21;
/** `KVM_SET_GUEST_DEBUG`. */
export const KVM_CAP_SET_GUEST_DEBUG = 23;
/** Number of routing entries. */
export const KVM_CAP_IRQ_ROUTING = 25;
/** Adjacent memslots behave as one. */
export const KVM_CAP_JOIN_MEMORY_REGIONS_WORKS = 30;
/** `KVM_IRQFD`. */
export const KVM_CAP_IRQFD = 32;
/** `KVM_IOEVENTFD`. */
export const KVM_CAP_IOEVENTFD = 36;
/** `kvm_run.internal` has data; never filled on arm64. */
export const KVM_CAP_INTERNAL_ERROR_DATA = 40;
/** `KVM_GET_VCPU_EVENTS`, `KVM_SET_VCPU_EVENTS`. */
export const KVM_CAP_VCPU_EVENTS = 41;
/** `KVM_ENABLE_CAP` of a vCPU; 0 on arm64. */
export const KVM_CAP_ENABLE_CAP = 54;
/** VCPUs a VM can have. */
export const KVM_CAP_MAX_VCPUS = 66;
/** `KVM_GET_ONE_REG`, `KVM_SET_ONE_REG`. */
export const KVM_CAP_ONE_REG = 70;
/** Registers in `kvm_run`; 0 on arm64. */
export const KVM_CAP_SYNC_REGS = 74;
/** `KVM_SIGNAL_MSI`. */
export const KVM_CAP_SIGNAL_MSI = 77;
/** `KVM_MEM_READONLY`. */
export const KVM_CAP_READONLY_MEM = 81;
/** `KVM_IRQFD_FLAG_RESAMPLE`. */
export const KVM_CAP_IRQFD_RESAMPLE = 82;
/** PSCI; `KVM_ARM_VCPU_POWER_OFF`. Since Linux 3.9. */
export const KVM_CAP_ARM_PSCI = 87;
/** `KVM_ARM_SET_DEVICE_ADDR`. */
export const KVM_CAP_ARM_SET_DEVICE_ADDR = 88;
/** `KVM_CREATE_DEVICE` and attributes. Since Linux 3.14. */
export const KVM_CAP_DEVICE_CTRL = 89;
/** `KVM_ARM_VCPU_EL1_32BIT`. */
export const KVM_CAP_ARM_EL1_32BIT = 93;
/** `KVM_ENABLE_CAP` of a VM. */
export const KVM_CAP_ENABLE_CAP_VM = 98;
/** An ioeventfd of length 0 on port I/O; 0 on arm64. */
export const KVM_CAP_IOEVENTFD_NO_LENGTH = 100;
/** Attributes of a VM; 0 on arm64 although it has them. */
export const KVM_CAP_VM_ATTRIBUTES = 101;
/** `KVM_ARM_VCPU_PSCI_0_2`. Since Linux 3.16. */
export const KVM_CAP_ARM_PSCI_0_2 = 102;
/** `KVM_CHECK_EXTENSION` of a VM. */
export const KVM_CAP_CHECK_EXTENSION_VM = 105;
/** Number of hardware breakpoints. */
export const KVM_CAP_GUEST_DEBUG_HW_BPS = 119;
/** Number of hardware watchpoints. */
export const KVM_CAP_GUEST_DEBUG_HW_WPS = 120;
/** An ioeventfd of length 0. */
export const KVM_CAP_IOEVENTFD_ANY_LENGTH = 122;
/** `KVM_ARM_VCPU_PMU_V3`. */
export const KVM_CAP_ARM_PMU_V3 = 126;
/** Attributes of a vCPU. */
export const KVM_CAP_VCPU_ATTRIBUTES = 127;
/** Bound of vCPU ids. */
export const KVM_CAP_MAX_VCPU_ID = 128;
/** `KVM_MSI_VALID_DEVID`; only asked of a VM. */
export const KVM_CAP_MSI_DEVID = 131;
/** `kvm_run.immediate_exit`. Since Linux 4.11. */
export const KVM_CAP_IMMEDIATE_EXIT = 136;
/** `device_irq_level`: timers and PMU without an in-kernel interrupt controller. */
export const KVM_CAP_ARM_USER_IRQ = 144;
/** `kvm_vcpu_events.serror_esr`. */
export const KVM_CAP_ARM_INJECT_SERROR_ESR = 158;
/** `kvm_coalesced_mmio_zone.pio`. */
export const KVM_CAP_COALESCED_PIO = 162;
/** Largest size in bits of guest-physical addresses. */
export const KVM_CAP_ARM_VM_IPA_SIZE = 165;
/** `KVM_CLEAR_DIRTY_LOG`; args[0] `KVM_DIRTY_LOG_*`. */
export const KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168;
/** `KVM_ARM_VCPU_SVE`. */
export const KVM_CAP_ARM_SVE = 170;
/** `KVM_ARM_VCPU_PTRAUTH_ADDRESS`. */
export const KVM_CAP_ARM_PTRAUTH_ADDRESS = 171;
/** `KVM_ARM_VCPU_PTRAUTH_GENERIC`. */
export const KVM_CAP_ARM_PTRAUTH_GENERIC = 172;
/** A packed irq has 12 bits of vCPU id. */
export const KVM_CAP_ARM_IRQ_LINE_LAYOUT_2 = 174;
/** `KVM_EXIT_ARM_NISV`. Since Linux 5.5. */
export const KVM_CAP_ARM_NISV_TO_USER = 177;
/** `kvm_vcpu_events.ext_dabt_pending`. Since Linux 5.5. */
export const KVM_CAP_ARM_INJECT_EXT_DABT = 178;
/** Args[0]: nanoseconds to poll before a vCPU waits. */
export const KVM_CAP_HALT_POLL = 182;
/** Stolen time. */
export const KVM_CAP_STEAL_TIME = 187;
/** Dirty ring of hosts with total store order; 0 on arm64. */
export const KVM_CAP_DIRTY_LOG_RING = 192;
/** Bits of `kvm_guest_debug.control` that may be set. Since Linux 5.13. */
export const KVM_CAP_SET_GUEST_DEBUG2 = 195;
/** The PTP call. Since Linux 5.13. */
export const KVM_CAP_PTP_KVM = 198;
/** `KVM_EXIT_HYPERCALL`; 0 on arm64, where the SMCCC filter asks for it. */
export const KVM_CAP_EXIT_HYPERCALL = 201;
/** `KVM_GET_STATS_FD`. Since Linux 5.14. */
export const KVM_CAP_BINARY_STATS_FD = 203;
/** Memory tagging. */
export const KVM_CAP_ARM_MTE = 205;
/** `kvm_run.system_event.ndata`. Since Linux 5.18. */
export const KVM_CAP_SYSTEM_EVENT_DATA = 215;
/** PSCI SYSTEM_SUSPEND exits. Since Linux 5.19. */
export const KVM_CAP_ARM_SYSTEM_SUSPEND = 216;
/** Largest dirty ring; args[0]: its size in bytes. Since Linux 6.12. */
export const KVM_CAP_DIRTY_LOG_RING_ACQ_REL = 223;
/** Dirty ring and bitmap together. Since Linux 6.12. */
export const KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP = 225;
/** `KVM_ARM_SET_COUNTER_OFFSET`. Since Linux 6.4. */
export const KVM_CAP_COUNTER_OFFSET = 227;
/** Args[0]: bytes split at a time when dirty logging starts. Since Linux 6.12. */
export const KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE = 228;
/** Block sizes of stage 2, one bit each. Since Linux 6.12. */
export const KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES = 229;
/** `KVM_ARM_GET_REG_WRITABLE_MASKS`, one bit a range. Since Linux 6.7. */
export const KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES = 230;
/** `KVM_SET_USER_MEMORY_REGION2`. Since Linux 6.12. */
export const KVM_CAP_USER_MEMORY2 = 231;
/** `KVM_EXIT_MEMORY_FAULT`; 0 on arm64. */
export const KVM_CAP_MEMORY_FAULT_INFO = 232;
/** Private memory; 0 on arm64. */
export const KVM_CAP_MEMORY_ATTRIBUTES = 233;
/** `KVM_CREATE_GUEST_MEMFD`. Since Linux 7.3. */
export const KVM_CAP_GUEST_MEMFD = 234;
/** MIDR_EL1, REVIDR_EL1 and AIDR_EL1 can be set. Since Linux 6.15. */
export const KVM_CAP_ARM_WRITABLE_IMP_ID_REGS = 239;
/** `KVM_ARM_VCPU_HAS_EL2`. Since Linux 7.3. */
export const KVM_CAP_ARM_EL2 = 240;
/** `KVM_ARM_VCPU_HAS_EL2_E2H0`. Since Linux 7.3. */
export const KVM_CAP_ARM_EL2_E2H0 = 241;
/** Device memory of the host may be cacheable; only asked of a VM. Since Linux 7.3. */
export const KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED = 243;
/** Flags of `KVM_CREATE_GUEST_MEMFD`. Since Linux 7.3. */
export const KVM_CAP_GUEST_MEMFD_FLAGS = 244;
/** `KVM_EXIT_ARM_SEA`. Since Linux 7.3. */
export const KVM_CAP_ARM_SEA_TO_USER = 245;
/** `KVM_ARM_VCPU_PMU_V3_STRICT`. Since Linux 7.3. */
export const KVM_CAP_ARM_PMU_V3_STRICT = 251;

/** Asked of any kernel: the `ABI_REVISION` it was built with; 0 is not vkvm. vkvm's own, as the rest. */
export const VKVM_CAP_ABI_REVISION = 0x564b_0001;
/** The Linux release the kernel behaves as: major << 16 | minor. */
export const VKVM_CAP_PROFILE = 0x564b_0002;
/** args[0]: guest instructions after which `KVM_RUN` returns `-EINTR`; it never waits then, but exits with `VKVM_EXIT_IDLE`. */
export const VKVM_CAP_SLICE = 0x564b_0003;
/**
 * args[0]: who owns PSCI, a `VKVM_PSCI_OWNER_*`; takes back every `VKVM_PSCI_ROUTE`, and is fixed by the first
 * `KVM_RUN`. The value has bit n set where owner n can be chosen. Since ABI revision 2.
 */
export const VKVM_CAP_PSCI_OWNER = 0x564b_0004;

/**
 * args[0]: wall-clock time to start at, nanoseconds since 1970. All that a guest finds out of time and chance follows
 * from the instructions it retires then: see `vkvm_clock`. Before the first vCPU, else `EBUSY`. Since ABI revision 3.
 */
export const VKVM_CAP_DETERMINISTIC = 0x564b_0005;

const rows = [
  { name: 'KVM_CAP_IRQCHIP', number: KVM_CAP_IRQCHIP },
  { name: 'KVM_CAP_USER_MEMORY', number: KVM_CAP_USER_MEMORY },
  { name: 'KVM_CAP_NR_VCPUS', number: KVM_CAP_NR_VCPUS },
  { name: 'KVM_CAP_NR_MEMSLOTS', number: KVM_CAP_NR_MEMSLOTS, since: '4.11' },
  { name: 'KVM_CAP_MP_STATE', number: KVM_CAP_MP_STATE, since: '4.1' },
  { name: 'KVM_CAP_COALESCED_MMIO', number: KVM_CAP_COALESCED_MMIO },
  { name: 'KVM_CAP_SYNC_MMU', number: KVM_CAP_SYNC_MMU },
  { name: 'KVM_CAP_DESTROY_MEMORY_REGION_WORKS', number: KVM_CAP_DESTROY_MEMORY_REGION_WORKS },
  { name: 'KVM_CAP_SET_GUEST_DEBUG', number: KVM_CAP_SET_GUEST_DEBUG, since: '4.3' },
  { name: 'KVM_CAP_IRQ_ROUTING', number: KVM_CAP_IRQ_ROUTING, since: '4.8' },
  { name: 'KVM_CAP_JOIN_MEMORY_REGIONS_WORKS', number: KVM_CAP_JOIN_MEMORY_REGIONS_WORKS },
  { name: 'KVM_CAP_IRQFD', number: KVM_CAP_IRQFD, since: '4.1' },
  { name: 'KVM_CAP_IOEVENTFD', number: KVM_CAP_IOEVENTFD, since: '4.1' },
  { name: 'KVM_CAP_INTERNAL_ERROR_DATA', number: KVM_CAP_INTERNAL_ERROR_DATA },
  { name: 'KVM_CAP_VCPU_EVENTS', number: KVM_CAP_VCPU_EVENTS, since: '4.19' },
  { name: 'KVM_CAP_ENABLE_CAP', number: KVM_CAP_ENABLE_CAP },
  { name: 'KVM_CAP_MAX_VCPUS', number: KVM_CAP_MAX_VCPUS },
  { name: 'KVM_CAP_ONE_REG', number: KVM_CAP_ONE_REG },
  { name: 'KVM_CAP_SYNC_REGS', number: KVM_CAP_SYNC_REGS },
  { name: 'KVM_CAP_SIGNAL_MSI', number: KVM_CAP_SIGNAL_MSI, since: '4.8' },
  { name: 'KVM_CAP_READONLY_MEM', number: KVM_CAP_READONLY_MEM, since: '3.18' },
  { name: 'KVM_CAP_IRQFD_RESAMPLE', number: KVM_CAP_IRQFD_RESAMPLE, since: '4.1' },
  { name: 'KVM_CAP_ARM_PSCI', number: KVM_CAP_ARM_PSCI, since: '3.9' },
  { name: 'KVM_CAP_ARM_SET_DEVICE_ADDR', number: KVM_CAP_ARM_SET_DEVICE_ADDR },
  { name: 'KVM_CAP_DEVICE_CTRL', number: KVM_CAP_DEVICE_CTRL, since: '3.14' },
  { name: 'KVM_CAP_ARM_EL1_32BIT', number: KVM_CAP_ARM_EL1_32BIT },
  { name: 'KVM_CAP_ENABLE_CAP_VM', number: KVM_CAP_ENABLE_CAP_VM, since: '5.0' },
  { name: 'KVM_CAP_IOEVENTFD_NO_LENGTH', number: KVM_CAP_IOEVENTFD_NO_LENGTH },
  { name: 'KVM_CAP_VM_ATTRIBUTES', number: KVM_CAP_VM_ATTRIBUTES },
  { name: 'KVM_CAP_ARM_PSCI_0_2', number: KVM_CAP_ARM_PSCI_0_2, since: '3.16' },
  { name: 'KVM_CAP_CHECK_EXTENSION_VM', number: KVM_CAP_CHECK_EXTENSION_VM, since: '3.17' },
  { name: 'KVM_CAP_GUEST_DEBUG_HW_BPS', number: KVM_CAP_GUEST_DEBUG_HW_BPS, since: '4.3' },
  { name: 'KVM_CAP_GUEST_DEBUG_HW_WPS', number: KVM_CAP_GUEST_DEBUG_HW_WPS, since: '4.3' },
  { name: 'KVM_CAP_IOEVENTFD_ANY_LENGTH', number: KVM_CAP_IOEVENTFD_ANY_LENGTH, since: '4.4' },
  { name: 'KVM_CAP_ARM_PMU_V3', number: KVM_CAP_ARM_PMU_V3, since: '4.6' },
  { name: 'KVM_CAP_VCPU_ATTRIBUTES', number: KVM_CAP_VCPU_ATTRIBUTES, since: '4.6' },
  { name: 'KVM_CAP_MAX_VCPU_ID', number: KVM_CAP_MAX_VCPU_ID, since: '4.7' },
  { name: 'KVM_CAP_MSI_DEVID', number: KVM_CAP_MSI_DEVID, since: '4.8' },
  { name: 'KVM_CAP_IMMEDIATE_EXIT', number: KVM_CAP_IMMEDIATE_EXIT, since: '4.11' },
  { name: 'KVM_CAP_ARM_USER_IRQ', number: KVM_CAP_ARM_USER_IRQ, since: '4.12' },
  { name: 'KVM_CAP_ARM_INJECT_SERROR_ESR', number: KVM_CAP_ARM_INJECT_SERROR_ESR, since: '4.19' },
  { name: 'KVM_CAP_COALESCED_PIO', number: KVM_CAP_COALESCED_PIO, since: '4.20' },
  { name: 'KVM_CAP_ARM_VM_IPA_SIZE', number: KVM_CAP_ARM_VM_IPA_SIZE, since: '4.20' },
  { name: 'KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2', number: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, since: '5.2' },
  { name: 'KVM_CAP_ARM_SVE', number: KVM_CAP_ARM_SVE, since: '5.2' },
  { name: 'KVM_CAP_ARM_PTRAUTH_ADDRESS', number: KVM_CAP_ARM_PTRAUTH_ADDRESS, since: '5.2' },
  { name: 'KVM_CAP_ARM_PTRAUTH_GENERIC', number: KVM_CAP_ARM_PTRAUTH_GENERIC, since: '5.2' },
  { name: 'KVM_CAP_ARM_IRQ_LINE_LAYOUT_2', number: KVM_CAP_ARM_IRQ_LINE_LAYOUT_2, since: '5.4' },
  { name: 'KVM_CAP_ARM_NISV_TO_USER', number: KVM_CAP_ARM_NISV_TO_USER, since: '5.5' },
  { name: 'KVM_CAP_ARM_INJECT_EXT_DABT', number: KVM_CAP_ARM_INJECT_EXT_DABT, since: '5.5' },
  { name: 'KVM_CAP_HALT_POLL', number: KVM_CAP_HALT_POLL, since: '5.8' },
  { name: 'KVM_CAP_STEAL_TIME', number: KVM_CAP_STEAL_TIME, since: '5.10' },
  { name: 'KVM_CAP_DIRTY_LOG_RING', number: KVM_CAP_DIRTY_LOG_RING },
  { name: 'KVM_CAP_SET_GUEST_DEBUG2', number: KVM_CAP_SET_GUEST_DEBUG2, since: '5.13' },
  { name: 'KVM_CAP_PTP_KVM', number: KVM_CAP_PTP_KVM, since: '5.13' },
  { name: 'KVM_CAP_EXIT_HYPERCALL', number: KVM_CAP_EXIT_HYPERCALL },
  { name: 'KVM_CAP_BINARY_STATS_FD', number: KVM_CAP_BINARY_STATS_FD, since: '5.14' },
  { name: 'KVM_CAP_ARM_MTE', number: KVM_CAP_ARM_MTE },
  { name: 'KVM_CAP_SYSTEM_EVENT_DATA', number: KVM_CAP_SYSTEM_EVENT_DATA, since: '5.18' },
  { name: 'KVM_CAP_ARM_SYSTEM_SUSPEND', number: KVM_CAP_ARM_SYSTEM_SUSPEND, since: '5.19' },
  { name: 'KVM_CAP_DIRTY_LOG_RING_ACQ_REL', number: KVM_CAP_DIRTY_LOG_RING_ACQ_REL, since: '6.12' },
  { name: 'KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP', number: KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, since: '6.12' },
  { name: 'KVM_CAP_COUNTER_OFFSET', number: KVM_CAP_COUNTER_OFFSET, since: '6.4' },
  { name: 'KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE', number: KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE, since: '6.12' },
  { name: 'KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES', number: KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES, since: '6.12' },
  {
    name: 'KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES',
    number: KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES,
    since: '6.7',
  },
  { name: 'KVM_CAP_USER_MEMORY2', number: KVM_CAP_USER_MEMORY2, since: '6.12' },
  { name: 'KVM_CAP_MEMORY_FAULT_INFO', number: KVM_CAP_MEMORY_FAULT_INFO },
  { name: 'KVM_CAP_MEMORY_ATTRIBUTES', number: KVM_CAP_MEMORY_ATTRIBUTES },
  { name: 'KVM_CAP_GUEST_MEMFD', number: KVM_CAP_GUEST_MEMFD, since: '7.3' },
  { name: 'KVM_CAP_ARM_WRITABLE_IMP_ID_REGS', number: KVM_CAP_ARM_WRITABLE_IMP_ID_REGS, since: '6.15' },
  { name: 'KVM_CAP_ARM_EL2', number: KVM_CAP_ARM_EL2, since: '7.3' },
  { name: 'KVM_CAP_ARM_EL2_E2H0', number: KVM_CAP_ARM_EL2_E2H0, since: '7.3' },
  {
    name: 'KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED',
    number: KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED,
    since: '7.3',
  },
  { name: 'KVM_CAP_GUEST_MEMFD_FLAGS', number: KVM_CAP_GUEST_MEMFD_FLAGS, since: '7.3' },
  { name: 'KVM_CAP_ARM_SEA_TO_USER', number: KVM_CAP_ARM_SEA_TO_USER, since: '7.3' },
  { name: 'KVM_CAP_ARM_PMU_V3_STRICT', number: KVM_CAP_ARM_PMU_V3_STRICT, since: '7.3' },
  { name: 'VKVM_CAP_ABI_REVISION', number: VKVM_CAP_ABI_REVISION },
  { name: 'VKVM_CAP_PROFILE', number: VKVM_CAP_PROFILE },
  { name: 'VKVM_CAP_SLICE', number: VKVM_CAP_SLICE },
  { name: 'VKVM_CAP_PSCI_OWNER', number: VKVM_CAP_PSCI_OWNER },
  { name: 'VKVM_CAP_DETERMINISTIC', number: VKVM_CAP_DETERMINISTIC },
] as const satisfies readonly CapRow[];

/** Name of a capability. */
export type CapName = (typeof rows)[number]['name'];

/** Every capability, by ascending number. */
export const CAPS: readonly CapRow<CapName>[] = rows;
