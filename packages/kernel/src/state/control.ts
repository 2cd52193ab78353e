/**
 * Control words of a vCPU: byte offsets from the start of its block, in the range at {@link CONTROL}.
 * The vCPU's thread writes them under the vCPU mutex, except where another writer is named.
 */
import { CONTROL } from './vcpu-state.ts';

/** The vCPU mutex: see lock.ts. */
export const VCPU_MUTEX = CONTROL + 0x00;
/** Argument of KVM_CREATE_VCPU. Fixed. */
export const VCPU_ID = CONTROL + 0x04;
/** Place in the VM's table of vCPUs. Fixed. */
export const VCPU_INDEX = CONTROL + 0x08;
/** Not 0: KVM_ARM_VCPU_INIT has succeeded. */
export const INITIALISED = CONTROL + 0x0c;
/** Not 0: a first KVM_RUN passed its checks. */
export const HAS_RUN_ONCE = CONTROL + 0x10;

/** A KVM_MP_STATE_*. Written under the VM's state lock, by any thread. */
export const MP_STATE = CONTROL + 0x14;
/**
 * Not 0: a PSCI CPU_ON wants the vCPU reset before it runs or is looked at, with the four words below. Written under the
 * VM's state lock by the caller of CPU_ON, together with MP_STATE; cleared by the reset.
 */
export const RESET_PENDING = CONTROL + 0x18;
/** Not 0: start in big-endian mode, as the caller of CPU_ON ran. */
export const RESET_BIG_ENDIAN = CONTROL + 0x1c;
/** Entry point, 64 bits. */
export const RESET_PC = CONTROL + 0x20;
/** Value of x0, 64 bits. */
export const RESET_CONTEXT = CONTROL + 0x28;

/** `REQUEST_*` bits of requests.ts. Set by any thread, taken by the vCPU's; atomic. */
export const REQUESTS = CONTROL + 0x30;
/**
 * Not 0: the vCPU is in guest code. Atomic: a thread that must know that a request was served reads 0 here, or waits
 * until the request bit is gone.
 */
export const IN_GUEST = CONTROL + 0x34;

/** Not 0: an MMIO exit waits to be completed; then the ACCESS word of mmu/access.ts. */
export const MMIO_NEEDED = CONTROL + 0x38;
export const MMIO_ACCESS = CONTROL + 0x3c;

/** Not 0: an SError is pending (INTERRUPT_LINES bit 2 follows it); then its syndrome for ESR_ELx.ISS, 64 bits. */
export const SERROR_PENDING = CONTROL + 0x40;
export const SERROR_SYNDROME = CONTROL + 0x48;
/** Not 0: a PSCI exit waits for the results. A reset drops it. */
export const PSCI_PENDING = CONTROL + 0x50;
/** Not 0: the vCPU waits for an interrupt; PSCI CPU_SUSPEND sets it as WFI does. */
export const WAITING = CONTROL + 0x54;
/** SPSR_abt, SPSR_und, SPSR_irq, SPSR_fiq: storage for user space only, eight bytes each. */
export const BANKED_SPSR = CONTROL + 0x58;
/** OSLSR_EL1, which OSLAR_EL1 writes, 64 bits. */
export const OSLSR_EL1 = CONTROL + 0x78;
/** Tells a reused block from the one it was: a number that no other vCPU of the process has had. Fixed. */
export const GENERATION = CONTROL + 0x80;
/** Not 0: the engine has laid out its part of the block. */
export const FORMATTED = CONTROL + 0x84;
/** CCSIDR_EL1 by CSSELR_EL1, as user space changed them: 14 words, exclusive-or the CPU's own value. */
export const CCSIDR_CHANGES = CONTROL + 0x90;
/** CSSELR_EL1, 64 bits. */
export const CSSELR = CONTROL + 0x88;
/** CLIDR_EL1, 64 bits. */
export const CLIDR_EL1 = CONTROL + 0xc8;
/** Bits of PSTATE that user space has set and the CPU does not have, 64 bits: kept until the guest runs. */
export const PSTATE_REST = CONTROL + 0xd0;
/** The features of KVM_ARM_VCPU_INIT where each vCPU has its own: features.ts. */
export const VCPU_FEATURES = CONTROL + 0xd8;
/** Not 0: ESR_EL1 and FAR_EL1 describe an exception that is taken when KVM_RUN is called next: vcpu/exception.ts. */
export const EXCEPTION_PENDING = CONTROL + 0xdc;
/** Not 0: the vCPU has been in guest code. */
export const HAS_TRAPPED = CONTROL + 0xe0;
/** Not 0: the interrupts of the timers are theirs alone: timer/attributes.ts. */
export const TIMERS_CLAIMED = CONTROL + 0xe4;
/**
 * Instructions for which a vCPU may go on and nothing but what others do to it is looked at, because all that happens to it
 * are exits for devices of user space: see run.ts; 0 = look first. Generated code counts it down. Whatever changes a vCPU
 * sets it to 0, or kicks: any other request of its file, what its guest does to its PMU or to an ITS, and a leave of guest
 * code for another reason.
 */
export const SETTLED = CONTROL + 0xe8;
/**
 * User address of the dirty ring, 0 = none, and its number of entries, a power of two. Fixed. Then the entries that were
 * ever put in; and those that KVM_RESET_DIRTY_RINGS took out, which it writes under the VM lock while the vCPU is paused.
 */
export const DIRTY_RING = CONTROL + 0x100;
export const DIRTY_RING_ENTRIES = CONTROL + 0x104;
export const DIRTY_INDEX = CONTROL + 0x108;
export const DIRTY_RESET_INDEX = CONTROL + 0x10c;
