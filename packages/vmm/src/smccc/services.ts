/**
 * Services beside PSCI that the kernel gives a guest, and the bitmaps by which they are taken away. A guest that never had
 * one can move to a kernel that lacks it. Source: Linux Documentation/virt/kvm/arm/fw-pseudo-registers.rst.
 */
import {
  KVM_REG_ARM_STD_BIT_TRNG_V1_0,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BIT_PV_TIME,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_CPUS,
  KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_VER,
  KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT,
  KVM_REG_ARM_VENDOR_HYP_BIT_PTP,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import type { KvmError } from '../kvm/error.ts';
import type { Vcpu } from '../kvm/vcpu.ts';

interface ServiceRow<Name extends string = string> {
  readonly name: Name;
  readonly bitmap: RegId;
  readonly bits: readonly number[];
}

const rows = [
  { name: 'trng', bitmap: KVM_REG_ARM_STD_BMAP, bits: [KVM_REG_ARM_STD_BIT_TRNG_V1_0] },
  { name: 'stolen-time', bitmap: KVM_REG_ARM_STD_HYP_BMAP, bits: [KVM_REG_ARM_STD_HYP_BIT_PV_TIME] },
  { name: 'kvm', bitmap: KVM_REG_ARM_VENDOR_HYP_BMAP, bits: [KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT] },
  { name: 'ptp', bitmap: KVM_REG_ARM_VENDOR_HYP_BMAP, bits: [KVM_REG_ARM_VENDOR_HYP_BIT_PTP] },
  {
    name: 'implementations',
    bitmap: KVM_REG_ARM_VENDOR_HYP_BMAP_2,
    bits: [KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_VER, KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_CPUS],
  },
] as const satisfies readonly ServiceRow[];

/** A service that a guest can be denied. */
export type GuestService = (typeof rows)[number]['name'];

/** Every {@link GuestService}. */
export const GUEST_SERVICES: readonly GuestService[] = rows.map(({ name }) => name);

const BITMAPS = new Set<RegId>(rows.map(({ bitmap }) => bitmap));

/**
 * Leaves a guest these services at most, before it runs. A kernel without a bitmap gives what it gives: before Linux 5.12
 * that is stolen time and nothing else.
 */
export function limitServices(vcpu: Vcpu, allowed: readonly GuestService[]): void {
  for (const bitmap of BITMAPS) {
    const mask = rows
      .filter((row) => row.bitmap === bitmap && allowed.includes(row.name))
      .flatMap(({ bits }) => bits)
      .reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);
    try {
      vcpu.setReg(bitmap, vcpu.getReg(bitmap) & mask);
    } catch (error) {
      if (!(error instanceof Error) || (error as KvmError).errno !== 'ENOENT') throw error;
    }
  }
}
