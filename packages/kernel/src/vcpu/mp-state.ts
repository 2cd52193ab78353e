/** Power state of a vCPU. Written under the VM's state lock, because PSCI of other vCPUs writes it too. */
import { EINVAL, KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED, KVM_MP_STATE_SUSPENDED } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { MP_STATE } from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { REQUEST_LOOK, request } from '../state/requests.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { STATE_LOCK } from '../state/vm-control.ts';

const STATES: readonly number[] = [KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED, KVM_MP_STATE_SUSPENDED];

/** @returns 0, or -EINVAL for a state that arm64 does not have */
export function setMpState(vcpu: Block, state: number, host: Host): number {
  if (!STATES.includes(state)) return -EINVAL;
  withLock(vcpu.words, vcpu.get32(VM_BLOCK) + STATE_LOCK, host, () => vcpu.set32(MP_STATE, state));
  request(vcpu, REQUEST_LOOK, host);
  return 0;
}
