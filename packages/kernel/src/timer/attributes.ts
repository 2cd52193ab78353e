/** Which interrupts the timers raise: group KVM_ARM_VCPU_TIMER_CTRL of a vCPU. Valid for the whole VM. */
import { EBUSY, EFAULT, EINVAL, ENXIO } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP, VM_HAS_RUN } from '../state/vm-control.ts';
import { getUser, putUser } from '../uaccess.ts';
import { DEFAULT_INTIDS, PHYSICAL, TIMER_INTIDS, VIRTUAL, timerIntid } from './arch-timer.ts';

/** The timers of a nested guest have attributes, too. */
const HAS_EL2_TIMERS = releases({ since: '6.12' });
const EL1_TIMERS = 2;

const isTimer = (vcpu: Block, attr: bigint): boolean =>
  attr < BigInt(holds(vcpu, HAS_EL2_TIMERS) ? DEFAULT_INTIDS.length : EL1_TIMERS);

/** @returns 0 or -errno: EINVAL no GIC in the kernel, or not a PPI; EBUSY a vCPU has run; ENXIO no such timer */
export function setTimerAttr(vcpu: Block, attr: bigint, userAddress: number): number {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  if (words.get32(vm + IRQCHIP) === 0) return -EINVAL;
  const intid = getUser(words, userAddress, 4);
  if (intid === undefined) return -EFAULT;
  if (intid < 16n || intid > 31n) return -EINVAL;
  if (words.get32(vm + VM_HAS_RUN) !== 0) return -EBUSY;
  if (!isTimer(vcpu, attr)) return -ENXIO;
  words.set32(vm + TIMER_INTIDS + 4 * Number(attr), Number(intid));
  return 0;
}

/** @returns 0 or -errno: ENXIO no such timer */
export function getTimerAttr(vcpu: Block, attr: bigint, userAddress: number): number {
  if (!isTimer(vcpu, attr)) return -ENXIO;
  return putUser(vcpu.words, userAddress, 4, BigInt(timerIntid(vcpu, Number(attr) as 0 | 1 | 2 | 3)));
}

/** @returns 0 or -ENXIO */
export const hasTimerAttr = (vcpu: Block, attr: bigint): number => (isTimer(vcpu, attr) ? 0 : -ENXIO);

/** What the first KVM_RUN checks where a GIC is in the kernel. @returns 0; -EINVAL both timers raise one interrupt */
export const checkTimerIntids = (vcpu: Block): number =>
  timerIntid(vcpu, VIRTUAL) === timerIntid(vcpu, PHYSICAL) ? -EINVAL : 0;
