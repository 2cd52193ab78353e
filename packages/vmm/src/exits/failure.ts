import type { ExitHandler } from './handler.ts';
import { crash } from './stop.ts';

/** `KVM_EXIT_FAIL_ENTRY`: the vCPU's state does not let it run. */
export const handleFailEntry: ExitHandler<'fail_entry'> = ({ illegalState, hardwareReason }, _, vcpu) =>
  crash(
    vcpu,
    illegalState
      ? 'the guest returned to an exception level or state that does not exist (an illegal ERET, or AArch32)'
      : `the vCPU cannot be entered (reason ${hardwareReason})`,
  );

/** `KVM_EXIT_INTERNAL_ERROR`: the kernel gave up. */
export const handleInternalError: ExitHandler<'internal_error'> = ({ suberror, data }, _, vcpu) => {
  const words = data.map((word) => `0x${word.toString(16)}`).join(' ');
  return crash(
    vcpu,
    `an internal error of the kernel (${suberror}${words && `: ${words}`}); please report it`,
  );
};
