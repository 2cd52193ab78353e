import {
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_PTIMER_CNT,
  KVM_REG_ARM_PTIMER_CTL,
  KVM_REG_ARM_PTIMER_CVAL,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
  KVM_REG_PC,
  PSCI_0_1,
  PSCI_1_1,
  SYSREGS,
  ccsidrId,
  sysregId,
  vRegId,
  xRegId,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { registerName } from '../kvm/register-name.ts';
import { whyDroppable } from './droppable.ts';

const ID_AA64MMFR3 = sysregId(SYSREGS.ID_AA64MMFR3_EL1);
const ISAR0 = sysregId(SYSREGS.ID_AA64ISAR0_EL1);

/** A register, its value, the rest of the vCPU, what the other kernel has; and whether it can be left out. */
type Row = readonly [RegId, bigint, Readonly<Record<string, bigint>>, bigint | undefined, boolean];
const at = (id: RegId): string => String(id);

const PMCR = sysregId(SYSREGS.PMCR_EL0);
const PMCNTENSET = sysregId(SYSREGS.PMCNTENSET_EL0);
const withPmu = (version: bigint): Record<string, bigint> => ({
  [String(sysregId(SYSREGS.ID_AA64DFR0_EL1))]: version << 8n,
  [String(PMCR)]: 0x1041n,
});

const rows: readonly Row[] = [
  // State of the guest is never left out.
  [xRegId(0), 0n, {}, undefined, false],
  [vRegId(3), 0n, {}, undefined, false],
  [KVM_REG_PC, 0n, {}, undefined, false],
  [sysregId(SYSREGS.SCTLR_EL1), 0n, {}, undefined, false],
  [sysregId(SYSREGS.TTBR0_EL1), 0n, {}, 0n, false],
  // Caches
  [ccsidrId(5), 2n, {}, undefined, true],
  [sysregId(SYSREGS.CLIDR_EL1), 3n, {}, 4n, true],
  // The OS lock: open, or shut.
  [sysregId(SYSREGS.OSLSR_EL1), 0x8n, {}, undefined, true],
  [sysregId(SYSREGS.OSLSR_EL1), 0xan, {}, undefined, false],
  // Registers that Linux 6.12 lists even for a CPU without the feature.
  [sysregId(SYSREGS.TCR2_EL1), 7n, { [at(ID_AA64MMFR3)]: 0n }, undefined, true],
  [sysregId(SYSREGS.TCR2_EL1), 7n, { [at(ID_AA64MMFR3)]: 0x1n }, undefined, false],
  [sysregId(SYSREGS.PIR_EL1), 7n, { [at(ID_AA64MMFR3)]: 0x1n }, undefined, true],
  [sysregId(SYSREGS.PIRE0_EL1), 7n, { [at(ID_AA64MMFR3)]: 0x100n }, undefined, false],
  // The physical timer: off, or on.
  [KVM_REG_ARM_PTIMER_CTL, 4n, { [at(KVM_REG_ARM_PTIMER_CTL)]: 4n }, undefined, true],
  [KVM_REG_ARM_PTIMER_CVAL, 9n, { [at(KVM_REG_ARM_PTIMER_CTL)]: 2n }, undefined, true],
  [KVM_REG_ARM_PTIMER_CVAL, 9n, { [at(KVM_REG_ARM_PTIMER_CTL)]: 1n }, undefined, false],
  [KVM_REG_ARM_PTIMER_CNT, 9n, { [at(KVM_REG_ARM_PTIMER_CTL)]: 1n }, undefined, false],
  // Services: off, or such that the guest may have found them.
  [KVM_REG_ARM_STD_BMAP, 0n, {}, undefined, true],
  [KVM_REG_ARM_STD_BMAP, 1n, {}, undefined, false],
  [KVM_REG_ARM_STD_HYP_BMAP, 1n, {}, undefined, true],
  [KVM_REG_ARM_VENDOR_HYP_BMAP_2, 0n, {}, undefined, true],
  [KVM_REG_ARM_VENDOR_HYP_BMAP_2, 1n, {}, undefined, false],
  // A workaround that the other kernel needs less, or more.
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, 0n, {}, 2n, true],
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, 2n, {}, 0n, false],
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, 0n, {}, undefined, true],
  // PSCI: only what every kernel gives a vCPU that does not ask for more.
  [KVM_REG_ARM_PSCI_VERSION, BigInt(PSCI_0_1), {}, undefined, true],
  [KVM_REG_ARM_PSCI_VERSION, BigInt(PSCI_1_1), {}, undefined, false],
  [KVM_REG_ARM_PSCI_VERSION, BigInt(PSCI_0_1), {}, BigInt(PSCI_1_1), false],
  // Features: the other CPU has as much, or lacks one.
  [ISAR0, 0x0021_0000n, {}, 0x0021_1120n, true],
  [ISAR0, 0x0021_1120n, {}, 0x0011_1120n, false],
  [ISAR0, 0x0021_1120n, {}, undefined, false],
  // No PMU; then one of two counters, whose registers had 64 bits on some kernels.
  [PMCR, 0x41n, {}, undefined, true],
  [sysregId(SYSREGS.PMCCFILTR_EL0), 0x41n, {}, undefined, true],
  [PMCR, 0x1041n, withPmu(4n), undefined, false],
  [PMCNTENSET, 0xdbad_c0ddn, withPmu(4n), 0x8000_0001n, true],
  [PMCNTENSET, 0xdbad_c0ddn, withPmu(4n), 0x8000_0002n, false],
  [sysregId(SYSREGS.PMSWINC_EL0), 1n, withPmu(4n), 0n, true],
  [sysregId(SYSREGS.PMMIR_EL1), 0n, withPmu(6n), undefined, true],
  [sysregId(SYSREGS.PMEVCNTR1_EL0), 0x1_0000_0005n, withPmu(4n), 5n, true],
  [sysregId(SYSREGS.PMEVCNTR1_EL0), 0x1_0000_0005n, withPmu(6n), 5n, false],
  [sysregId(SYSREGS.PMEVCNTR2_EL0), 7n, withPmu(6n), 5n, true],
  [sysregId(SYSREGS.PMEVTYPER1_EL0), 7n, withPmu(6n), 5n, false],
];

describe('whyDroppable', () => {
  test.each(rows.map((row) => [registerName(row[0]), row] as const))('%s, case %#', (_, row) => {
    const [id, value, others, theirs, droppable] = row;
    const registers = new Map(Object.entries(others).map(([each, other]) => [BigInt(each), other]));
    const why = whyDroppable({ id, value, registers, ...(theirs !== undefined && { theirs }) });
    expect(why !== undefined).toBe(droppable);
  });
});
