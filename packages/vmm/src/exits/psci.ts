import { xRegId } from '@vkvm/uapi';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { ExitHandler } from './handler.ts';

/** Puts the results of a call into x0 to x3. @param results - undefined: the registers are set already */
function setResults(vcpu: Vcpu, results: readonly bigint[] | undefined): void {
  results?.forEach((value, n) => vcpu.setReg(xRegId(n), value));
}

/** `VKVM_EXIT_PSCI`: a call of PSCI that is ours. The next KVM_RUN loads the registers. */
export const handlePsci: ExitHandler<'psci'> = (exit, { psci }, vcpu) => {
  const { results, action } = psci.call(exit, vcpu);
  if (results) exit.ret = results;
  return action;
};

/** `KVM_EXIT_HYPERCALL`: a call that the SMCCC filter forwards. What is not PSCI is not supported. */
export const handleHypercall: ExitHandler<'hypercall'> = ({ functionId }, { psci }, vcpu) => {
  const args = [1, 2, 3].map((n) => vcpu.getReg(xRegId(n)));
  const { results, action } = psci.call({ functionId, args }, vcpu);
  setResults(vcpu, results);
  return action;
};

/** SYSTEM_SUSPEND where the kernel owns it: an event that leaves the call in the registers, and the decision to us. */
export const handleSuspend: ExitHandler<'system_event'> = (_exit, { psci }, vcpu) => {
  const { results, action } = psci.suspendSystem(vcpu.getReg(xRegId(1)), vcpu.getReg(xRegId(2)), vcpu);
  setResults(vcpu, results);
  return action;
};
