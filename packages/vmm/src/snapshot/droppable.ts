/**
 * Registers that a guest can do without when the kernel it moves to does not take them. What differs between kernels
 * is known from Linux 5.10, 6.1, 6.12 and 7.3; a register without a row here is state of the guest, or not known.
 */
import {
  KVM_REG_ARM_COPROC_MASK,
  KVM_REG_ARM_DEMUX,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_PTIMER_CNT,
  KVM_REG_ARM_PTIMER_CTL,
  KVM_REG_ARM_PTIMER_CVAL,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
  PSCI_0_1,
  SYSREGS,
  sysregFields,
  sysregId,
  sysregKeyOf,
} from '@vkvm/uapi';
import type { RegId, SysregFields } from '@vkvm/uapi';

/** Registers of a vCPU by id. */
export type Registers = ReadonlyMap<RegId, bigint>;

/** A register that the other kernel does not take. */
export interface RefusedRegister {
  readonly id: RegId;
  /** As saved. */
  readonly value: bigint;
  /** What the other kernel has instead; absent: it does not have the register. */
  readonly theirs?: bigint;
  /** All registers of the saved vCPU. */
  readonly registers: Registers;
}

interface DroppableRow {
  readonly matches: (id: RegId) => boolean;
  /** Whether it is safe with this value. */
  readonly when: (refused: RefusedRegister) => boolean;
  /** Why. */
  readonly because: string;
}

const one =
  (...ids: readonly RegId[]) =>
  (id: RegId): boolean =>
    ids.includes(id);
const sysregs = (...names: readonly (keyof typeof SYSREGS)[]) =>
  one(...names.map((name) => sysregId(SYSREGS[name])));

const encoded =
  (matches: (fields: SysregFields) => boolean) =>
  (id: RegId): boolean => {
    const key = sysregKeyOf(id);
    return key !== undefined && matches(sysregFields(key));
  };
/** Encodings 3 0 0 1 0 to 3 0 0 7 7: feature registers. */
const isFeatureRegister = encoded(
  ({ op0, op1, crn, crm }) => op0 === 3 && op1 === 0 && crn === 0 && crm >= 1 && crm <= 7,
);
/** Encodings of the PMU: CRn 9 with CRm 12 to 14, CRn 14 with CRm 8 to 15 at EL0, and the EL1 ones in CRn 9 too. */
const isPmuRegister = encoded(
  ({ op0, op1, crn, crm }) =>
    op0 === 3 && ((crn === 9 && crm >= 12) || (op1 === 3 && crn === 14 && crm >= 8)),
);

const NIBBLES = Array.from({ length: 16 }, (_, index) => BigInt(index * 4));
const nibble = (value: bigint, shift: bigint): bigint => (value >> shift) & 15n;

const isZero = ({ value }: RefusedRegister): boolean => value === 0n;
const timerIsOff = ({ registers }: RefusedRegister): boolean =>
  ((registers.get(KVM_REG_ARM_PTIMER_CTL) ?? 0n) & 1n) === 0n;
const lacks =
  (shift: bigint) =>
  ({ registers }: RefusedRegister): boolean =>
    nibble(registers.get(sysregId(SYSREGS.ID_AA64MMFR3_EL1)) ?? 0n, shift) === 0n;

const NUMBERS = Array.from({ length: 31 }, (_, n) => n);
const EVENT_COUNTERS = NUMBERS.map((n) => sysregId(SYSREGS[`PMEVCNTR${n}_EL0` as keyof typeof SYSREGS]));
const EVENT_TYPES = NUMBERS.map((n) => sysregId(SYSREGS[`PMEVTYPER${n}_EL0` as keyof typeof SYSREGS]));
const isBitPerCounter = sysregs(
  'PMCNTENSET_EL0',
  'PMCNTENCLR_EL0',
  'PMINTENSET_EL1',
  'PMINTENCLR_EL1',
  'PMOVSSET_EL0',
  'PMOVSCLR_EL0',
);
const isWriteOnly = sysregs('PMSWINC_EL0');
const isSelector = sysregs('PMSELR_EL0');
const isSlots = sysregs('PMMIR_EL1');
/** PMUVer of a PMU whose event counters have 64 bits. */
const PMUV3_P5 = 6n;

/** Whether a register of the PMU differs only in what the guest does not have. */
function saysNothingOfCounters({ id, value, theirs, registers }: RefusedRegister): boolean {
  const version = nibble(registers.get(sysregId(SYSREGS.ID_AA64DFR0_EL1)) ?? 0n, 8n);
  if (version === 0n || isWriteOnly(id)) return true;
  if (isSlots(id)) return value === 0n;
  const counters = Number(((registers.get(sysregId(SYSREGS.PMCR_EL0)) ?? 0n) >> 11n) & 31n);
  const number = Math.max(EVENT_COUNTERS.indexOf(id), EVENT_TYPES.indexOf(id));
  if (number >= counters) return true;
  if (theirs === undefined) return false;
  const differs = value ^ theirs;
  if (isBitPerCounter(id)) return (differs & ((1n << 31n) | ((1n << BigInt(counters)) - 1n))) === 0n;
  if (isSelector(id)) return (differs & 31n) === 0n;
  return EVENT_COUNTERS.includes(id) && version < PMUV3_P5 && BigInt.asUintN(32, differs) === 0n;
}

/** The first row that matches decides. */
const ROWS: readonly DroppableRow[] = [
  {
    matches: one(KVM_REG_ARM_PSCI_VERSION),
    when: ({ value, theirs }) => value === BigInt(PSCI_0_1) && theirs === undefined,
    because: 'kernels without the register have PSCI 0.1, too, unless they are asked for 0.2',
  },
  {
    matches: (id) => (id & KVM_REG_ARM_COPROC_MASK) === KVM_REG_ARM_DEMUX,
    when: () => true,
    because: 'it describes a cache, which a guest on KVM cannot feel',
  },
  {
    matches: sysregs('CLIDR_EL1'),
    when: () => true,
    because: 'it describes caches, which a guest on KVM cannot feel',
  },
  {
    matches: sysregs('OSLSR_EL1'),
    when: ({ value }) => (value & 2n) === 0n,
    because: 'the OS lock is open, as it always is on a kernel without it',
  },
  {
    matches: sysregs('TCR2_EL1'),
    when: lacks(0n),
    because: 'the CPU of the guest does not have it (FEAT_TCR2)',
  },
  {
    matches: sysregs('PIR_EL1', 'PIRE0_EL1'),
    when: lacks(8n),
    because: 'the CPU of the guest does not have it (FEAT_S1PIE)',
  },
  {
    matches: isPmuRegister,
    when: saysNothingOfCounters,
    because: 'it is of a PMU, of counters or of bits of them that the guest does not have',
  },
  {
    matches: one(KVM_REG_ARM_PTIMER_CTL, KVM_REG_ARM_PTIMER_CVAL),
    when: timerIsOff,
    because: 'the physical timer is off',
  },
  {
    matches: one(KVM_REG_ARM_PTIMER_CNT),
    when: timerIsOff,
    because:
      "the physical timer is off; the physical counter becomes the host's, as it always was before Linux 6.4",
  },
  {
    matches: one(
      KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
      KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
      KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
    ),
    when: ({ value, theirs = 0n }) => value <= theirs,
    because: 'the other kernel needs the workaround no more than this one said',
  },
  {
    matches: one(KVM_REG_ARM_STD_HYP_BMAP),
    when: () => true,
    because: 'kernels without the register offer stolen time, too, and the VMM places it nowhere',
  },
  {
    matches: one(KVM_REG_ARM_STD_BMAP, KVM_REG_ARM_VENDOR_HYP_BMAP, KVM_REG_ARM_VENDOR_HYP_BMAP_2),
    when: isZero,
    because: 'the services are off, as they are on a kernel without the register',
  },
  {
    matches: isFeatureRegister,
    when: ({ value, theirs = 0n }) => NIBBLES.every((shift) => nibble(value, shift) <= nibble(theirs, shift)),
    because: 'the other CPU has every feature that the guest has seen',
  },
];

/** @returns why a guest can do without the register, or undefined if it cannot, or nobody knows */
export function whyDroppable(refused: RefusedRegister): string | undefined {
  const row = ROWS.find(({ matches }) => matches(refused.id));
  return row?.when(refused) ? row.because : undefined;
}
