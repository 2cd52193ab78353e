/** Arm architecture calls. Source: Arm DEN 0028, chapter 7; what KVM answers, arch/arm64/kvm/hypercalls.c. */
import {
  ARM_SMCCC_ARCH_FEATURES_FUNC_ID,
  ARM_SMCCC_ARCH_WORKAROUND_1,
  ARM_SMCCC_ARCH_WORKAROUND_2,
  ARM_SMCCC_ARCH_WORKAROUND_3,
  ARM_SMCCC_HV_PV_TIME_FEATURES,
  ARM_SMCCC_VERSION_1_1,
  ARM_SMCCC_VERSION_FUNC_ID,
  SMCCC_RET_NOT_SUPPORTED,
  SMCCC_RET_SUCCESS,
} from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { argumentLow, setResults } from '../state/call-registers.ts';
import { STD_HYP, bitmapOf } from './firmware-regs.ts';
import type { SmcccService } from './service.ts';

/** ARCH_FEATURES of a workaround: this CPU does not need it. */
const UNAFFECTED = 1;

/** What ARCH_FEATURES says of a workaround, to match the levels of firmware-regs.ts. */
const WORKAROUNDS = new Map<number, number>([
  [ARM_SMCCC_ARCH_WORKAROUND_1, UNAFFECTED],
  [ARM_SMCCC_ARCH_WORKAROUND_2, SMCCC_RET_NOT_SUPPORTED],
  [ARM_SMCCC_ARCH_WORKAROUND_3, SMCCC_RET_NOT_SUPPORTED],
]);

/** Calls of a workaround by HVC are answered on the spot: they must be fast, and no filter sees them. */
export const isWorkaround = (id: number): boolean =>
  (id | 0) === (ARM_SMCCC_ARCH_WORKAROUND_1 | 0) ||
  (id | 0) === (ARM_SMCCC_ARCH_WORKAROUND_2 | 0) ||
  (id | 0) === (ARM_SMCCC_ARCH_WORKAROUND_3 | 0);

function featuresOf(vcpu: Block, id: number): number {
  if (id === ARM_SMCCC_HV_PV_TIME_FEATURES) {
    return (bitmapOf(vcpu, STD_HYP) & 1n) === 0n ? SMCCC_RET_NOT_SUPPORTED : SMCCC_RET_SUCCESS;
  }
  return WORKAROUNDS.get(id) ?? SMCCC_RET_NOT_SUPPORTED;
}

export const archServices: readonly SmcccService[] = [
  { id: ARM_SMCCC_VERSION_FUNC_ID, since: '4.16', handle: (vcpu) => setResults(vcpu, ARM_SMCCC_VERSION_1_1) },
  {
    id: ARM_SMCCC_ARCH_FEATURES_FUNC_ID,
    since: '4.16',
    handle: (vcpu) => setResults(vcpu, featuresOf(vcpu, argumentLow(vcpu, 1))),
  },
];
