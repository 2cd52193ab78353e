/**
 * Counting. Every cycle retires an instruction: CPU_CYCLES and INST_RETIRED count what the interpreter counts anyway,
 * and time that passes outside of guest code is no cycle. So counters are brought up to date when somebody looks, and
 * an overflow that interrupts is a bound on the budget of guest code.
 */
import type { Host } from '../host.ts';
import { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { EL, VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { PRIVATE_COUNT } from '../vgic/state.ts';
import { setPpi, setSpi } from '../vgic/vgic.ts';
import { isAllowed } from './filter.ts';
import {
  COUNTERS,
  COUNTING,
  CREATED,
  CYCLE_COUNTER,
  ENABLED,
  INTERRUPTS,
  INTID,
  LEFT,
  LEVEL,
  OVERFLOWS,
  PMCR,
  PMCR_E,
  PMCR_LC,
  PMCR_LP,
  RETIRED,
  SEEN,
  TYPES,
  TYPE_NOT_EL0,
  TYPE_NOT_EL1,
  VALUES,
  counterMask,
  eventMask,
  hasLongCounters,
} from './state.ts';

/** Events. Source: Arm DDI 0487, D13.12. */
export const SW_INCR = 0x00;
export const INST_RETIRED = 0x08;
export const CPU_CYCLES = 0x11;
export const CHAIN = 0x1e;

const LEVELS = [0, 1] as const;
const NOT_AT = [TYPE_NOT_EL0, TYPE_NOT_EL1] as const;
/** A bound that is none. */
const NEVER = 2 ** 52;
const TWO_32 = 2 ** 32;

const bitOf = (counter: number): bigint => 1n << BigInt(counter);
const numbersOf = (mask: bigint): number[] =>
  Array.from({ length: COUNTERS }, (_, n) => n).filter((n) => (mask & bitOf(n)) !== 0n);

// ---- guest code comes and goes

/** Guest code was left. @param level - the exception level it ran at @param retired - its instructions */
export function endCounting(vcpu: Block, level: number, retired: number): void {
  // While nothing counts, nobody reads what was seen.
  if (vcpu.get32(COUNTING) === 0) return;
  note(vcpu, level, retired - vcpu.get32(SEEN));
  vcpu.set32(SEEN, 0);
}

function note(vcpu: Block, level: number, retired: number): void {
  const at = RETIRED + 8 * level;
  vcpu.setNumber(at, vcpu.getNumber(at) + retired);
  for (const each of LEVELS) {
    vcpu.setNumber(LEFT + 8 * each, Math.max(0, vcpu.getNumber(LEFT + 8 * each) - retired));
  }
}

/** Whether anything is counted, at some exception level. */
export const counts = (vcpu: Block): boolean => vcpu.get32(COUNTING) !== 0;

/** Instructions until the counters must be brought up to date: 0 = now; Infinity = nothing counts here. */
export function untilOverflow(vcpu: Block): number {
  const level = vcpu.get32(EL);
  return (vcpu.get32(COUNTING) & (1 << level)) === 0 ? Infinity : vcpu.getNumber(LEFT + 8 * level);
}

// ---- counters

const isCounting = (vcpu: Block): boolean => vcpu.get32(CREATED) !== 0 && (vcpu.get64(PMCR) & PMCR_E) !== 0n;

const countersEnabled = (vcpu: Block): bigint =>
  isCounting(vcpu) ? vcpu.get64(ENABLED) & counterMask(vcpu) : 0n;

const eventOf = (vcpu: Block, counter: number): number =>
  counter === CYCLE_COUNTER ? CPU_CYCLES : Number(vcpu.get64(TYPES + 8 * counter) & eventMask(vcpu));

/** Whether what a counter counts is instructions, at some exception level. */
function countsInstructions(vcpu: Block, counter: number): boolean {
  const event = eventOf(vcpu, counter);
  return (event === CPU_CYCLES || event === INST_RETIRED) && isAllowed(vcpu, event);
}

const countsAt = (vcpu: Block, counter: number, level: 0 | 1): boolean =>
  (vcpu.get64(TYPES + 8 * counter) & NOT_AT[level]) === 0n;

const isLong = (vcpu: Block, counter: number): boolean => counter === CYCLE_COUNTER || hasLongCounters(vcpu);

/** Where a counter overflows: its number of bits. */
function overflowBits(vcpu: Block, counter: number): bigint {
  const long = counter === CYCLE_COUNTER ? PMCR_LC : hasLongCounters(vcpu) ? PMCR_LP : 0n;
  return (vcpu.get64(PMCR) & long) === 0n ? 32n : 64n;
}

/** The counter that counts the overflows of another one; -1 = none. */
function chainedTo(vcpu: Block, counter: number, enabled: bigint): number {
  const next = counter + 1;
  if (counter % 2 !== 0 || next === CYCLE_COUNTER || overflowBits(vcpu, counter) !== 32n) return -1;
  return (enabled & bitOf(next)) !== 0n && eventOf(vcpu, next) === CHAIN ? next : -1;
}

function advance(vcpu: Block, counter: number, by: bigint, enabled: bigint): void {
  const width = isLong(vcpu, counter) ? 64 : 32;
  const before = BigInt.asUintN(width, vcpu.get64(VALUES + 8 * counter));
  const after = before + by;
  vcpu.set64(VALUES + 8 * counter, BigInt.asUintN(width, after));
  const bits = overflowBits(vcpu, counter);
  const overflows = (after >> bits) - (before >> bits);
  if (overflows === 0n) return;
  vcpu.set64(OVERFLOWS, vcpu.get64(OVERFLOWS) | bitOf(counter));
  const chained = chainedTo(vcpu, counter, enabled);
  if (chained >= 0) advance(vcpu, chained, overflows, enabled);
}

/**
 * Counts what has retired since the last time. Before a register is looked at, and before one is changed.
 *
 * @param retired - instructions of this stay in guest code so far; 0 outside
 */
export function bringUpToDate(vcpu: Block, retired = 0): void {
  if (vcpu.get32(COUNTING) !== 0) note(vcpu, vcpu.get32(EL), retired - vcpu.get32(SEEN));
  vcpu.set32(SEEN, retired);
  const counts = LEVELS.map((level) => BigInt(vcpu.getNumber(RETIRED + 8 * level)));
  if (counts.every((count) => count === 0n)) return;
  for (const level of LEVELS) vcpu.setNumber(RETIRED + 8 * level, 0);
  const enabled = countersEnabled(vcpu);
  for (const counter of numbersOf(enabled)) {
    if (!countsInstructions(vcpu, counter)) continue;
    const by = LEVELS.filter((level) => countsAt(vcpu, counter, level)).reduce(
      (sum, level) => sum + counts[level]!,
      0n,
    );
    advance(vcpu, counter, by, enabled);
  }
}

/** PMSWINC_EL0. @param mask - the counters that are told */
export function incrementBySoftware(vcpu: Block, mask: bigint): void {
  const enabled = countersEnabled(vcpu);
  for (const counter of numbersOf(mask & enabled & ~bitOf(CYCLE_COUNTER))) {
    if (eventOf(vcpu, counter) === SW_INCR) advance(vcpu, counter, 1n, enabled);
  }
}

/** The counter's value as the vCPU reads it. */
export const counterValue = (vcpu: Block, counter: number): bigint =>
  BigInt.asUintN(isLong(vcpu, counter) ? 64 : 32, vcpu.get64(VALUES + 8 * counter));

// ---- interrupts

/** How far a counter is from its overflow. */
const distance = (vcpu: Block, counter: number): number => {
  const bits = overflowBits(vcpu, counter);
  return Number((1n << bits) - BigInt.asUintN(Number(bits), vcpu.get64(VALUES + 8 * counter)));
};

/** Instructions that a counter must count before it or its chain asserts the interrupt. */
function untilInterrupt(vcpu: Block, counter: number, enabled: bigint, watched: bigint): number {
  const own = distance(vcpu, counter);
  const chained = chainedTo(vcpu, counter, enabled);
  const ofChain =
    chained >= 0 && (watched & bitOf(chained)) !== 0n
      ? own + (distance(vcpu, chained) - 1) * TWO_32
      : Infinity;
  return Math.min((watched & bitOf(counter)) === 0n ? Infinity : own, ofChain, NEVER);
}

/** The interrupt needs the counter enabled, too. Later not, as Arm has it. */
const ENABLE_INTERRUPTS = releases({ until: '6.14' });

function isInterrupting(vcpu: Block): boolean {
  if (!isCounting(vcpu)) return false;
  const enabled = holds(vcpu, ENABLE_INTERRUPTS) ? countersEnabled(vcpu) : counterMask(vcpu);
  return (vcpu.get64(OVERFLOWS) & vcpu.get64(INTERRUPTS) & enabled) !== 0n;
}

/** After counters or their registers changed: what counts where, until when, and the interrupt. */
export function countersChanged(vcpu: Block, host: Host): void {
  const enabled = countersEnabled(vcpu);
  const watched = vcpu.get64(INTERRUPTS) & ~vcpu.get64(OVERFLOWS);
  const left = [NEVER, NEVER];
  let counting = 0;
  for (const counter of numbersOf(enabled)) {
    if (!countsInstructions(vcpu, counter)) continue;
    const until = untilInterrupt(vcpu, counter, enabled, watched);
    for (const level of LEVELS.filter((each) => countsAt(vcpu, counter, each))) {
      counting |= 1 << level;
      left[level] = Math.min(left[level]!, until);
    }
  }
  vcpu.set32(COUNTING, counting);
  for (const level of LEVELS) vcpu.setNumber(LEFT + 8 * level, left[level]!);
  drive(vcpu, isInterrupting(vcpu) ? 1 : 0, host);
}

function drive(vcpu: Block, level: 0 | 1, host: Host): void {
  if (vcpu.get32(LEVEL) === level) return;
  vcpu.set32(LEVEL, level);
  const vm = new Block(vcpu.words, vcpu.get32(VM_BLOCK));
  // Without a GIC in the kernel the level goes to user space: see pmuLevel.
  if (vm.get32(IRQCHIP) === 0) return;
  const intid = vcpu.get32(INTID);
  if (intid < PRIVATE_COUNT) setPpi(vcpu, intid, level !== 0, host);
  else setSpi(vm, intid, level !== 0, host);
}

/** The interrupt as last told: 0 or 1. */
export const pmuLevel = (vcpu: Block): number => vcpu.get32(LEVEL);

/** An overflow that interrupts may be due. */
export function overflowDue(vcpu: Block, host: Host): void {
  bringUpToDate(vcpu);
  countersChanged(vcpu, host);
}

/** KVM_ARM_VCPU_INIT and CPU_ON, after the registers: what was not counted yet is nobody's. */
export function resetCounters(vcpu: Block, host: Host): void {
  for (const level of LEVELS) vcpu.setNumber(RETIRED + 8 * level, 0);
  countersChanged(vcpu, host);
}
