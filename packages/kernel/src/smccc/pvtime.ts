/** Stolen time, of which there is none. Source: Arm DEN 0057; Documentation/virt/kvm/devices/vcpu.rst, PVTIME. */
import {
  ARM_SMCCC_HV_PV_TIME_FEATURES,
  ARM_SMCCC_HV_PV_TIME_ST,
  EEXIST,
  EFAULT,
  EINVAL,
  ENXIO,
  KVM_ARM_VCPU_PVTIME_IPA,
  KVM_REG_ARM_STD_HYP_BIT_PV_TIME,
  SMCCC_RET_NOT_SUPPORTED,
  SMCCC_RET_SUCCESS,
} from '@vkvm/uapi';

import { Block } from '../state/block.ts';
import { argumentLow, setResults } from '../state/call-registers.ts';
import { VCPU_INDEX } from '../state/control.ts';
import { markDirty } from '../state/dirty.ts';
import { userAddressOf } from '../state/memslots.ts';
import { VM_BLOCK, X } from '../state/vcpu-state.ts';
import { getUser, putUser } from '../uaccess.ts';
import { STD_HYP } from './firmware-regs.ts';
import type { SmcccService } from './service.ts';
import { STOLEN_TIME } from './state.ts';

/** Bytes of the structure, and its alignment: revision, attributes, stolen ns, padding. */
const SIZE = 64;
const UNSET = 0xffff_ffff_ffff_ffffn;

const vmOf = (vcpu: Block): Block => new Block(vcpu.words, vcpu.get32(VM_BLOCK));
const wordOf = (vcpu: Block): number => STOLEN_TIME + 8 * vcpu.get32(VCPU_INDEX);

/** Guest-physical address of the vCPU's structure, or -1. */
const structureOf = (vcpu: Block): number => vmOf(vcpu).getNumber(wordOf(vcpu)) - 1;

/** Group KVM_ARM_VCPU_PVTIME_CTRL. @returns 0 or -errno: ENXIO; EFAULT; EINVAL not aligned, no memory; EEXIST */
export function setPvtimeAttr(vcpu: Block, attr: bigint, userAddress: number): number {
  if (attr !== BigInt(KVM_ARM_VCPU_PVTIME_IPA)) return -ENXIO;
  const gpa = getUser(vcpu.words, userAddress, 8);
  if (gpa === undefined) return -EFAULT;
  if (gpa % BigInt(SIZE) !== 0n) return -EINVAL;
  if (structureOf(vcpu) >= 0) return -EEXIST;
  const vm = vmOf(vcpu);
  if (userAddressOf(vm, Number(gpa)) < 0) return -EINVAL;
  vm.setNumber(wordOf(vcpu), Number(gpa) + 1);
  return 0;
}

export function getPvtimeAttr(vcpu: Block, attr: bigint, userAddress: number): number {
  if (attr !== BigInt(KVM_ARM_VCPU_PVTIME_IPA)) return -ENXIO;
  const gpa = structureOf(vcpu);
  return putUser(vcpu.words, userAddress, 8, gpa < 0 ? UNSET : BigInt(gpa));
}

export const hasPvtimeAttr = (attr: bigint): number =>
  attr === BigInt(KVM_ARM_VCPU_PVTIME_IPA) ? 0 : -ENXIO;

function features(vcpu: Block): void {
  const id = argumentLow(vcpu, 1);
  const known = id === ARM_SMCCC_HV_PV_TIME_FEATURES || id === ARM_SMCCC_HV_PV_TIME_ST;
  setResults(vcpu, known && structureOf(vcpu) >= 0 ? SMCCC_RET_SUCCESS : SMCCC_RET_NOT_SUPPORTED);
}

/** Clears the structure and tells its address. */
function stolenTime(vcpu: Block): void {
  const gpa = structureOf(vcpu);
  if (gpa < 0) {
    setResults(vcpu, SMCCC_RET_NOT_SUPPORTED);
    return;
  }
  const address = userAddressOf(vmOf(vcpu), gpa);
  if (address >= 0) {
    vcpu.words.u8.fill(0, address, address + SIZE);
    markDirty(vcpu, vmOf(vcpu), gpa);
  }
  setResults(vcpu, SMCCC_RET_SUCCESS);
  vcpu.setNumber(X, gpa);
}

const gated = { since: '5.5', bitmap: STD_HYP, bit: KVM_REG_ARM_STD_HYP_BIT_PV_TIME } as const;

export const pvtimeServices: readonly SmcccService[] = [
  { id: ARM_SMCCC_HV_PV_TIME_FEATURES, ...gated, handle: features },
  { id: ARM_SMCCC_HV_PV_TIME_ST, ...gated, handle: stolenTime },
];
