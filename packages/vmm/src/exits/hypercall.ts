import { SMCCC_RET_NOT_SUPPORTED, xRegId } from '@vkvm/uapi';
import type { ExitHandler } from './handler.ts';

/** `KVM_EXIT_HYPERCALL`: a call that the SMCCC filter forwards and that nobody serves here is not supported. */
export const handleHypercall: ExitHandler<'hypercall'> = (_exit, _machine, vcpu) => {
  vcpu.setReg(xRegId(0), BigInt.asUintN(64, BigInt(SMCCC_RET_NOT_SUPPORTED)));
  return 'resume';
};
