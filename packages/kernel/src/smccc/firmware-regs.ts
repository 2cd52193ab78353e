/**
 * Firmware registers of one_reg: the PSCI version, workaround levels, and the bitmaps that say which services a guest
 * has. Source: Documentation/virt/kvm/arm/fw-pseudo-registers.rst.
 */
import {
  EBUSY,
  EINVAL,
  ENOENT,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_REQUIRED,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_AVAIL,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_ENABLED,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_AVAIL,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_REQUIRED,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
} from '@vkvm/uapi';
import type { LinuxVersion, RegId } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { psciVersion, setPsciVersion } from '../psci/versions.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { STATE_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import { BITMAPS } from './state.ts';

interface FirmwareRegister {
  readonly id: RegId;
  /** The Linux that brought it. */
  readonly since: LinuxVersion;
  get(vcpu: Block): bigint;
  /** The state lock is held. @returns 0 or -errno */
  set(vcpu: Block, value: bigint): number;
}

/** Of a workaround register: bits 3:0. */
const LEVEL_MASK = 0xfn;

/**
 * How the host deals with a CPU's weakness, which user space cannot change: a value it has is accepted and forgotten.
 * Our CPU does not speculate, but says what the machine said on which the reference traces were recorded.
 */
const WORKAROUND_1_LEVEL = BigInt(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_REQUIRED);
const WORKAROUND_2_LEVEL = BigInt(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_AVAIL);
const WORKAROUND_3_LEVEL = 0n;

const workaround = (id: RegId, since: LinuxVersion, level: bigint): FirmwareRegister => ({
  id,
  since,
  get: () => level,
  set: (_vcpu, value) => (value > LEVEL_MASK || value > level ? -EINVAL : 0),
});

const NOT_REQUIRED_2 = BigInt(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_REQUIRED);
const AVAILABLE_2 = BigInt(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_AVAIL);
const ENABLED_2 = BigInt(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_ENABLED);

/** Workaround 2 has four levels, of which a VM is given two: "available" counts as "not required". */
function setWorkaround2(_vcpu: Block, value: bigint): number {
  const level = value & LEVEL_MASK;
  if ((value & ~(LEVEL_MASK | ENABLED_2)) !== 0n || level > NOT_REQUIRED_2) return -EINVAL;
  if ((value & ENABLED_2) !== 0n && level !== AVAILABLE_2) return -EINVAL;
  return level >= AVAILABLE_2 && WORKAROUND_2_LEVEL < NOT_REQUIRED_2 ? -EINVAL : 0;
}

/** Which services a bitmap may name, and which it names at first. */
const BITMAP_ROWS = [
  { id: KVM_REG_ARM_STD_BMAP, since: '5.19', known: 1n, initial: 1n },
  { id: KVM_REG_ARM_STD_HYP_BMAP, since: '5.19', known: 1n, initial: 1n },
  { id: KVM_REG_ARM_VENDOR_HYP_BMAP, since: '5.19', known: 3n, initial: 3n },
  { id: KVM_REG_ARM_VENDOR_HYP_BMAP_2, since: '6.15', known: 3n, initial: 0n },
] as const;

/** Number of a bitmap. */
export const STD = 0;
export const STD_HYP = 1;
export const VENDOR_HYP = 2;
export const VENDOR_HYP_2 = 3;

/** @param bitmap - {@link STD} … {@link VENDOR_HYP_2} */
export const bitmapOf = (vcpu: Block, bitmap: number): bigint =>
  vcpu.words.get64(vcpu.get32(VM_BLOCK) + BITMAPS + 8 * bitmap) ^ BITMAP_ROWS[bitmap]!.initial;

const bitmaps: readonly FirmwareRegister[] = BITMAP_ROWS.map(({ id, since, known, initial }, number) => ({
  id,
  since,
  get: (vcpu) => bitmapOf(vcpu, number),
  set(vcpu, value) {
    if ((value & ~known) !== 0n) return -EINVAL;
    const vm = vcpu.get32(VM_BLOCK);
    if (vcpu.words.get32(vm + VM_HAS_RUN) !== 0 && value !== bitmapOf(vcpu, number)) return -EBUSY;
    vcpu.words.set64(vm + BITMAPS + 8 * number, value ^ initial);
    return 0;
  },
}));

const REGISTERS: readonly FirmwareRegister[] = [
  {
    id: KVM_REG_ARM_PSCI_VERSION,
    since: '4.17',
    get: (vcpu) => BigInt(psciVersion(vcpu)),
    set: setPsciVersion,
  },
  workaround(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1, '5.3', WORKAROUND_1_LEVEL),
  {
    id: KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
    since: '5.3',
    get: () => WORKAROUND_2_LEVEL,
    set: setWorkaround2,
  },
  // 5.18, and stable releases of 5.10.
  workaround(KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, '5.10', WORKAROUND_3_LEVEL),
  ...bitmaps,
];

const byId = new Map(
  REGISTERS.map((register) => [register.id, { ...register, releases: releases(register) }]),
);

/** The register, if the profile has it. */
function lookUp(vcpu: Block, id: RegId): FirmwareRegister | undefined {
  const register = byId.get(id);
  return register && holds(vcpu, register.releases) ? register : undefined;
}

/** Ids of the firmware registers, in the order of KVM_GET_REG_LIST. */
export const firmwareRegisters = (vcpu: Block): readonly RegId[] =>
  REGISTERS.map(({ id }) => id).filter((id) => lookUp(vcpu, id) !== undefined);

/** @returns `undefined` if there is no such register */
export const getFirmwareRegister = (vcpu: Block, id: RegId): bigint | undefined =>
  lookUp(vcpu, id)?.get(vcpu);

/** @returns 0 or -errno: ENOENT no such register; EINVAL a value it cannot have; EBUSY a bitmap after a vCPU has run */
export function setFirmwareRegister(vcpu: Block, id: RegId, value: bigint, host: Host): number {
  const register = lookUp(vcpu, id);
  if (register === undefined) return -ENOENT;
  return withLock(vcpu.words, vcpu.get32(VM_BLOCK) + STATE_LOCK, host, () => register.set(vcpu, value));
}
