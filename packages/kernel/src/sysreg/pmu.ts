/**
 * The PMU as system registers: EL0 reaches what PMUSERENR_EL0 opens to it; the rest is UNDEFINED there, as KVM has it.
 * Source: Arm DDI 0487, D19.5; Linux arch/arm64/kvm/sys_regs.c.
 */
import { EINVAL, KVM_ARM_VCPU_PMU_V3_STRICT, SYSREGS } from '@vkvm/uapi';

import {
  CHAIN,
  CPU_CYCLES,
  INST_RETIRED,
  SW_INCR,
  bringUpToDate,
  counterValue,
  countersChanged,
  incrementBySoftware,
} from '../pmu/counters.ts';
import { isAllowed } from '../pmu/filter.ts';
import {
  COUNTERS,
  COUNTERS_OF_VM,
  CREATED,
  CYCLE_COUNTER,
  ENABLED,
  EVENT_COUNTERS,
  INTERRUPTS,
  MAX_EVENT_COUNTERS,
  OVERFLOWS,
  PMCR,
  PMCR_C,
  PMCR_FLAGS,
  PMCR_LC,
  PMCR_LP,
  PMCR_N,
  PMCR_N_SHIFT,
  PMCR_P,
  SELECTED,
  SOFTWARE_INCREMENT,
  TYPES,
  USER_ENABLE,
  VALUES,
  controlOf,
  counterMask,
  eventCounters,
  hasLongCounters,
  resetMask,
  typeMask,
} from '../pmu/state.ts';
import type { Block } from '../state/block.ts';
import { featuresOf, hasPmu } from '../state/features.ts';
import { holds, releases } from '../state/profile.ts';
import { retiredSoFar } from '../state/retired.ts';
import { EL, VM_BLOCK } from '../state/vcpu-state.ts';
import { VM_HAS_RUN } from '../state/vm-control.ts';
import { SYSREG_DONE, SYSREG_LEAVE, SYSREG_UNDEFINED } from './row.ts';
import type { SysregRow, SysregUser, SysregUserAccess } from './row.ts';

/** What KVM resets an architecturally unknown value to. */
const UNKNOWN = 0x1de7_ec7e_dbad_c0den;

/** Every vCPU has the registers. Without a PMU that is ready they read as zero and ignore writes. */
const ALWAYS_THERE = releases({ until: '5.11' });
/** A reset leaves no bits of what is not there, and PMSWINC_EL0 is no storage. */
const NARROW_RESET = releases({ since: '5.15' });
/** PMCR_EL0 resets to what it is besides; before, to what unknown bits there are. */
const PMCR_RESET_TO_ZERO = releases({ since: '6.2' });
/** User space's writes of a SET or CLR register set or clear; later each of them brings all bits. */
const USER_SETS_AND_CLEARS = releases({ since: '6.8', until: '6.15' });
/** KVM announces CHAIN, whatever the CPU does. */
const CHAIN_ANNOUNCED = releases({ since: '6.2' });
/** User space sees PMMIR_EL1. */
const PMMIR_LISTED = releases({ since: '7.3' });

/** PMUSERENR_EL0. */
const EN = 1n << 0n;
const SW = 1n << 1n;
const CR = 1n << 2n;
const ER = 1n << 3n;
const USER_ENABLE_MASK = 0xfn;
/** Who at EL0, whatever it says. */
const NOBODY = 0n;
const ANYBODY = -1n;
/** PMSELR_EL0.SEL. */
const SELECT_MASK = 0x1fn;

const isVisible = (vcpu: Block): boolean => holds(vcpu, ALWAYS_THERE) || hasPmu(vcpu);

type Name = keyof typeof SYSREGS;

interface PmuRow {
  readonly name: Name;
  /** Bits of PMUSERENR_EL0, of which one opens it to EL0. Absent: to nobody there. */
  readonly el0?: bigint;
  /** The same for writes, where that is another set. */
  readonly writeEl0?: bigint;
  /** Whether there is such a counter. */
  readonly isThere?: (vcpu: Block) => boolean;
  readonly read?: (vcpu: Block) => bigint;
  readonly write?: (vcpu: Block, value: bigint) => void;
  readonly offset?: number;
  readonly reset?: (vcpu: Block) => bigint;
  readonly user?: SysregUser;
}

const isOpen = (vcpu: Block, enables: bigint): boolean =>
  vcpu.get32(EL) === 1 || enables === ANYBODY || (vcpu.get64(USER_ENABLE) & enables) !== 0n;

/** A row of the table: who may, and that the counters are up to date before it and know of it after. */
function pmuRow({
  name,
  el0 = NOBODY,
  writeEl0 = el0,
  isThere = () => true,
  read,
  write,
  ...rest
}: PmuRow): SysregRow {
  return {
    name,
    key: SYSREGS[name],
    visible: isVisible,
    readEl: 0,
    read(vcpu, to) {
      if (vcpu.get32(CREATED) === 0) {
        vcpu.set64(to, 0n);
        return SYSREG_DONE;
      }
      if (!read || !isOpen(vcpu, el0) || !isThere(vcpu)) return SYSREG_UNDEFINED;
      bringUpToDate(vcpu, retiredSoFar(vcpu));
      vcpu.set64(to, read(vcpu));
      return SYSREG_DONE;
    },
    writeEl: 0,
    write(vcpu, from, { host }) {
      if (vcpu.get32(CREATED) === 0) return SYSREG_DONE;
      if (!write || !isOpen(vcpu, writeEl0) || !isThere(vcpu)) return SYSREG_UNDEFINED;
      bringUpToDate(vcpu, retiredSoFar(vcpu));
      write(vcpu, vcpu.get64(from));
      countersChanged(vcpu, host);
      return SYSREG_LEAVE; // an interrupt may be due, or due earlier than the run loop knows
    },
    ...rest,
  };
}

/** User space's view of storage that counts, or that counting depends on. */
const counted = (
  get: (vcpu: Block) => bigint,
  set: (vcpu: Block, value: bigint) => void,
): SysregUserAccess => ({
  get(vcpu) {
    bringUpToDate(vcpu);
    return get(vcpu);
  },
  set(vcpu, value, host) {
    bringUpToDate(vcpu);
    set(vcpu, value);
    countersChanged(vcpu, host);
    return 0;
  },
});

// ---- PMCR_EL0

/** AArch32 is not there, so the cycle counter overflows at 64 bits only. */
const RES1 = PMCR_LC;
/** C, D, DP, LP of the pattern that KVM has for unknown bits. */
const UNKNOWN_FLAGS = 0xacn;

function writeControl(vcpu: Block, value: bigint): void {
  const flags = (value & PMCR_FLAGS & ~PMCR_C & ~PMCR_P) | RES1;
  const kept = vcpu.get64(PMCR) & ~PMCR_FLAGS;
  const dropped = holds(vcpu, PMCR_RESET_TO_ZERO) && !hasLongCounters(vcpu) ? PMCR_LP : 0n;
  vcpu.set64(PMCR, kept | (flags & ~dropped));
  if ((value & PMCR_C) !== 0n) vcpu.set64(VALUES + 8 * CYCLE_COUNTER, 0n);
  if ((value & PMCR_P) === 0n) return;
  for (let n = 0; n < eventCounters(vcpu); n++) vcpu.set64(VALUES + 8 * n, 0n);
}

function resetControl(vcpu: Block): bigint {
  const flags = holds(vcpu, PMCR_RESET_TO_ZERO) ? 0n : UNKNOWN_FLAGS;
  return flags | RES1 | (BigInt(MAX_EVENT_COUNTERS) << PMCR_N_SHIFT);
}

/** The number of counters is set with its attribute only. */
const STRICT = 1 << KVM_ARM_VCPU_PMU_V3_STRICT;

function setControl(vcpu: Block, value: bigint): void {
  if (!holds(vcpu, COUNTERS_OF_VM)) {
    vcpu.set64(PMCR, value);
    return;
  }
  const vm = vcpu.get32(VM_BLOCK);
  const counters = Number((value & PMCR_N) >> PMCR_N_SHIFT);
  const mayChange = vcpu.words.get32(vm + VM_HAS_RUN) === 0 && (featuresOf(vcpu) & STRICT) === 0;
  if (mayChange && counters <= MAX_EVENT_COUNTERS) vcpu.words.set32(vm + EVENT_COUNTERS, counters);
  vcpu.set64(PMCR, (value & PMCR_FLAGS) | RES1);
}

const control = pmuRow({
  name: 'PMCR_EL0',
  el0: EN,
  read: (vcpu) => controlOf(vcpu) & ~(PMCR_C | PMCR_P),
  write: writeControl,
  offset: PMCR,
  reset: resetControl,
  user: counted((vcpu) => (holds(vcpu, COUNTERS_OF_VM) ? controlOf(vcpu) : vcpu.get64(PMCR)), setControl),
});

// ---- one bit for each counter

/** A SET register, and the CLR register that is another name of it. */
function maskRows(set: Name, clear: Name, offset: number, el0?: bigint): readonly SysregRow[] {
  const change = (vcpu: Block, value: bigint, sets: boolean): void => {
    const before = vcpu.get64(offset);
    vcpu.set64(offset, sets ? before | value : before & ~value);
  };
  return [
    { name: set, sets: true },
    { name: clear, sets: false },
  ].map(({ name, sets }) =>
    pmuRow({
      name,
      ...(el0 === undefined ? {} : { el0 }),
      read: (vcpu) => vcpu.get64(offset) & counterMask(vcpu),
      write: (vcpu, value) => change(vcpu, value & counterMask(vcpu), sets),
      user: counted(
        (vcpu) => vcpu.get64(offset) & (holds(vcpu, COUNTERS_OF_VM) ? counterMask(vcpu) : -1n),
        (vcpu, value) => {
          if (!holds(vcpu, COUNTERS_OF_VM)) vcpu.set64(offset, value);
          else if (holds(vcpu, USER_SETS_AND_CLEARS)) change(vcpu, value & counterMask(vcpu), sets);
          else vcpu.set64(offset, value & counterMask(vcpu));
        },
      ),
      ...(sets ? { offset, reset: (vcpu) => UNKNOWN & narrow(vcpu, resetMask(vcpu)) } : {}),
    }),
  );
}

/** @returns the mask, or all bits where a reset does not mask */
const narrow = (vcpu: Block, mask: bigint): bigint => (holds(vcpu, NARROW_RESET) ? mask : (1n << 64n) - 1n);

// ---- counters and what they count

const exists = (vcpu: Block, counter: number): boolean =>
  counter === CYCLE_COUNTER || counter < eventCounters(vcpu);

const setValue = (vcpu: Block, counter: number, value: bigint): void =>
  vcpu.set64(VALUES + 8 * counter, value);
const setType = (vcpu: Block, counter: number, value: bigint): void =>
  vcpu.set64(TYPES + 8 * counter, value & typeMask(vcpu));
const typeOf = (vcpu: Block, counter: number): bigint => vcpu.get64(TYPES + 8 * counter) & typeMask(vcpu);
const selected = (vcpu: Block): number => Number(vcpu.get64(SELECTED) & SELECT_MASK);

const WORD = 0xffff_ffffn;

/** PMEVCNTRn_EL0 and PMEVTYPERn_EL0; of 31, PMCCNTR_EL0 and PMCCFILTR_EL0. */
const counterRows = Array.from({ length: COUNTERS }, (_, n): readonly SysregRow[] => {
  const isCycles = n === CYCLE_COUNTER;
  return [
    pmuRow({
      name: isCycles ? 'PMCCNTR_EL0' : (`PMEVCNTR${n}_EL0` as Name),
      el0: (isCycles ? CR : ER) | EN,
      writeEl0: EN,
      isThere: (vcpu) => exists(vcpu, n),
      read: (vcpu) => counterValue(vcpu, n),
      write: (vcpu, value) => setValue(vcpu, n, value),
      offset: VALUES + 8 * n,
      reset: (vcpu) => (isCycles ? UNKNOWN : UNKNOWN & narrow(vcpu, WORD)),
      user: counted(
        (vcpu) => (holds(vcpu, NARROW_RESET) ? counterValue(vcpu, n) : vcpu.get64(VALUES + 8 * n)),
        (vcpu, value) => setValue(vcpu, n, value),
      ),
    }),
    pmuRow({
      name: isCycles ? 'PMCCFILTR_EL0' : (`PMEVTYPER${n}_EL0` as Name),
      el0: EN,
      isThere: (vcpu) => exists(vcpu, n),
      read: (vcpu) => typeOf(vcpu, n),
      write: (vcpu, value) => setType(vcpu, n, value),
      offset: TYPES + 8 * n,
      reset: (vcpu) => (isCycles ? 0n : UNKNOWN & narrow(vcpu, typeMask(vcpu))),
      user: counted(
        (vcpu) => vcpu.get64(TYPES + 8 * n),
        (vcpu, value) => vcpu.set64(TYPES + 8 * n, value),
      ),
    }),
  ];
}).flat();

// ---- events

/** PMCEID0_EL0 and PMCEID1_EL0: events of the CPU that the VM may count. */
function eventsFrom(vcpu: Block, first: number): bigint {
  const known = [SW_INCR, INST_RETIRED, CPU_CYCLES, ...(holds(vcpu, CHAIN_ANNOUNCED) ? [CHAIN] : [])];
  return known
    .filter((event) => event >= first && event < first + 32 && isAllowed(vcpu, event))
    .reduce((bits, event) => bits | (1n << BigInt(event - first)), 0n);
}

export const pmuSysregs: readonly SysregRow[] = [
  control,
  ...maskRows('PMCNTENSET_EL0', 'PMCNTENCLR_EL0', ENABLED, EN),
  ...maskRows('PMINTENSET_EL1', 'PMINTENCLR_EL1', INTERRUPTS),
  ...maskRows('PMOVSSET_EL0', 'PMOVSCLR_EL0', OVERFLOWS, EN),
  ...counterRows,
  pmuRow({
    name: 'PMSELR_EL0',
    el0: ER | EN,
    read: (vcpu) => vcpu.get64(SELECTED) & SELECT_MASK,
    write: (vcpu, value) => vcpu.set64(SELECTED, value),
    offset: SELECTED,
    reset: (vcpu) => UNKNOWN & narrow(vcpu, SELECT_MASK),
    user: 'plain',
  }),
  pmuRow({
    name: 'PMXEVCNTR_EL0',
    el0: ER | EN,
    writeEl0: EN,
    isThere: (vcpu) => exists(vcpu, selected(vcpu)),
    read: (vcpu) => counterValue(vcpu, selected(vcpu)),
    write: (vcpu, value) => setValue(vcpu, selected(vcpu), value),
  }),
  pmuRow({
    name: 'PMXEVTYPER_EL0',
    el0: EN,
    isThere: (vcpu) => exists(vcpu, selected(vcpu)),
    read: (vcpu) => typeOf(vcpu, selected(vcpu)),
    write: (vcpu, value) => setType(vcpu, selected(vcpu), value),
  }),
  pmuRow({
    name: 'PMSWINC_EL0',
    el0: SW | EN,
    write: (vcpu, value) => incrementBySoftware(vcpu, value & counterMask(vcpu)),
    offset: SOFTWARE_INCREMENT,
    reset: (vcpu) => (holds(vcpu, NARROW_RESET) ? 0n : UNKNOWN),
    user: {
      get: (vcpu) => vcpu.get64(SOFTWARE_INCREMENT),
      set(vcpu, value) {
        if (!holds(vcpu, NARROW_RESET)) vcpu.set64(SOFTWARE_INCREMENT, value);
        return 0;
      },
    },
  }),
  pmuRow({ name: 'PMCEID0_EL0', el0: EN, read: (vcpu) => eventsFrom(vcpu, 0) }),
  pmuRow({ name: 'PMCEID1_EL0', el0: EN, read: (vcpu) => eventsFrom(vcpu, 32) }),
  pmuRow({
    name: 'PMUSERENR_EL0',
    el0: ANYBODY,
    writeEl0: NOBODY,
    read: (vcpu) => vcpu.get64(USER_ENABLE) & USER_ENABLE_MASK,
    write: (vcpu, value) => vcpu.set64(USER_ENABLE, value & USER_ENABLE_MASK),
    offset: USER_ENABLE,
    reset: () => 0n,
    user: 'plain',
  }),
  {
    name: 'PMMIR_EL1',
    key: SYSREGS.PMMIR_EL1,
    visible: (vcpu) => !holds(vcpu, ALWAYS_THERE) && (!holds(vcpu, PMMIR_LISTED) || hasPmu(vcpu)),
    readEl: 1,
    read(vcpu, to) {
      vcpu.set64(to, 0n);
      return SYSREG_DONE;
    },
    userReleases: PMMIR_LISTED,
    // This PMU tells of no slots.
    user: { get: () => 0n, set: (_vcpu, value) => (value === 0n ? 0 : -EINVAL) },
  },
];
