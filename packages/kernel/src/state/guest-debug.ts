/** What KVM_SET_GUEST_DEBUG has asked for: words of the vCPU's block. */
import {
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_GUESTDBG_USE_HW,
  KVM_GUESTDBG_USE_SW_BP,
} from '@vkvm/uapi';

import type { Block } from './block.ts';
import { GUEST_DEBUG } from './vcpu-state.ts';

/** Bits of `kvm_guest_debug.control` there are. */
export const GUEST_DEBUG_FLAGS =
  KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW;

/** Pairs of registers that an array of `struct kvm_guest_debug` has room for. */
const PAIRS = 16;
const WORD = 8;

/** `KVM_GUESTDBG_*`; 0 = the guest is not debugged. */
export const DEBUG_CONTROL = GUEST_DEBUG;
/** Not 0: an instruction that was stepped over has trapped, and its step is due before the next one. */
export const STEP_DUE = GUEST_DEBUG + 4;
const BREAKPOINT_CONTROL = GUEST_DEBUG + 8;
const BREAKPOINT_VALUE = BREAKPOINT_CONTROL + PAIRS * WORD;
const WATCHPOINT_CONTROL = BREAKPOINT_VALUE + PAIRS * WORD;
const WATCHPOINT_VALUE = WATCHPOINT_CONTROL + PAIRS * WORD;

/** The arrays of `struct kvm_guest_debug`. */
export interface DebugRegisters {
  readonly dbg_bcr: readonly bigint[];
  readonly dbg_bvr: readonly bigint[];
  readonly dbg_wcr: readonly bigint[];
  readonly dbg_wvr: readonly bigint[];
}

/** A breakpoint or watchpoint that is enabled: DBGBCRn_EL1 and DBGBVRn_EL1, DBGWCRn_EL1 and DBGWVRn_EL1. */
export interface DebugPair {
  readonly control: number;
  readonly value: bigint;
}

const ENABLED = 1;

/** Begins to debug; the registers count with KVM_GUESTDBG_USE_HW only. */
export function setGuestDebug(vcpu: Block, control: number, registers: DebugRegisters): void {
  vcpu.set32(DEBUG_CONTROL, control);
  vcpu.set32(STEP_DUE, 0);
  if ((control & KVM_GUESTDBG_USE_HW) === 0) return;
  const store = (offset: number, values: readonly bigint[]): void => {
    for (let n = 0; n < PAIRS; n++) vcpu.set64(offset + n * WORD, values[n] ?? 0n);
  };
  store(BREAKPOINT_CONTROL, registers.dbg_bcr);
  store(BREAKPOINT_VALUE, registers.dbg_bvr);
  store(WATCHPOINT_CONTROL, registers.dbg_wcr);
  store(WATCHPOINT_VALUE, registers.dbg_wvr);
}

function pairs(vcpu: Block, controls: number, values: number, count: number): DebugPair[] {
  if ((vcpu.get32(DEBUG_CONTROL) & KVM_GUESTDBG_USE_HW) === 0) return [];
  return Array.from({ length: count }, (_, n) => ({
    control: vcpu.get32(controls + n * WORD),
    value: vcpu.get64(values + n * WORD),
  })).filter(({ control }) => (control & ENABLED) !== 0);
}

/** @param count - how many the CPU has */
export const breakpoints = (vcpu: Block, count: number): DebugPair[] =>
  pairs(vcpu, BREAKPOINT_CONTROL, BREAKPOINT_VALUE, count);

/** @param count - how many the CPU has */
export const watchpoints = (vcpu: Block, count: number): DebugPair[] =>
  pairs(vcpu, WATCHPOINT_CONTROL, WATCHPOINT_VALUE, count);
