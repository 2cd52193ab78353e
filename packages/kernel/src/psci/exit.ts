/** A PSCI call that user space serves: the exit, and its completion on the next KVM_RUN. */
import { VKVM_PSCI_CONDUIT_HVC, VKVM_PSCI_CONDUIT_SMC } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { PSCI_PENDING } from '../state/control.ts';
import { exitPsci, exitReason, psciReason, psciResults } from '../state/exit.ts';
import { X } from '../state/vcpu-state.ts';

/** Bytes of x0 to x3. */
const RESULTS = 4 * 8;

/** Writes the exit for the call in x0 to x7. The pc is already after the instruction. */
export function beginPsci(vcpu: Block, smc: boolean): void {
  vcpu.set32(PSCI_PENDING, 1);
  exitPsci(vcpu, smc ? VKVM_PSCI_CONDUIT_SMC : VKVM_PSCI_CONDUIT_HVC);
}

/**
 * Loads what user space answered into x0 to x3. As with an MMIO access, nothing happens if user space has overwritten
 * `exit_reason`; the registers are then what one_reg made of them.
 */
export function completePsci(vcpu: Block): void {
  if (vcpu.get32(PSCI_PENDING) === 0 || exitReason(vcpu) !== psciReason(vcpu)) return;
  vcpu.set32(PSCI_PENDING, 0);
  const from = psciResults(vcpu);
  vcpu.words.u8.copyWithin(vcpu.base + X, from, from + RESULTS);
}
