/** What serves one PSCI function, and what becomes of a call. */
import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';

/**
 * Serves a call whose arguments are in x1 to x3.
 * @returns what goes into x0, with zeros in x1 to x3; or `'exit'`: the exit and the registers are written
 */
export type PsciHandler = (vcpu: Block, host: Host) => number | 'exit';

/** What becomes of a call: guest code goes on, `KVM_RUN` returns with the exit that is written, or HVC or SMC is undefined. */
export type CallOutcome = 'resume' | 'exit' | 'undefined';
