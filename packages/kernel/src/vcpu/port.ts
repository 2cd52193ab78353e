/** What a port of the engine left guest code for. */

/** Look at interrupts, power state and requests, and go on. */
export const PORT_AGAIN = 0;
/** KVM_RUN returns; its result and the exit are written. */
export const PORT_EXIT = 1;
/** The exception in SYNDROME. */
export const PORT_EXCEPTION = 2;
/** An external abort of the access to FAULT_VA. */
export const PORT_EXTERNAL_ABORT = 3;

export type PortAction = 0 | 1 | 2 | 3;
