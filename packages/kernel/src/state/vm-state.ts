/**
 * The state of one VM as words of the process memory: byte offsets from the start of its block.
 * Writers hold the VM lock unless another lock is named. Offsets are part of the layout version; for those in their pages
 * see vcpu-state.ts.
 */

/** Configuration and control of the VM file: vm/vm.ts owns this range. */
export const VM_CONTROL = 0x0400;
/** Block addresses of the vCPUs in the order of creation: u32 count, then u32 each. */
export const VCPU_COUNT = 0x1000;
export const VCPU_TABLE = 0x1008;
/** Stores that cause no exit: store-bus.ts. Read and written under the state lock. */
export const STORE_BUS = 0x2180;
/** Consumer's index of the coalesced MMIO ring, as it was last seen. Under the state lock. */
export const COALESCED_FIRST = STORE_BUS + 0x04;
/** Where GSIs lead: irq-routing.ts. Written under the state lock. */
export const IRQ_ROUTES = 0xa000;
/** Not 0: user space has set {@link IRQ_ROUTES}. */
export const IRQ_ROUTES_SET = 0xe000;
/** Irqfds that want to know of ends of interrupts: irqfd.ts. Written under the process lock. */
export const RESAMPLERS = 0xe004;
/** Distributor and other VM-wide interrupt state, to 0x2_FFFF: vgic/. Written under the vGIC lock, by any thread. */
export const VM_VGIC = 0x1_0000;
/** What all frames of the GIC lie in, 64 bits each; both are 0 while there is none: vgic/frame.ts. Under the VM lock. */
export const FRAMES_START = VM_VGIC + 0x58;
export const FRAMES_END = VM_VGIC + 0x60;
/** Messages that GSIs stand for: irq-routing.ts. Read and written under the vGIC lock. */
export const IRQ_MESSAGES = 0x3_0000;
/** PSCI, SMCCC filter, firmware registers, timer offsets: smccc/, psci/, timer/. Written under the state lock. */
export const VM_SMCCC = 0x6_0000;
export const VM_TIMER = 0x7_0000;
/** What the PMUs of the VM's vCPUs share: pmu/. Written under the state lock. */
export const VM_PMU = 0x7_c000;
/** The secure runtime: vcpu/secure.ts. Written under the VM lock, before the VM runs. */
export const VM_SECURE = 0x7_8000;
/** Blocks of the secure runtime's VM, which goes with this one, and of its vCPU; 0 = none. */
export const SECURE_VM = VM_SECURE + 0x00;
export const SECURE_VCPU = VM_SECURE + 0x04;
/** Of a secure runtime's VM: block of the VM whose calls it serves; 0 in all others. The page walk reads it. */
export const GUEST_VM = VM_SECURE + 0x08;

/**
 * Memslots, sorted by guest-physical address and without overlap: u32 count, then entries. The page walk in generated
 * code reads them. They change only while no vCPU of the VM is in guest code.
 */
export const MEMSLOT_COUNT = 0x8_0240;
export const MEMSLOTS = 0x8_0248;
export const MEMSLOT_SIZE = 32;
/** Fields of an entry. Addresses and length are multiples of 4096; the length is below 4 GiB. */
export const MEMSLOT_GPA = 0; // u64
export const MEMSLOT_LENGTH = 8; // u64, bytes
export const MEMSLOT_USER_ADDRESS = 16; // u32
export const MEMSLOT_FLAGS = 20; // u32: KVM_MEM_* flags
export const MEMSLOT_ID = 24; // u32
export const MEMSLOT_DIRTY_BITMAP = 28; // u32: address of the dirty bitmap, 0 = not logged
export const MAX_MEMSLOTS = 32767;

export const VM_BLOCK_SIZE = 0x20_0000;
