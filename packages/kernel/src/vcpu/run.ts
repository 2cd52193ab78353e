/** KVM_RUN. Order of checks: Linux arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run. */
import {
  EDEADLK,
  EINTR,
  EIO,
  KVM_ARM_DEV_PMU,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  KVM_SYSTEM_EVENT_WAKEUP,
  VKVM_IDLE_STOPPED,
  VKVM_IDLE_SUSPENDED,
  VKVM_IDLE_WFI,
  VKVM_KICK_SIGNAL_MASK,
} from '@vkvm/uapi';

import { LEAVE_COST, NOT_RESUMED, STILL_SETTLED, type Resumed } from '../interp/entry.ts';
import { LEAVE_MMIO, LEAVE_WFE } from '../interp/leave.ts';
import type { Leave } from '../interp/leave.ts';
import {
  HAS_RUN_ONCE,
  HAS_TRAPPED,
  IN_GUEST,
  MP_STATE,
  PSTATE_REST,
  SERROR_PENDING,
  SERROR_SYNDROME,
  SETTLED,
  VCPU_ID,
  WAITING,
} from '../state/control.ts';
import { hasRing, isRingFull } from '../state/dirty.ts';
import {
  deviceIrqLevel,
  exitDirtyRingFull,
  exitIdle,
  exitReason,
  exitIntr,
  exitSystemEvent,
  exitUnknown,
  immediateExit,
  setDeviceIrqLevel,
} from '../state/exit.ts';
import { checkPmu, pmuIntid } from '../pmu/attributes.ts';
import { counts, overflowDue, pmuLevel, untilOverflow } from '../pmu/counters.ts';
import { completePsci } from '../psci/exit.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import {
  REQUEST_FLUSH_ALL,
  REQUEST_FLUSH_CODE,
  REQUEST_FLUSH_TLB,
  REQUEST_RELOAD,
  REQUEST_VM_DEAD,
  kickIndex,
  takeRequests,
} from '../state/requests.ts';
import { EXITS, SIGNAL_EXITS, count } from '../state/stats.ts';
import type { Block } from '../state/block.ts';
import { DAIF, EL, INTERRUPT_LINES, PSTATE_SS_IL } from '../state/vcpu-state.ts';
import { IRQCHIP, PAUSED, PSCI_BY_KERNEL, SLICE, STATE_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import { servesPsci } from '../smccc/call.ts';
import { finaliseIdRegisters } from '../sysreg/id.ts';
import { timerDeadline, timerLevels, timerUpdate } from '../timer/arch-timer.ts';
import { claimTimerIntids } from '../timer/attributes.ts';
import { advanceClock, isDeterministic, monotonicTime } from '../timer/clock.ts';
import { killVm } from '../vm/vm.ts';
import { mapResources } from '../vgic/device.ts';
import { advanceItses } from '../vgic/its.ts';
import { isItsBehind } from '../vgic/vgic.ts';
import {
  VECTOR_FIQ,
  VECTOR_IRQ,
  raiseIllegalState,
  takeInterrupt,
  takePending,
  takeSerror,
} from './exception.ts';
import { DEBUG_TURN, debugTurn, forgetStep, isDebugged } from './debug.ts';
import { PSTATE_A, PSTATE_F, PSTATE_I, PSTATE_IL } from './pstate.ts';
import { applyPendingReset } from './reset.ts';
import { hasSecureRuntime } from './secure.ts';
import { GO_ON, countRetired, handleLeave } from './trap.ts';
import type { Vcpu } from './vcpu.ts';

/** Instructions between two looks at the clock, where no timer can be late by more than a fraction of a millisecond. */
const CLOCK_INTERVAL = 150_000;
/** What a step of an ITS through its commands counts for. */
const ITS_TURN = 10_000;
/** An exception counts as an instruction, or a vector that faults would never end a slice. */
const EXCEPTION_COST = 1;

const IRQ_LINE = 1;
const FIQ_LINE = 2;
const SERROR_LINE = 4;

/**
 * Runs a vCPU that is initialised. The vCPU mutex is held.
 *
 * @param resumed - what its engine's `resume` has answered
 * @returns 0 with an exit in kvm_run, or -errno
 */
export function runVcpu(vcpu: Vcpu, resumed: Resumed): number {
  const { block, thread } = vcpu;
  const result = resumed === STILL_SETTLED ? 0 : resumed === NOT_RESUMED ? run(vcpu) : runOn(vcpu, resumed);
  thread.trace?.kvm_userspace_exit?.(block.get32(VCPU_ID), exitReason(block), Math.max(0, -result));
  return result;
}

/**
 * Guest code was left for a device of user space, which may happen a million times a second. The next KVM_RUN looks at what
 * others have done to the vCPU, and at nothing else: interp/entry.ts.
 */
function settle(vcpu: Vcpu, slice: number): void {
  const { block, vm } = vcpu;
  if (vm.get32(IRQCHIP) === 0 || hasRing(block) || isDeterministic(vm)) return;
  if (counts(block) || isItsBehind(vm)) return;
  block.set32(SETTLED, Math.max(0, Math.min(slice, vcpu.untilClock)));
  vcpu.untilClock = 0;
}

/** A vCPU that was settled has left guest code, and is not any more. */
function runOn(vcpu: Vcpu, leave: Leave): number {
  const { block, vm } = vcpu;
  countRetired(vcpu, block.get32(EL), leave);
  unsettle(vcpu);
  const result = handleLeave(vcpu, leave);
  if (result !== GO_ON) return result;
  const slice = sliceOf(vm);
  return runUntilExit(vcpu, slice, leftAfter(vcpu, leave, slice, slice));
}

function unsettle(vcpu: Vcpu): void {
  const left = vcpu.block.get32(SETTLED);
  if (left === 0) return;
  vcpu.block.set32(SETTLED, 0);
  vcpu.untilClock = left;
}

/** Instructions that a KVM_RUN may take; Infinity = no limit. */
const sliceOf = (vm: Block): number => vm.getNumber(SLICE) || Infinity;

/** Marks the vCPU as in guest code. @returns false: memslots are changing, and guest code is not to be entered */
function enters({ block, vm }: Vcpu): boolean {
  const { words } = block;
  if (!words.isShared) return true;
  // Pairs with vm/memslots.ts, which stores PAUSED and then loads IN_GUEST.
  const inGuest = (block.base + IN_GUEST) >>> 2;
  Atomics.store(words.i32, inGuest, 1);
  if (vm.get32(PAUSED) === 0) return true;
  words.i32[inGuest] = 0;
  return false;
}

/** Guest code, until it leaves. */
function turn(vcpu: Vcpu, budget: number): Leave {
  const { block, engine } = vcpu;
  const level = block.get32(EL);
  const leave = engine.run(budget);
  countRetired(vcpu, level, leave);
  block.set32(IN_GUEST, 0);
  count(block, EXITS);
  vcpu.untilClock -= engine.retired + LEAVE_COST;
  return leave;
}

/** Instructions that are left after a turn. WFE is a hint to let others run: under a slice it ends one. */
const leftAfter = ({ engine }: Vcpu, leave: Leave, slice: number, left: number): number =>
  leave === LEAVE_WFE && slice !== Infinity ? 0 : left - engine.retired - EXCEPTION_COST;

/** KVM_RUN in general. */
function run(vcpu: Vcpu): number {
  const { block, vm, engine } = vcpu;
  unsettle(vcpu);
  const refused = firstRun(vcpu);
  if (refused !== 0) return refused;
  const hasCompleted = engine.completeAccess();
  completePsci(block);
  takePending(block, engine);
  if (immediateExit(block)) {
    if (hasCompleted) forgetStep(block);
    return -EINTR;
  }
  exitUnknown(block);
  block.set32(PSTATE_REST, 0);
  block.set32(PSTATE_REST + 4, 0);
  const slice = sliceOf(vm);
  const result = runUntilExit(vcpu, slice, slice);
  if (vm.get32(IRQCHIP) === 0) setDeviceIrqLevel(block, deviceLevels(block));
  return result;
}

/** A GIC that cannot be used is an error once, and no harm after. Later it is the end of the VM. */
const CHECKED_ONCE = releases({ until: '6.1' });

/** What the first KVM_RUN of a vCPU checks, and what it freezes. */
function firstRun(vcpu: Vcpu): number {
  const { block, vm, thread } = vcpu;
  if (block.get32(HAS_RUN_ONCE) !== 0) return 0;
  if (vm.get32(IRQCHIP) !== 0) {
    const unmapped = mapResources(vm, thread.host);
    if (unmapped !== 0) {
      if (holds(vm, CHECKED_ONCE)) freeze(vcpu);
      else killVm(vm, thread.host);
      return unmapped;
    }
    const clash = claimTimerIntids(block, pmuIntid(block));
    if (clash !== 0) return clash;
  }
  const unready = checkPmu(block);
  if (unready !== 0) return unready;
  freeze(vcpu);
  return 0;
}

function freeze({ block, vm, thread: { words, host } }: Vcpu): void {
  withLock(words, vm.base + STATE_LOCK, host, () => {
    if (vm.get32(VM_HAS_RUN) === 0) {
      finaliseIdRegisters(vm);
      vm.set32(PSCI_BY_KERNEL, servesPsci(vm) && !hasSecureRuntime(vm) ? 1 : 0);
    }
    vm.set32(VM_HAS_RUN, 1);
  });
  block.set32(HAS_RUN_ONCE, 1);
}

/** A timer whose condition holds ends a WFI even if its interrupt goes nowhere. Later the interrupt must come. */
const TIMER_ENDS_WFI = releases({ since: '4.1', until: '5.19' });

/**
 * @param slice - instructions after which KVM_RUN answers EINTR; Infinity = none, and KVM_RUN may wait
 * @param left - how many of them are left
 */
function runUntilExit(vcpu: Vcpu, slice: number, left: number): number {
  const { block, vm, engine, thread } = vcpu;
  const { host } = thread;
  const { words } = block;
  const { i32 } = words;
  const kick = kickIndex(block);
  const inGuest = (block.base + IN_GUEST) >>> 2;
  const hasTrapped = (block.base + HAS_TRAPPED) >>> 2;
  const mayWait = slice === Infinity;
  const instructionsAreTime = isDeterministic(vm);
  for (;;) {
    if (i32[kick] !== 0 && (Atomics.exchange(i32, kick, 0) & VKVM_KICK_SIGNAL_MASK) !== 0)
      return interrupt(vcpu);
    if (left <= 0) {
      exitIntr(block);
      return -EINTR;
    }
    if (serveRequests(vcpu)) return -EIO;
    if (isItsBehind(vm)) {
      left -= ITS_TURN;
      advanceInGuest(vcpu);
      continue;
    }
    const mpState = block.get32(MP_STATE);
    if (mpState === KVM_MP_STATE_STOPPED) {
      const result = waitForChange(vcpu, VKVM_IDLE_STOPPED, Infinity, mayWait);
      if (result === GO_ON) continue;
      return result;
    }
    // What was known of memory is from before the reset.
    if (applyPendingReset(block, host)) continue;
    const waits = mpState === KVM_MP_STATE_SUSPENDED || block.get32(WAITING) !== 0;
    if (waits || vcpu.untilClock <= 0 || instructionsAreTime) {
      const now = monotonicTime(block, host);
      timerUpdate(block, now, host);
      vcpu.untilClock = instructionsAreTime ? timerDeadline(block, now) - now : CLOCK_INTERVAL;
    }
    if (untilOverflow(block) === 0) overflowDue(block, host);
    // A timer that has risen is told at once, where the interrupt controller is in user space; others with the next exit.
    if (vm.get32(IRQCHIP) === 0 && mustBeTold(deviceLevels(block), deviceIrqLevel(block))) {
      return interrupt(vcpu);
    }
    if (waits) {
      const timerIsDue = holds(block, TIMER_ENDS_WFI) && timerLevels(block) !== 0;
      if (block.get32(INTERRUPT_LINES) === 0 && !timerIsDue) {
        const why = mpState === KVM_MP_STATE_SUSPENDED ? VKVM_IDLE_SUSPENDED : VKVM_IDLE_WFI;
        const result = waitForChange(vcpu, why, timerDeadline(block, monotonicTime(block, host)), mayWait);
        if (result === GO_ON) continue;
        return result;
      }
      block.set32(WAITING, 0);
      if (mpState === KVM_MP_STATE_SUSPENDED) {
        exitSystemEvent(block, KVM_SYSTEM_EVENT_WAKEUP);
        return 0;
      }
    }
    if (isRingFull(block)) {
      exitDirtyRingFull(block);
      return 0;
    }
    deliverInterrupt(vcpu);
    if ((block.get32(PSTATE_SS_IL) & PSTATE_IL) !== 0) raiseIllegalState(block, engine);

    if (!enters(vcpu)) {
      waitForMemslots(vcpu);
      continue;
    }
    i32[hasTrapped] = 1;
    if (isDebugged(block)) {
      const answer = debugTurn(vcpu);
      i32[inGuest] = 0;
      left -= DEBUG_TURN;
      vcpu.untilClock -= LEAVE_COST;
      if (answer !== GO_ON) return answer;
      continue;
    }
    const leave = turn(vcpu, Math.min(left, vcpu.untilClock, Math.max(1, untilOverflow(block))));
    if (leave === LEAVE_MMIO) settle(vcpu, slice);
    const result = handleLeave(vcpu, leave);
    if (result !== GO_ON) return result;
    left = leftAfter(vcpu, leave, slice, left);
  }
}

/** Outputs of in-kernel devices: KVM_ARM_DEV_* bits. */
const deviceLevels = (block: Block): number => timerLevels(block) | (pmuLevel(block) * KVM_ARM_DEV_PMU);

/** Whether user space must be told of levels at once: timers that have risen, and what the PMU's has become. */
const mustBeTold = (now: number, told: number): boolean =>
  (now & ~told) !== 0 || ((now ^ told) & KVM_ARM_DEV_PMU) !== 0;

/** KVM_RUN ends early for something that user space shall look at. It ends a WFI, too. */
function interrupt({ block }: Vcpu): number {
  if (block.get32(WAITING) !== 0) forgetStep(block);
  block.set32(WAITING, 0);
  count(block, SIGNAL_EXITS);
  exitIntr(block);
  return -EINTR;
}

/** Takes a turn with the commands of ITSes, where memslots do not change. */
function advanceInGuest(vcpu: Vcpu): void {
  const {
    block,
    vm,
    thread: { host },
  } = vcpu;
  if (!enters(vcpu)) {
    waitForMemslots(vcpu);
    return;
  }
  advanceItses(vm, host);
  block.set32(IN_GUEST, 0);
}

/** Memslots are changing: stay outside until that is done. */
function waitForMemslots({ block, vm, thread: { host } }: Vcpu): void {
  const { i32 } = block.words;
  const paused = (vm.base + PAUSED) >>> 2;
  while (Atomics.load(i32, paused) !== 0) host.wait(i32, paused, 1, Infinity);
}

/** @returns whether the VM is dead */
function serveRequests({ block, engine }: Vcpu): boolean {
  const bits = takeRequests(block);
  if (bits === 0) return false;
  if ((bits & REQUEST_RELOAD) !== 0) {
    engine.regimeChanged();
    engine.contextChanged();
  }
  if ((bits & (REQUEST_FLUSH_ALL | REQUEST_FLUSH_TLB)) !== 0) engine.flushTlb();
  if ((bits & (REQUEST_FLUSH_ALL | REQUEST_FLUSH_CODE)) !== 0) engine.flushCode();
  return (bits & REQUEST_VM_DEAD) !== 0;
}

/**
 * Nothing to run until somebody kicks or the deadline comes.
 * @param deadline - monotonic ns, or Infinity
 * @returns GO_ON to look again, or what KVM_RUN answers
 */
function waitForChange(
  { block, vm, thread: { host } }: Vcpu,
  why: number,
  deadline: number,
  mayWait: boolean,
): number {
  if (!mayWait) {
    exitIdle(block, why, deadline);
    return 0;
  }
  if (isDeterministic(vm) && deadline !== Infinity) {
    advanceClock(vm, deadline);
    return GO_ON;
  }
  return host.wait(block.words.i32, kickIndex(block), 0, deadline) ? GO_ON : -EDEADLK;
}

/** Takes the interrupt that is pending and not masked, if there is one. */
function deliverInterrupt({ block, engine }: Vcpu): void {
  const lines = block.get32(INTERRUPT_LINES);
  if (lines === 0) return;
  const masked = block.get32(DAIF);
  if ((lines & SERROR_LINE) !== 0 && (masked & PSTATE_A) === 0) {
    block.set32(SERROR_PENDING, 0);
    Atomics.and(block.words.i32, (block.base + INTERRUPT_LINES) >>> 2, ~SERROR_LINE);
    takeSerror(block, block.get32(SERROR_SYNDROME), engine);
  } else if ((lines & FIQ_LINE) !== 0 && (masked & PSTATE_F) === 0) {
    takeInterrupt(block, VECTOR_FIQ, engine);
  } else if ((lines & IRQ_LINE) !== 0 && (masked & PSTATE_I) === 0) {
    takeInterrupt(block, VECTOR_IRQ, engine);
  }
}
