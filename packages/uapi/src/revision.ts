/**
 * Names the ledger this package was published with: `abi/r3.json`. A kernel answers it to
 * `KVM_CHECK_EXTENSION(VKVM_CAP_ABI_REVISION)`; 0 there means that it is not vkvm.
 *
 * What each revision added: 1, everything that has no other; 2, owners of PSCI (psci-exit.ts), profiles (profiles.ts),
 * the secure runtime (secure.ts), the type of the PMU (device.ts); 3, deterministic VMs
 * (clock.ts), what engines did (engine-stats.ts).
 */
export const ABI_REVISION = 3;
