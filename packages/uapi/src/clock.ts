/** Time that instructions make: what `VKVM_CAP_DETERMINISTIC` is for. vkvm's own; since ABI revision 3. */

import { struct, u64n } from './layout.ts';

/**
 * Argument of `VKVM_CLOCK`. The clock of the VM starts at 0 and counts nanoseconds: one for each instruction that its
 * vCPUs retire, and what user space lets pass while all of them wait.
 */
export const vkvmClock = struct('vkvm_clock', 8, {
  now: u64n(0), // in: let time pass until then, unless it has passed; out: what the clock shows
});
