/** Which interrupts the timers raise: group KVM_ARM_VCPU_TIMER_CTRL of a vCPU. Valid for the whole VM. */
import { EBUSY, EFAULT, EINVAL, ENXIO } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { TIMERS_CLAIMED } from '../state/control.ts';
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

const isTimers = (vcpu: Block, intid: number): boolean =>
  intid === timerIntid(vcpu, VIRTUAL) || intid === timerIntid(vcpu, PHYSICAL);

/**
 * What the first KVM_RUN checks where a GIC is in the kernel. From then on the interrupts are the timers'.
 *
 * @param taken - INTID that is the PMU's, 0 = none
 * @returns 0; -EINVAL both timers raise one interrupt, or another device has it
 */
export function claimTimerIntids(vcpu: Block, taken: number): number {
  if (vcpu.get32(TIMERS_CLAIMED) !== 0) return 0;
  if (timerIntid(vcpu, VIRTUAL) === timerIntid(vcpu, PHYSICAL) || isTimers(vcpu, taken)) return -EINVAL;
  vcpu.set32(TIMERS_CLAIMED, 1);
  return 0;
}

/** Whether an interrupt is a timer's, and no other device can have it. */
export const isTimersOwn = (vcpu: Block, intid: number): boolean =>
  vcpu.get32(TIMERS_CLAIMED) !== 0 && isTimers(vcpu, intid);
