/**
 * The generic timer of a vCPU: virtual and physical counter and timer of EL1. Source: Arm DDI 0487, D12.
 *
 * The physical counter is the monotonic clock (clock.ts) in ticks of 16 ns. It stays below 2⁵³, so whole ticks are exact
 * numbers; 64-bit quantities are pairs of words, and no bigint is made on the way of the guest. A vCPU's words are
 * written by its thread; the offsets, which all vCPUs of a VM share, under the VM lock.
 */
import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { TIMER, VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { VM_TIMER } from '../state/vm-state.ts';
import { setPpi } from '../vgic/vgic.ts';
import { monotonicTime } from './clock.ts';

/** CNTFRQ_EL0, in Hz. */
export const COUNTER_FREQUENCY = 62_500_000;
const TICK_NS = 1e9 / COUNTER_FREQUENCY;

/** Which timer, and which counter it compares with. */
export const VIRTUAL = 0;
export const PHYSICAL = 1;
export type Timer = typeof VIRTUAL | typeof PHYSICAL;
const TIMERS: readonly Timer[] = [VIRTUAL, PHYSICAL];

/** Words of a timer, from TIMER. CTL is 64 bits wide because user space may put anything there. */
const TIMER_SIZE = 24;
const CTL = 0;
const CVAL = 8;
/** Derived: 1 = the output is high, as last told to the interrupt controller. */
const LEVEL = 16;

/** Words of the VM, from VM_TIMER: what is subtracted from the physical counter, by timer. 64 bits each. */
const OFFSETS = VM_TIMER + 0x00;
/** Not 0: KVM_ARM_SET_COUNTER_OFFSET fixed the offsets. */
const OFFSETS_FIXED = VM_TIMER + 0x10;
/** INTIDs of the outputs by KVM_ARM_VCPU_TIMER_IRQ_*; 0 = the default. */
export const TIMER_INTIDS = VM_TIMER + 0x20;
export const DEFAULT_INTIDS = [27, 30, 28, 26] as const;

/** CNTx_CTL_EL0. */
const ENABLE = 1 << 0;
const IMASK = 1 << 1;
const ISTATUS = 1 << 2;

const TWO_32 = 0x1_0000_0000;
/** A deadline so far away that it is none, in ns: 292 years. */
const NEVER = 2 ** 63;

const timerAt = (vcpu: Block, timer: Timer): number => vcpu.base + TIMER + timer * TIMER_SIZE;
const offsetAt = (vm: number, timer: Timer): number => vm + OFFSETS + 8 * timer;

/** Physical counter at a monotonic time in ns. */
const ticksAt = (now: number): number => Math.floor(now / TICK_NS);

/** Puts a counter's value at a monotonic time into the eight bytes at a byte address. */
export function readCounter(vcpu: Block, timer: Timer, now: number, to: number): void {
  const { u32 } = vcpu.words;
  const ticks = ticksAt(now);
  const offset = offsetAt(vcpu.get32(VM_BLOCK), timer) >>> 2;
  const low = (ticks >>> 0) - u32[offset]!;
  u32[to >>> 2] = low;
  u32[(to >>> 2) + 1] = Math.floor(ticks / TWO_32) - u32[offset + 1]! - (low < 0 ? 1 : 0);
}

/** Ticks until the timer's condition is met; 0 or less = it is. Exact below 2⁵³, and always of the right sign. */
function ticksLeft(vcpu: Block, timer: Timer, now: number): number {
  const { u32 } = vcpu.words;
  const ticks = ticksAt(now);
  const offset = offsetAt(vcpu.get32(VM_BLOCK), timer) >>> 2;
  const cval = (timerAt(vcpu, timer) + CVAL) >>> 2;
  const low = (ticks >>> 0) - u32[offset]!;
  const high = Math.floor(ticks / TWO_32) - u32[offset + 1]! - (low < 0 ? 1 : 0);
  return (u32[cval + 1]! - (high >>> 0)) * TWO_32 + (u32[cval]! - (low >>> 0));
}

/** CNTx_CTL_EL0 as the guest reads it now. */
export function readControl(vcpu: Block, timer: Timer, now: number): number {
  const control = vcpu.words.get32(timerAt(vcpu, timer) + CTL) & (ENABLE | IMASK);
  return (control & ENABLE) !== 0 && ticksLeft(vcpu, timer, now) <= 0 ? control | ISTATUS : control;
}

/** CNTx_TVAL_EL0: the low word of the difference to the counter. */
export function readTimerValue(vcpu: Block, timer: Timer, now: number): number {
  const { u32 } = vcpu.words;
  const offset = u32[offsetAt(vcpu.get32(VM_BLOCK), timer) >>> 2]!;
  return (u32[(timerAt(vcpu, timer) + CVAL) >>> 2]! - ((ticksAt(now) >>> 0) - offset)) >>> 0;
}

/** Byte address of the 64 bits of CNTx_CVAL_EL0. */
export const compareValueAt = (vcpu: Block, timer: Timer): number => timerAt(vcpu, timer) + CVAL;

/** A guest's write of CNTx_CTL_EL0. */
export function writeControl(vcpu: Block, timer: Timer, value: number, host: Host): void {
  vcpu.words.set32(timerAt(vcpu, timer) + CTL, value & (ENABLE | IMASK));
  timerUpdate(vcpu, monotonicTime(vcpu, host), host);
}

/** A guest's write of CNTx_CVAL_EL0. */
export function writeCompareValue(vcpu: Block, timer: Timer, low: number, high: number, host: Host): void {
  const at = timerAt(vcpu, timer) + CVAL;
  vcpu.words.set32(at, low);
  vcpu.words.set32(at + 4, high);
  timerUpdate(vcpu, monotonicTime(vcpu, host), host);
}

/** A guest's write of CNTx_TVAL_EL0: a signed distance from now. */
export function writeTimerValue(vcpu: Block, timer: Timer, value: number, host: Host): void {
  const { u32 } = vcpu.words;
  const at = timerAt(vcpu, timer) + CVAL;
  const now = monotonicTime(vcpu, host);
  readCounter(vcpu, timer, now, at);
  const low = u32[at >>> 2]! + (value >>> 0);
  u32[at >>> 2] = low;
  u32[(at >>> 2) + 1] = u32[(at >>> 2) + 1]! + (low >= TWO_32 ? 1 : 0) + (value >> 31);
  timerUpdate(vcpu, now, host);
}

/** INTID of a timer's output, for the whole VM. @param index - a KVM_ARM_VCPU_TIMER_IRQ_* */
export const timerIntid = (vcpu: Block, index: 0 | 1 | 2 | 3): number =>
  vcpu.words.get32(vcpu.get32(VM_BLOCK) + TIMER_INTIDS + 4 * index) || DEFAULT_INTIDS[index];

/**
 * Follows the clock: raises and lowers the outputs by their conditions, and leaves in CTL what a save would find.
 * @param now - monotonic ns
 */
export function timerUpdate(vcpu: Block, now: number, host: Host): void {
  const { words } = vcpu;
  for (const timer of TIMERS) {
    const at = timerAt(vcpu, timer);
    const control = readControl(vcpu, timer, now);
    if (words.get32(at + CTL) !== control) words.set32(at + CTL, control);
    if (words.get32(at + CTL + 4) !== 0) words.set32(at + CTL + 4, 0);
    const level = (control & (IMASK | ISTATUS)) === ISTATUS ? 1 : 0;
    if (words.get32(at + LEVEL) === level) continue;
    words.set32(at + LEVEL, level);
    // Without a GIC in the kernel the levels go to user space: see timerLevels.
    if (words.get32(vcpu.get32(VM_BLOCK) + IRQCHIP) === 0) continue;
    setPpi(vcpu, timerIntid(vcpu, timer), level !== 0, host);
  }
}

/** Outputs as of the last {@link timerUpdate}: KVM_ARM_DEV_EL1_VTIMER, KVM_ARM_DEV_EL1_PTIMER. */
export const timerLevels = (vcpu: Block): number =>
  vcpu.words.get32(timerAt(vcpu, VIRTUAL) + LEVEL) |
  (vcpu.words.get32(timerAt(vcpu, PHYSICAL) + LEVEL) << PHYSICAL);

/**
 * When {@link timerUpdate} has something to do next, if the guest does nothing: the next enabled and unmasked timer
 * fires. Monotonic ns; Infinity = never.
 */
export function timerDeadline(vcpu: Block, now: number): number {
  let deadline = Infinity;
  for (const timer of TIMERS) {
    const at = timerAt(vcpu, timer);
    if ((vcpu.words.get32(at + CTL) & (ENABLE | IMASK)) !== ENABLE) continue;
    const left = ticksLeft(vcpu, timer, now);
    if (left > 0) deadline = Math.min(deadline, (ticksAt(now) + left) * TICK_NS);
    else if (vcpu.words.get32(at + LEVEL) === 0) return now;
  }
  return deadline < NEVER ? deadline : Infinity;
}

/** A new vCPU: the VM's virtual counter starts at 0 again, unless user space has fixed it. */
export function initTimers(vcpu: Block, host: Host): void {
  const vm = vcpu.get32(VM_BLOCK);
  if (vcpu.words.get32(vm + OFFSETS_FIXED) !== 0) return;
  setOffset(vcpu, VIRTUAL, BigInt(ticksAt(monotonicTime(vcpu, host))));
  setOffset(vcpu, PHYSICAL, 0n);
}

/** KVM_ARM_VCPU_INIT and CPU_ON: timers off, compare values and offsets as they were. */
export function resetTimers(vcpu: Block, host: Host): void {
  for (const timer of TIMERS) vcpu.words.set64(timerAt(vcpu, timer) + CTL, 0n);
  timerUpdate(vcpu, monotonicTime(vcpu, host), host);
}

function setOffset(vcpu: Block, timer: Timer, offset: bigint): void {
  vcpu.words.set64(offsetAt(vcpu.get32(VM_BLOCK), timer), BigInt.asUintN(64, offset));
}

/** KVM_ARM_SET_COUNTER_OFFSET: both counters, from now on and for good. */
export function setCounterOffset(vm: Block, offset: bigint): void {
  vm.set64(OFFSETS, offset);
  vm.set64(OFFSETS + 8, offset);
  vm.set32(OFFSETS_FIXED, 1);
}

/** A register of a timer as user space gets and sets it. @returns of a set: 0 */
export interface TimerRegister {
  get(vcpu: Block, host: Host): bigint;
  set(vcpu: Block, value: bigint, host: Host): number;
}

/** A read of CNTx_CTL looks at the clock, and a write keeps 32 bits of it. Later it is a system register as others are. */
const CONTROL_COMPUTED = releases({ until: '7.3' });
const CONTROL_WRITABLE = 0xffff_fffbn;

/** CNTx_CTL: the word as the last run left it, or as it was set; ISTATUS cannot be set. */
export const userControl = (timer: Timer): TimerRegister => ({
  get(vcpu, host) {
    const stored = vcpu.words.get64(timerAt(vcpu, timer) + CTL);
    if (!holds(vcpu, CONTROL_COMPUTED) || ticksLeft(vcpu, timer, monotonicTime(vcpu, host)) > 0)
      return stored;
    return stored | BigInt(ISTATUS);
  },
  set(vcpu, value) {
    const kept = holds(vcpu, CONTROL_COMPUTED) ? value & CONTROL_WRITABLE : value & ~BigInt(ISTATUS);
    vcpu.words.set64(timerAt(vcpu, timer) + CTL, kept);
    return 0;
  },
});

/** CNTx_CVAL. */
export const userCompareValue = (timer: Timer): TimerRegister => ({
  get: (vcpu) => vcpu.words.get64(timerAt(vcpu, timer) + CVAL),
  set(vcpu, value) {
    vcpu.words.set64(timerAt(vcpu, timer) + CVAL, value);
    return 0;
  },
});

/** CNTVCT and CNTPCT: setting one moves the offset of the whole VM, unless that is fixed. */
export const userCounter = (timer: Timer): TimerRegister => ({
  get(vcpu, host) {
    const offset = vcpu.words.get64(offsetAt(vcpu.get32(VM_BLOCK), timer));
    return BigInt.asUintN(64, BigInt(ticksAt(monotonicTime(vcpu, host))) - offset);
  },
  set(vcpu, value, host) {
    if (vcpu.words.get32(vcpu.get32(VM_BLOCK) + OFFSETS_FIXED) === 0) {
      setOffset(vcpu, timer, BigInt(ticksAt(monotonicTime(vcpu, host))) - value);
    }
    return 0;
  },
});
