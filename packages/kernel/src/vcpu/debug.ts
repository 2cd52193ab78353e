/**
 * Debugging of the guest by user space: single step, breakpoints and watchpoints end KVM_RUN with KVM_EXIT_DEBUG. A guest
 * that is debugged runs one instruction at a time. Source: Linux arch/arm64/kvm/debug.c; Arm DDI 0487, D2.
 */
import { KVM_GUESTDBG_SINGLESTEP, KVM_MP_STATE_RUNNABLE, releaseNumber } from '@vkvm/uapi';

import { LEAVE_EXCEPTION, LEAVE_MMIO, LEAVE_PORT, LEAVE_UNDEFINED, LEAVE_WFI } from '../interp/leave.ts';
import type { Block } from '../state/block.ts';
import { MP_STATE, WAITING } from '../state/control.ts';
import { exitDebug } from '../state/exit.ts';
import { DEBUG_CONTROL, STEP_DUE, breakpoints, watchpoints } from '../state/guest-debug.ts';
import type { DebugPair } from '../state/guest-debug.ts';
import { since } from '../state/profile.ts';
import { EL, INTERRUPT_LINES, PC, SP_SLOT, SYNDROME, X } from '../state/vcpu-state.ts';
import { BREAKPOINTS, WATCHPOINTS } from '../sysreg/debug.ts';
import { accessOf } from './debug-access.ts';
import type { DebugAccess } from './debug-access.ts';
import { PORT_EXCEPTION } from './port.ts';
import { GO_ON, countRetired, handleLeave } from './trap.ts';
import type { Vcpu } from './vcpu.ts';

/** Syndromes: class in bits 31:26, IL in 25, ISS below. Source: Arm DDI 0487, D24.2.40. */
const CLASS_SHIFT = 26;
const IL = 1 << 25;
const CLASS_BREAKPOINT = 0x30;
const CLASS_STEP = 0x32;
const CLASS_WATCHPOINT = 0x34;
const CLASS_BRK = 0x3c;
const DEBUG_EXCEPTION = 0x22;
/** ISS of a step: the instruction before was stepped, and nothing else has happened. */
const ISS_STEP_VALID = 1 << 24;
/** ISS of a watchpoint: a store. */
const ISS_WRITE = 1 << 6;

const syndromeOf = (exceptionClass: number, iss: number): number =>
  ((exceptionClass << CLASS_SHIFT) | IL | iss) >>> 0;

/** Before, an instruction that traps to the hypervisor is not counted as a step. */
const TRAPS_ARE_STEPS = releaseNumber('5.11');
/** What a turn costs, in instructions. */
export const DEBUG_TURN = 1;

/** The step over what KVM_RUN completes is kept until it is told. Before, it is forgotten if no guest code follows. */
const STEP_KEPT = releaseNumber('6.14');

/** KVM_RUN ends with an MMIO access or a WFI completed, and no guest code after it. */
export function forgetStep(vcpu: Block): void {
  if (!since(vcpu, STEP_KEPT)) vcpu.set32(STEP_DUE, 0);
}

export const isDebugged = (vcpu: Block): boolean => vcpu.get32(DEBUG_CONTROL) !== 0;

/**
 * Executes one instruction of a guest that is debugged, unless something is to be told before it.
 *
 * @returns {@link GO_ON}, or what KVM_RUN answers
 */
export function debugTurn(vcpu: Vcpu): number {
  const { block, engine, traps } = vcpu;
  const steps = (block.get32(DEBUG_CONTROL) & KVM_GUESTDBG_SINGLESTEP) !== 0;
  if (steps && block.get32(STEP_DUE) !== 0) return exitStep(block, false);
  const hit = findHit(vcpu);
  if (hit) {
    exitDebug(block, hit.syndrome, hit.address);
    return 0;
  }
  traps.hasTrapped = false;
  const level = block.get32(EL);
  const leave = engine.step();
  countRetired(vcpu, level, leave);
  if (leave === LEAVE_EXCEPTION && block.get32(SYNDROME) >>> CLASS_SHIFT === CLASS_BRK) {
    exitDebug(block, block.get32(SYNDROME), 0n);
    return 0;
  }
  const result = handleLeave(vcpu, leave);
  if (!steps) return result;
  const trapsAreSteps = since(block, TRAPS_ARE_STEPS);
  if (result !== GO_ON) {
    // What user space completes was an instruction of its own; what it refused executes again.
    const hasTrapped = traps.hasTrapped || leave === LEAVE_MMIO;
    if (result === 0 && hasTrapped && trapsAreSteps) block.set32(STEP_DUE, 1);
    return result;
  }
  // A WFI that has nothing to wait for is not trapped.
  if (leave === LEAVE_WFI && block.get32(INTERRUPT_LINES) !== 0) {
    block.set32(WAITING, 0);
    return exitStep(block, true);
  }
  if (block.get32(WAITING) !== 0 || block.get32(MP_STATE) !== KVM_MP_STATE_RUNNABLE) {
    // The wait comes first.
    if (trapsAreSteps) block.set32(STEP_DUE, 1);
    return GO_ON;
  }
  const isException =
    leave === LEAVE_EXCEPTION ||
    leave === LEAVE_UNDEFINED ||
    (leave === LEAVE_PORT && traps.action === PORT_EXCEPTION);
  if (!traps.hasTrapped) return exitStep(block, !isException);
  return trapsAreSteps ? exitStep(block, false) : GO_ON;
}

function exitStep(vcpu: Block, wasExecuted: boolean): number {
  vcpu.set32(STEP_DUE, 0);
  exitDebug(vcpu, syndromeOf(CLASS_STEP, (wasExecuted ? ISS_STEP_VALID : 0) | DEBUG_EXCEPTION), 0n);
  return 0;
}

interface Hit {
  readonly syndrome: number;
  readonly address: bigint;
}

/** A breakpoint at the instruction, or a watchpoint on what it accesses. */
function findHit({ block, engine }: Vcpu): Hit | undefined {
  const breaks = breakpoints(block, BREAKPOINTS);
  const watches = watchpoints(block, WATCHPOINTS);
  if (breaks.length === 0 && watches.length === 0) return undefined;
  const pc = block.get64(PC);
  const level = block.get32(EL);
  if (breaks.some((pair) => atLevel(pair, level) && pair.value >> 2n === pc >> 2n)) {
    return { syndrome: syndromeOf(CLASS_BREAKPOINT, DEBUG_EXCEPTION), address: pc };
  }
  const word = watches.length === 0 ? undefined : engine.wordAtPc();
  const access = word === undefined ? undefined : accessOf(word, pc, (n) => register(block, n));
  if (!access || !watches.some((pair) => atLevel(pair, level) && isWatched(pair, access))) return undefined;
  const iss = DEBUG_EXCEPTION | (access.isWrite ? ISS_WRITE : 0);
  return { syndrome: syndromeOf(CLASS_WATCHPOINT, iss), address: access.address };
}

const register = (vcpu: Block, n: number): bigint => vcpu.get64(n === 31 ? SP_SLOT : X + 8 * n);

/** DBGBCR.PMC and DBGWCR.PAC, bits 2:1: EL1, EL0. */
const atLevel = ({ control }: DebugPair, level: number): boolean =>
  ((control >>> 1) & (level === 0 ? 2 : 1)) !== 0;

/** DBGWCR: LSC bits 4:3 (loads, stores), BAS 12:5 (bytes of the doubleword), MASK 28:24 (low address bits that do not count). */
function isWatched({ control, value }: DebugPair, { address, bytes, isRead, isWrite }: DebugAccess): boolean {
  const kinds = (isRead ? 1 : 0) | (isWrite ? 2 : 0);
  if (((control >>> 3) & kinds) === 0) return false;
  const mask = (1n << BigInt((control >>> 24) & 0x1f)) - 1n;
  const end = address + BigInt(bytes);
  if (mask !== 0n) return (value & ~mask) < end && address <= (value | mask);
  const selected = (control >>> 5) & 0xff;
  for (let byte = 0n; byte < 8n; byte += 1n) {
    const at = (value & ~7n) + byte;
    if (((selected >>> Number(byte)) & 1) === 1 && at >= address && at < end) return true;
  }
  return false;
}
