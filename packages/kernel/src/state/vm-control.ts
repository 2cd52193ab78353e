/**
 * Control words of a VM: byte offsets from the start of its block, in the range at {@link VM_CONTROL}.
 * Writers hold the VM lock unless another lock is named.
 */
import { VM_CONTROL } from './vm-state.ts';

/** The three locks of a VM, in the order they are taken: lock.ts. The vCPU mutex comes after the first. */
export const VM_LOCK = VM_CONTROL + 0x00;
export const STATE_LOCK = VM_CONTROL + 0x04;
export const VGIC_LOCK = VM_CONTROL + 0x08;
/** Descriptors and mappings that keep the VM alive. Written under the process lock. */
export const VM_REFERENCES = VM_CONTROL + 0x0c;

/** Size of guest-physical addresses in bits. Fixed. */
export const IPA_BITS = VM_CONTROL + 0x10;
/** Type of the in-kernel interrupt controller as a KVM_DEV_TYPE_ARM_VGIC_*; 0 = in user space. */
export const IRQCHIP = VM_CONTROL + 0x14;
/** Limit of KVM_CREATE_VCPU; the interrupt controller sets it. */
export const MAX_VCPUS = VM_CONTROL + 0x18;
/** Not 0: a vCPU has run; configuration is frozen. Written under the state lock. */
export const VM_HAS_RUN = VM_CONTROL + 0x1c;
/** Not 0: every ioctl answers EIO. */
export const VM_DEAD = VM_CONTROL + 0x20;
/** Not 0: a vCPU was initialised; then the features all vCPUs share, KVM_ARM_VCPU_* bits without POWER_OFF. */
export const FEATURES_CHOSEN = VM_CONTROL + 0x24;
export const FEATURES = VM_CONTROL + 0x28;

/** Not 0: KVM_CAP_ARM_NISV_TO_USER was enabled. */
export const NISV_TO_USER = VM_CONTROL + 0x30;
/** Not 0: KVM_CAP_ARM_SYSTEM_SUSPEND was enabled. */
export const SYSTEM_SUSPEND = VM_CONTROL + 0x34;
/** Instructions a KVM_RUN may take, 64 bits; 0 = no limit, and KVM_RUN waits. VKVM_CAP_SLICE. */
export const SLICE = VM_CONTROL + 0x38;
/** Not 0: KVM_CAP_ARM_WRITABLE_IMP_ID_REGS was enabled. */
export const WRITABLE_IMP_ID_REGS = VM_CONTROL + 0x44;
/** Feature ID registers (op0 3, op1 0, CRn 0) as this VM shows them: eight bytes each, by CRm then op2. */
const ID_REGS = VM_CONTROL + 0x100;
/** @param key - encoding of a feature ID register */
export const idRegister = (key: number): number => ID_REGS + (key & 0x3f) * 8;
/** ID registers with another op1: eight bytes each, placed by sysreg/id.ts. */
export const OTHER_ID_REGS = VM_CONTROL + 0x300;
/** Memslots whose user memory is not there: unbacked.ts. */
export const UNBACKED_COUNT = VM_CONTROL + 0x48;
/** Number of memslots whose user memory may not be written. */
export const WRITE_PROTECTED_COUNT = VM_CONTROL + 0x4c;
/** Not 0: vCPUs stay out of guest code (memslots change). Atomic; the holder of the VM lock writes it. */
export const PAUSED = VM_CONTROL + 0x50;
/**
 * Not 0: every PSCI call by HVC is the kernel's, and nobody is asked before: no filter, no route, no secure runtime. Chosen
 * at the first run, which freezes all of these.
 */
export const PSCI_BY_KERNEL = VM_CONTROL + 0x54;
/** KVM_DIRTY_LOG_* bits of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
export const MANUAL_DIRTY_LOG = VM_CONTROL + 0x80;
/** Bytes of each vCPU's dirty ring, 0 = no rings. Chosen before the first vCPU. */
export const DIRTY_RING_SIZE = VM_CONTROL + 0x84;
/** Not 0: KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP was enabled. */
export const DIRTY_RING_WITH_BITMAP = VM_CONTROL + 0x88;
/** Bytes of KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE. */
export const EAGER_SPLIT_CHUNK = VM_CONTROL + 0x8c;
