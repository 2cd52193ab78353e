/** Why generated code came back. The pc, the flags and all registers are in the vCPU state then. */

/** The budget is used up, or the kick word is not 0. */
export const LEAVE_BUDGET = 0;
/** A synchronous exception to EL1: SYNDROME and (aborts) FAULT_VA; the pc is the preferred return address. */
export const LEAVE_EXCEPTION = 1;
/** A port answered "leave"; it knows why. */
export const LEAVE_PORT = 2;
/** WFI or WFE; the pc is after it. */
export const LEAVE_WFI = 3;
export const LEAVE_WFE = 4;
/** ERET; the pc is at it. */
export const LEAVE_ERET = 5;
/**
 * A data access reached no memory and has no valid syndrome: FAULT_VA, FAULT_PA, ACCESS. The pc is at the instruction
 * and nothing was changed.
 */
export const LEAVE_NO_SYNDROME = 6;
/** An interrupt may have become deliverable: the instruction before the pc unmasked it. */
export const LEAVE_INTERRUPT = 7;
/** The word in SCRATCH (u32) is not an instruction here. The pc is at it. */
export const LEAVE_UNDEFINED = 8;

/** User space serves an access: the exit is in kvm_run. The pc is at the instruction, and nothing was changed. */
export const LEAVE_MMIO = 9;

export type Leave = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
