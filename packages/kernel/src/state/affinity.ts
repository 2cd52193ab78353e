/** A vCPU's place in the affinity tree, as MPIDR_EL1 says it. */
import { VCPU_ID } from './control.ts';
import type { Words } from './words.ts';

/**
 * MPIDR_EL1 after reset, low 32 bits: bit 31 is RES1, and a cluster has 16 vCPUs, because an SGI reaches 16 of one
 * Aff1. Aff3 is 0.
 * @param id - argument of KVM_CREATE_VCPU
 */
export const resetMpidr = (id: number): number =>
  (0x8000_0000 | ((id >>> 12) << 16) | (((id >>> 4) & 0xff) << 8) | (id & 15)) >>> 0;

/** Aff2.Aff1.Aff0 of a vCPU. @param vcpu - address of its block */
export const affinityOf = (words: Words, vcpu: number): number =>
  resetMpidr(words.get32(vcpu + VCPU_ID)) & 0xff_ffff;
