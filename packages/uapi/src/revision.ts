/**
 * Names the ledger this package was published with: `abi/r1.json`. A kernel answers it to
 * `KVM_CHECK_EXTENSION(VKVM_CAP_ABI_REVISION)`; 0 there means that it is not vkvm.
 *
 * What each revision added: 1, everything there is.
 */
export const ABI_REVISION = 1;
