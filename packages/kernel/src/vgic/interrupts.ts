/**
 * The state machine of GIC interrupts: which one a vCPU takes next, and what taking and ending it does.
 * Source: Arm IHI 0069, chapter 4; for GICv2 Arm IHI 0048, chapter 3. One security state, two groups.
 *
 * The vGIC lock is held by the caller of everything here. Blocks are given by their addresses.
 */
import type { Host } from '../host.ts';
import { affinityOf } from '../state/affinity.ts';
import { Block } from '../state/block.ts';
import { VCPU_ID } from '../state/control.ts';
import { writeEventfd } from '../state/eventfd.ts';
import { pinOf } from '../state/irq-routing.ts';
import { irqfdOf, irqfdsOf } from '../state/irqfd.ts';
import { REQUEST_LOOK, request } from '../state/requests.ts';
import { INTERRUPT_LINES } from '../state/vcpu-state.ts';
import { RESAMPLERS, VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import type { Words } from '../state/words.ts';
import { bestLpi, isLpi, priorityOf, setPending } from './lpi-state.ts';
import {
  ACTIVE,
  AP0R,
  AP1R,
  BEST,
  BEST_GROUP,
  BEST_PRIORITY,
  BPR0,
  BPR1,
  CONTROL,
  DISTRIBUTOR_ENABLED,
  EDGE,
  ENABLED,
  GROUP,
  GROUPS_ENABLED,
  LINE,
  LPIS,
  NONE,
  PENDING,
  PMR,
  PRIORITY,
  PRIORITY_BITS,
  PRIORITY_MASK,
  PRIVATE_COUNT,
  READY,
  READY_BANKS,
  ROUTE,
  SPI_COUNT,
  TARGET,
  bankIndex,
} from './state.ts';

/** The GIC of one VM, on this thread. A view. */
export interface Gic {
  readonly words: Words;
  /** Address of the VM block. */
  readonly vm: number;
  readonly host: Host;
}

/** Bits of INTERRUPT_LINES. */
const IRQ_LINE = 1;
const FIQ_LINE = 2;

/** ICC_CTLR_EL1: one binary point for both groups. */
export const CONTROL_CBPR = 1;
/** ICC_CTLR_EL1: EOIR drops the priority only, DIR deactivates. */
export const CONTROL_EOI_MODE = 2;
/** GICv2, GICC_CTLR.FIQEn is 0: Group 0 is signalled as IRQ. */
export const CONTROL_GROUP_0_IRQ = 4;
/** GICv2, GICC_CTLR.AckCtl: GICC_IAR takes interrupts of Group 1, too. */
export const CONTROL_ACK_CTL = 8;

/** The smallest binary points that 32 priorities give. */
export const MIN_BPR0 = 7 - PRIORITY_BITS;
export const MIN_BPR1 = MIN_BPR0 + 1;
/** ICC_RPR_EL1 while nothing is active. */
const IDLE_PRIORITY = 0xff;

/** Number of the lowest bit that is set. @param bits - not 0 */
const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** Number of interrupts, private ones included. */
export const interruptCount = ({ words, vm }: Gic): number => PRIVATE_COUNT + words.get32(vm + SPI_COUNT);

/** Addresses of the VM's vCPUs. */
export function* vcpusOf({ words, vm }: Gic): Generator<number> {
  const count = words.get32(vm + VCPU_COUNT);
  for (let n = 0; n < count; n++) yield words.get32(vm + VCPU_TABLE + 4 * n);
}

/** Address of the vCPU with an affinity of Aff2.Aff1.Aff0, 0 = none. */
export function vcpuByAffinity(gic: Gic, affinity: number): number {
  for (const vcpu of vcpusOf(gic)) if (affinityOf(gic.words, vcpu) === affinity) return vcpu;
  return 0;
}

/** Address of the vCPU with an id, 0 = none. It is the number that its redistributor has. */
export function vcpuById(gic: Gic, id: number): number {
  for (const vcpu of vcpusOf(gic)) if (gic.words.get32(vcpu + VCPU_ID) === id) return vcpu;
  return 0;
}

/** Bits of a priority that decide preemption, by group. */
export function groupPriorityMask({ words }: Gic, vcpu: number, group: number): number {
  const u32 = words.u32;
  const common = (u32[(vcpu + CONTROL) >>> 2]! & CONTROL_CBPR) !== 0;
  const shift =
    group === 1 && !common
      ? Math.max(u32[(vcpu + BPR1) >>> 2]!, MIN_BPR1)
      : Math.max(u32[(vcpu + BPR0) >>> 2]!, MIN_BPR0) + 1;
  return (0xff << shift) & 0xff;
}

/** Priority of what the vCPU is handling; {@link IDLE_PRIORITY} = nothing. */
export function runningPriority({ words }: Gic, vcpu: number): number {
  const active = words.get32(vcpu + AP0R) | words.get32(vcpu + AP1R);
  return active === 0 ? IDLE_PRIORITY : lowestBit(active) << (8 - PRIORITY_BITS);
}

/**
 * Finds what the vCPU takes next and drives its interrupt lines.
 * @returns whether a line rose: the vCPU must look
 */
export function signal(gic: Gic, vcpu: number): boolean {
  const { words, vm } = gic;
  const { u32, u8 } = words;
  let best = NONE;
  let bestPriority = 0x100;
  let bestGroup = 0;
  const groups = u32[(vm + DISTRIBUTOR_ENABLED) >>> 2] === 0 ? 0 : u32[(vcpu + GROUPS_ENABLED) >>> 2]!;
  if (groups !== 0) {
    // Bank 0, then those with something ready. Equal priorities: the lower INTID first, which is the one found first.
    for (let banks = (u32[(vm + READY_BANKS) >>> 2]! | 1) >>> 0; banks !== 0; banks &= banks - 1) {
      const number = lowestBit(banks);
      const bank = bankIndex(vm, vcpu, number);
      const group1 = u32[bank + (GROUP >>> 2)]!;
      const wanted = ((groups & 2) === 0 ? 0 : group1) | ((groups & 1) === 0 ? 0 : ~group1);
      for (let bits = u32[bank + (READY >>> 2)]! & wanted; bits !== 0; bits &= bits - 1) {
        const bit = lowestBit(bits);
        const intid = number * 32 + bit;
        if (number !== 0 && u32[((vm + TARGET) >>> 2) + intid] !== vcpu) continue;
        const priority = u8[bank * 4 + PRIORITY + bit]!;
        if (priority >= bestPriority) continue;
        best = intid;
        bestPriority = priority;
        bestGroup = (group1 >>> bit) & 1;
      }
    }
    const lpis = u32[(vm + LPIS) >>> 2]!;
    if (lpis !== 0 && (groups & 2) !== 0) {
      const intid = bestLpi({ words, base: lpis }, vcpu, bestPriority);
      if (intid !== 0) {
        best = intid;
        bestPriority = priorityOf({ words, base: lpis }, intid);
        bestGroup = 1;
      }
    }
  }
  u32[(vcpu + BEST) >>> 2] = best;
  u32[(vcpu + BEST_PRIORITY) >>> 2] = bestPriority;
  u32[(vcpu + BEST_GROUP) >>> 2] = bestGroup;

  let line = 0;
  if (best !== NONE && bestPriority < (u32[(vcpu + PMR) >>> 2]! & PRIORITY_MASK)) {
    const groupPriority = bestPriority & groupPriorityMask(gic, vcpu, bestGroup);
    if (groupPriority < runningPriority(gic, vcpu)) line = lineOf(words, vcpu, bestGroup);
  }
  return drive(words, vcpu, line);
}

/** The input of the vCPU that a group is signalled by. */
const lineOf = (words: Words, vcpu: number, group: number): number =>
  group === 1 || (words.get32(vcpu + CONTROL) & CONTROL_GROUP_0_IRQ) !== 0 ? IRQ_LINE : FIQ_LINE;

/** Sets the IRQ and FIQ inputs; SError shares the word with another writer, so each change is one atomic operation. */
function drive({ i32 }: Words, vcpu: number, line: number): boolean {
  const index = (vcpu + INTERRUPT_LINES) >>> 2;
  const before = Atomics.load(i32, index) & (IRQ_LINE | FIQ_LINE);
  if (before === line) return false;
  if ((before & ~line) !== 0) Atomics.and(i32, index, ~(before & ~line));
  if ((line & ~before) === 0) return false;
  Atomics.or(i32, index, line);
  return true;
}

/** {@link signal}, and a request to the vCPU if a line rose. */
export function signalAndRequest(gic: Gic, vcpu: number): void {
  if (signal(gic, vcpu)) request(new Block(gic.words, vcpu), REQUEST_LOOK, gic.host);
}

/**
 * Follows a change of a bank's words: everything that was or is now ready is looked at again.
 * @param vcpu - whose bank 0 it is; of no meaning for the others
 */
export function bankChanged(gic: Gic, vcpu: number, number: number): void {
  const { words, vm } = gic;
  const { u32 } = words;
  const bank = bankIndex(vm, vcpu, number);
  const before = u32[bank + (READY >>> 2)]!;
  const after =
    (u32[bank + (PENDING >>> 2)]! | (u32[bank + (LINE >>> 2)]! & ~u32[bank + (EDGE >>> 2)]!)) &
    u32[bank + (ENABLED >>> 2)]! &
    ~u32[bank + (ACTIVE >>> 2)]!;
  u32[bank + (READY >>> 2)] = after;
  if (number === 0) {
    if ((before | after) !== 0) signalAndRequest(gic, vcpu);
    return;
  }
  const summary = (vm + READY_BANKS) >>> 2;
  u32[summary] = after === 0 ? u32[summary]! & ~(1 << number) : u32[summary]! | (1 << number);
  let done = 0;
  for (let bits = before | after; bits !== 0; bits &= bits - 1) {
    const target = u32[((vm + TARGET) >>> 2) + number * 32 + lowestBit(bits)]!;
    // Neighbours mostly share a target, and looking twice does no harm.
    if (target !== 0 && target !== done) signalAndRequest(gic, target);
    done = target;
  }
}

/** Follows a change that may move every vCPU's best interrupt: GICD_CTLR, or commands of an ITS. */
export function allChanged(gic: Gic): void {
  for (const vcpu of vcpusOf(gic)) signalAndRequest(gic, vcpu);
}

/** Drives an input line. A rising call latches an edge; a level follows. @param vcpu - for a private interrupt */
export function setLine(gic: Gic, vcpu: number, intid: number, level: boolean): void {
  const { u32 } = gic.words;
  const bank = bankIndex(gic.vm, vcpu, intid >>> 5);
  const mask = 1 << (intid & 31);
  const edge = (u32[bank + (EDGE >>> 2)]! & mask) !== 0;
  const word = bank + ((edge ? PENDING : LINE) >>> 2);
  if (edge && !level) return;
  const before = u32[word]!;
  u32[word] = level ? before | mask : before & ~mask;
  if (u32[word] !== before) bankChanged(gic, vcpu, intid >>> 5);
}

/** Routes an SPI. @param affinity - Aff2.Aff1.Aff0; if no vCPU has it, the SPI stays pending */
export function route(gic: Gic, intid: number, affinity: number): void {
  gic.words.set32(gic.vm + ROUTE + 4 * intid, affinity);
  retarget(gic, intid, vcpuByAffinity(gic, affinity));
}

/** GICv2: says which vCPUs an SPI may go to, by their place. It goes to the first, or to the first of all. */
export function targetSpi(gic: Gic, intid: number, targets: number): void {
  const { words, vm } = gic;
  const there = targets & ((1 << words.get32(vm + VCPU_COUNT)) - 1);
  words.set32(vm + ROUTE + 4 * intid, there);
  const place = there === 0 ? 0 : lowestBit(there);
  retarget(gic, intid, words.get32(vm + VCPU_TABLE + 4 * place));
}

function retarget(gic: Gic, intid: number, after: number): void {
  const { words, vm } = gic;
  const before = words.get32(vm + TARGET + 4 * intid);
  if (after === before) return;
  words.set32(vm + TARGET + 4 * intid, after);
  if (before !== 0) signalAndRequest(gic, before);
  if (after !== 0) signalAndRequest(gic, after);
}

/** Whether the best interrupt is of this group, and nothing keeps it from the vCPU but its own masks. */
export function isSignalled({ words }: Gic, vcpu: number, group: number): boolean {
  if (words.get32(vcpu + BEST_GROUP) !== group) return false;
  const lines = Atomics.load(words.i32, (vcpu + INTERRUPT_LINES) >>> 2);
  return (lines & lineOf(words, vcpu, group)) !== 0;
}

/**
 * ICC_IARn_EL1: takes the best interrupt.
 * @returns its INTID, or {@link NONE} if nothing of this group is signalled
 */
export function acknowledge(gic: Gic, vcpu: number, group: number): number {
  const { words, vm } = gic;
  const { u32 } = words;
  const line = lineOf(words, vcpu, group);
  if ((Atomics.load(words.i32, (vcpu + INTERRUPT_LINES) >>> 2) & line) === 0) return NONE;
  const intid = words.get32(vcpu + BEST);
  const priority = words.get32(vcpu + BEST_PRIORITY) & groupPriorityMask(gic, vcpu, group);
  const activePriorities = (vcpu + (group === 1 ? AP1R : AP0R)) >>> 2;
  u32[activePriorities] = u32[activePriorities]! | (1 << (priority >>> (8 - PRIORITY_BITS)));
  if (isLpi(intid)) {
    setPending({ words, base: words.get32(vm + LPIS) }, intid, false);
    signalAndRequest(gic, vcpu);
    return intid;
  }
  const bank = bankIndex(vm, vcpu, intid >>> 5);
  const mask = 1 << (intid & 31);
  u32[bank + (ACTIVE >>> 2)] = u32[bank + (ACTIVE >>> 2)]! | mask;
  // The latch goes; a level that is still high makes it active and pending, and READY waits for the end.
  u32[bank + (PENDING >>> 2)] = u32[bank + (PENDING >>> 2)]! & ~mask;
  bankChanged(gic, vcpu, intid >>> 5);
  return intid;
}

/** The priority drop of ICC_EOIRn_EL1. @returns whether there was something to drop */
export function dropPriority({ words }: Gic, vcpu: number): boolean {
  const { u32 } = words;
  const group0 = (vcpu + AP0R) >>> 2;
  const group1 = (vcpu + AP1R) >>> 2;
  const active = u32[group0]! | u32[group1]!;
  if (active === 0) return false;
  const highest = active & -active;
  // One priority is active in one group only. If both claim it, Group 0 was taken last.
  const word = (u32[group0]! & highest) !== 0 ? group0 : group1;
  u32[word] = u32[word]! & ~highest;
  return true;
}

/** Ends an interrupt: by EOIR or by DIR. An LPI was never active. @param group - it is left alone if it is of the other one; -1 = any */
export function deactivate(gic: Gic, vcpu: number, intid: number, group: number): void {
  if (intid >= interruptCount(gic)) return;
  const { u32 } = gic.words;
  const bank = bankIndex(gic.vm, vcpu, intid >>> 5);
  const mask = 1 << (intid & 31);
  const ofGroup = (u32[bank + (GROUP >>> 2)]! & mask) === 0 ? 0 : 1;
  if (group >= 0 && group !== ofGroup) return;
  u32[bank + (ACTIVE >>> 2)] = u32[bank + (ACTIVE >>> 2)]! & ~mask;
  const isLevel = (u32[bank + (EDGE >>> 2)]! & mask) === 0;
  if (intid >= PRIVATE_COUNT && isLevel && gic.words.get32(gic.vm + RESAMPLERS) !== 0) {
    if (resample(gic, intid - PRIVATE_COUNT)) u32[bank + (LINE >>> 2)] = u32[bank + (LINE >>> 2)]! & ~mask;
  }
  bankChanged(gic, vcpu, intid >>> 5);
}

/** Tells those who hold a pin high that its interrupt has ended; they raise it again if they must. @returns whether there are any */
function resample({ words, vm }: Gic, pin: number): boolean {
  const view = new Block(words, vm);
  const holders = irqfdsOf(words, vm)
    .map((eventfd) => irqfdOf(words, eventfd))
    .filter((irqfd) => irqfd !== undefined && irqfd.resample !== 0 && pinOf(view, irqfd.gsi) === pin);
  for (const irqfd of holders) if (irqfd) writeEventfd(words, irqfd.resample, 1n);
  return holders.length > 0;
}

/** ICC_HPPIRn_EL1: the pending interrupt of highest priority, whatever masks it. */
export function highestPending({ words }: Gic, vcpu: number, group: number): number {
  return words.get32(vcpu + BEST_GROUP) === group ? words.get32(vcpu + BEST) : NONE;
}

/** One vCPU's SGI. @param group1 - the sender may raise Group 1; Group 0 it always may */
function raiseSgi(gic: Gic, vcpu: number, intid: number, group1: boolean): void {
  const { u32 } = gic.words;
  const bank = bankIndex(gic.vm, vcpu, 0);
  const mask = 1 << intid;
  if (!group1 && (u32[bank + (GROUP >>> 2)]! & mask) !== 0) return;
  u32[bank + (PENDING >>> 2)] = u32[bank + (PENDING >>> 2)]! | mask;
  bankChanged(gic, vcpu, 0);
}

/**
 * A write to ICC_SGI1R_EL1 and its relatives. The range selector is ignored: GICD_TYPER.RSS is 0.
 * @param low, high - halves of the value
 */
export function sendSgi(gic: Gic, sender: number, low: number, high: number, group1: boolean): void {
  const intid = (low >>> 24) & 15;
  const toAllOthers = (high & 0x100) !== 0;
  const cluster = (((high & 0xff) << 16) | ((low >>> 8) & 0xff00)) >>> 0;
  const aff3 = (high >>> 16) & 0xff;
  if (!toAllOthers && aff3 !== 0) return;
  for (const vcpu of vcpusOf(gic)) {
    if (toAllOthers) {
      if (vcpu !== sender) raiseSgi(gic, vcpu, intid, group1);
      continue;
    }
    const affinity = affinityOf(gic.words, vcpu);
    const aff0 = affinity & 0xff;
    if ((affinity & 0xffff00) !== cluster || aff0 > 15 || ((low >>> aff0) & 1) === 0) continue;
    raiseSgi(gic, vcpu, intid, group1);
  }
}
