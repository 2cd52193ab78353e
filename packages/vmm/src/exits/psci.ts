import { xRegId } from '@vkvm/uapi';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { ExitAction, ExitHandler, ExitMachine } from './handler.ts';

/** `VKVM_EXIT_PSCI`: a call of PSCI that is ours. The next KVM_RUN loads the registers. */
export const handlePsci: ExitHandler<'psci'> = (exit, { psci }, vcpu) => {
  const { results, action } = psci.call(exit, vcpu);
  exit.ret = results;
  return action;
};

const x = (vcpu: Vcpu, n: number): bigint => vcpu.getReg(xRegId(n));

/** Serves a call whose arguments lie in the registers, where its results go too. */
function serve(functionId: number, { psci }: ExitMachine, vcpu: Vcpu): ExitAction {
  const { results, action } = psci.call({ functionId, args: [1, 2, 3].map((n) => x(vcpu, n)) }, vcpu);
  results.forEach((value, n) => vcpu.setReg(xRegId(n), value));
  return action;
}

/** `KVM_EXIT_HYPERCALL`: a call that the SMCCC filter forwards. What is not PSCI is not supported. */
export const handleHypercall: ExitHandler<'hypercall'> = ({ functionId }, machine, vcpu) =>
  serve(functionId, machine, vcpu);

/** SYSTEM_SUSPEND where the kernel owns it: an event that leaves the call in the registers, and the decision to us. */
export const handleSuspend: ExitHandler<'system_event'> = (_exit, machine, vcpu) =>
  serve(Number(BigInt.asUintN(32, x(vcpu, 0))), machine, vcpu);
