/** KVM's own calls. Source: Documentation/virt/kvm/arm/hypercalls.rst, ptp_kvm.rst. */
import {
  ARM_SMCCC_VENDOR_HYP_CALL_UID_FUNC_ID,
  ARM_SMCCC_VENDOR_HYP_KVM_FEATURES_FUNC_ID,
  ARM_SMCCC_VENDOR_HYP_KVM_PTP_FUNC_ID,
  ARM_SMCCC_VENDOR_HYP_UID_KVM,
  KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT,
  KVM_REG_ARM_VENDOR_HYP_BIT_PTP,
  SMCCC_RET_NOT_SUPPORTED,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { argumentHigh, argumentLow, setResults } from '../state/call-registers.ts';
import { PHYSICAL, VIRTUAL, userCounter } from '../timer/arch-timer.ts';
import { wallClockTime } from '../timer/clock.ts';
import { VENDOR_HYP, VENDOR_HYP_2, bitmapOf } from './firmware-regs.ts';
import type { SmcccService } from './service.ts';

const low = (value: bigint): number => Number(BigInt.asUintN(32, value));
const high = (value: bigint): number => Number(BigInt.asUintN(32, value >> 32n));

/** The host's time in ns and the counter at that moment, each as two words, high first. x1: 0 virtual, 1 physical. */
function precisionTime(vcpu: Block, host: Host): void {
  const timer = argumentLow(vcpu, 1);
  if (argumentHigh(vcpu, 1) !== 0 || (timer !== VIRTUAL && timer !== PHYSICAL)) {
    setResults(vcpu, SMCCC_RET_NOT_SUPPORTED);
    return;
  }
  const time = wallClockTime(vcpu, host);
  const counter = userCounter(timer).get(vcpu, host);
  setResults(vcpu, high(time), low(time), high(counter), low(counter));
}

export const vendorServices: readonly SmcccService[] = [
  {
    id: ARM_SMCCC_VENDOR_HYP_CALL_UID_FUNC_ID,
    since: '5.13',
    bitmap: VENDOR_HYP,
    bit: KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT,
    handle: (vcpu) => setResults(vcpu, ...ARM_SMCCC_VENDOR_HYP_UID_KVM),
  },
  {
    id: ARM_SMCCC_VENDOR_HYP_KVM_FEATURES_FUNC_ID,
    since: '5.13',
    bitmap: VENDOR_HYP,
    bit: KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT,
    handle: (vcpu) => setResults(vcpu, low(bitmapOf(vcpu, VENDOR_HYP)), 0, low(bitmapOf(vcpu, VENDOR_HYP_2))),
  },
  {
    id: ARM_SMCCC_VENDOR_HYP_KVM_PTP_FUNC_ID,
    since: '5.13',
    bitmap: VENDOR_HYP,
    bit: KVM_REG_ARM_VENDOR_HYP_BIT_PTP,
    handle: precisionTime,
  },
];
