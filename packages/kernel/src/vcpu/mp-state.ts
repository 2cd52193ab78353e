/** Power state of a vCPU. Written under the VM's state lock, because PSCI of other vCPUs writes it too. */
import { EINVAL, KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED, KVM_MP_STATE_SUSPENDED } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { MP_STATE } from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { REQUEST_LOOK, request } from '../state/requests.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { STATE_LOCK } from '../state/vm-control.ts';

const STATES = new Map<number, Releases>([
  [KVM_MP_STATE_RUNNABLE, releases({})],
  [KVM_MP_STATE_STOPPED, releases({})],
  [KVM_MP_STATE_SUSPENDED, releases({ since: '5.19' })],
]);

/** @returns 0, or -EINVAL for a state that arm64 does not have, or not in this profile */
export function setMpState(vcpu: Block, state: number, host: Host): number {
  const known = STATES.get(state);
  if (!known || !holds(vcpu, known)) return -EINVAL;
  withLock(vcpu.words, vcpu.get32(VM_BLOCK) + STATE_LOCK, host, () => vcpu.set32(MP_STATE, state));
  request(vcpu, REQUEST_LOOK, host);
  return 0;
}
