/**
 * PSCI outside of the kernel: the exit that was proposed for KVM in October 2013 ("ARM/ARM64: KVM: Update user space
 * API header for PSCI emulation", not merged), and who owns which function. vkvm's own; since ABI revision 2.
 */

import { array, struct, u32, u64 } from './layout.ts';

/**
 * `KVM_EXIT_PSCI`: user space answers in `ret`, and the next `KVM_RUN` loads x0 to x3 from it. Like an MMIO access, the
 * call is completed even where `immediate_exit` makes that `KVM_RUN` return at once.
 */
export const vkvmRunPsci = struct('kvm_run.vkvm_psci', 128, {
  fn: u32(32), // low word of x0
  conduit: u32(36), // VKVM_PSCI_CONDUIT_*; the proposal had a pad here
  args: array(40, 7, u64), // x1 to x7, whatever the width of the call
  ret: array(96, 4, u64), // zero until user space writes it
});

/**
 * Exit reason of the proposal, and so that of the profile `rfc-2013`. Linux gave the number to `KVM_EXIT_SYSTEM_EVENT`;
 * profiles that follow it say `VKVM_EXIT_PSCI`.
 */
export const VKVM_RFC_2013_EXIT_PSCI = 24;

/** `kvm_run.vkvm_psci.conduit`: HVC. */
export const VKVM_PSCI_CONDUIT_HVC = 0;
/** `kvm_run.vkvm_psci.conduit`: SMC. */
export const VKVM_PSCI_CONDUIT_SMC = 1;

/** args[0] of `VKVM_CAP_PSCI_OWNER`: the kernel serves PSCI, as Linux does. What a VM starts with. */
export const VKVM_PSCI_OWNER_KERNEL = 0;
/** args[0] of `VKVM_CAP_PSCI_OWNER`: the kernel serves what is about one CPU, the rest exits. */
export const VKVM_PSCI_OWNER_EXIT = 1;
/** args[0] of `VKVM_CAP_PSCI_OWNER`: every call exits. */
export const VKVM_PSCI_OWNER_USER = 2;

/** Argument of `VKVM_PSCI_ROUTE`: function ids `base` to `base + count - 1`, all of them PSCI's. */
export const vkvmPsciRoute = struct('vkvm_psci_route', 16, {
  base: u32(0),
  count: u32(4),
  owner: u32(8), // VKVM_PSCI_ROUTE_TO_*
  reserved: u32(12),
});

/** `vkvm_psci_route.owner`: the kernel serves the functions. */
export const VKVM_PSCI_ROUTE_TO_KERNEL = 0;
/** `vkvm_psci_route.owner`: calls of the functions exit. */
export const VKVM_PSCI_ROUTE_TO_USER = 1;
