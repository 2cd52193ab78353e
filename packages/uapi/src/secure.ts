/**
 * The secure runtime: AArch64 code that user space injects and the kernel runs apart from the guest, to serve SMCCC
 * calls. vkvm's own; since ABI revision 2.
 */

import { struct, u32, u64n } from './layout.ts';

/**
 * Argument of `VKVM_SECURE_LOAD`.
 *
 * The runtime has a memory of its own, which is user memory: so user space can save it. Its registers user space gets
 * and sets through the descriptor that `VKVM_SECURE_VCPU` gives; `KVM_ARM_VCPU_INIT` resets them. A call whose function id is in
 * the range begins at `entry`, at EL1 with the MMU as the runtime left it, with x0 to x7 of the caller, the other
 * registers 0, and sp at the end of the memory. `SMC #0` ends it: x0 to x3 go back to the caller. Anything else that
 * would leave the runtime, or more than `budget` instructions, is a failure: x0 of the caller is -1.
 */
export const vkvmSecureLoad = struct('vkvm_secure_load', 72, {
  user_addr: u64n(0), // the memory, with the code in it; a multiple of 4096, as the next two
  ram_gpa: u64n(8), // where the runtime finds it
  ram_len: u64n(16),
  entry: u64n(24), // a guest-physical address in it
  budget: u64n(32), // instructions of one call, 1 to 2^32
  base: u32(40), // first function id; bit 30 (64-bit convention) is ignored
  count: u32(44),
  grants: u64n(48), // user address of `nr_grants` times a vkvm_secure_grant
  nr_grants: u32(56), // 0 to VKVM_SECURE_MAX_GRANTS
  flags: u32(60), // 0
  reserved: u64n(64), // 0
});

/**
 * Guest memory that the runtime may reach, at the guest's own address. It must lie in one memslot. What the runtime
 * writes there is in the VM's dirty log, and in the dirty ring of the vCPU that calls; so all that the runtime may
 * write must have room in one ring.
 */
export const vkvmSecureGrant = struct('vkvm_secure_grant', 24, {
  gpa: u64n(0), // a multiple of 4096, as the next
  len: u64n(8),
  flags: u32(16), // VKVM_SECURE_GRANT_*
  reserved: u32(20), // 0
});

/** `vkvm_secure_grant.flags`: the runtime may write there. */
export const VKVM_SECURE_GRANT_WRITE = 1;
/** Most grants of one runtime. */
export const VKVM_SECURE_MAX_GRANTS = 16;
