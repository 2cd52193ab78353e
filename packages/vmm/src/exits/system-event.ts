import {
  KVM_SYSTEM_EVENT_CRASH,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  KVM_SYSTEM_EVENT_SUSPEND,
  KVM_SYSTEM_EVENT_WAKEUP,
} from '@vkvm/uapi';
import type { ExitHandler } from './handler.ts';
import { handleSuspend } from './psci.ts';
import { crash } from './stop.ts';

/** `KVM_EXIT_SYSTEM_EVENT`: the guest asked for power-off, reset or suspend. An event that is neither is treated as neither. */
export const handleSystemEvent: ExitHandler<'system_event'> = (exit, machine, vcpu) => {
  const { type } = exit;
  switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return { kind: 'shutdown' };
    case KVM_SYSTEM_EVENT_RESET:
      return { kind: 'reset' };
    case KVM_SYSTEM_EVENT_WAKEUP:
      machine.psci.wake(vcpu);
      return 'resume';
    case KVM_SYSTEM_EVENT_SUSPEND:
      return handleSuspend(exit, machine, vcpu);
    case KVM_SYSTEM_EVENT_CRASH:
      return crash(vcpu, 'the guest reported that it crashed');
    default:
      return crash(vcpu, `system event ${type}, which this VMM does not know; use a newer @vkvm/vmm`);
  }
};
