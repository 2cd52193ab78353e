/**
 * The window: a stretch of virtual memory that lies in process memory in one piece, and may be read and written. Compiled
 * code adds a number to an address there, and needs no entry of the TLB.
 *
 * There is one for each vCPU, of one exception level. It is gone with whatever the guest invalidates of it, and as long as
 * stores are logged there is none.
 */
import type { Block } from '../state/block.ts';
import {
  EL,
  WINDOW_BYTES,
  WINDOW_LEVEL,
  WINDOW_NON_GLOBAL,
  WINDOW_SIZE,
  WINDOW_START,
} from '../state/vcpu-state.ts';

/** The largest access, in bytes: DC ZVA, LD4. */
const MAX_ACCESS = 64;

/** After EL or the window changed. */
export function selectWindow(vcpu: Block): void {
  const isHere = vcpu.get32(WINDOW_LEVEL) === vcpu.get32(EL);
  vcpu.setNumber(WINDOW_SIZE, isHere ? Math.max(0, vcpu.getNumber(WINDOW_BYTES) - MAX_ACCESS + 1) : 0);
}

/** Leaves where it was: compiled code has that in it. */
export function dropWindow(vcpu: Block): void {
  vcpu.setNumber(WINDOW_BYTES, 0);
  vcpu.setNumber(WINDOW_SIZE, 0);
}

export function dropNonGlobalWindow(vcpu: Block): void {
  if (vcpu.get32(WINDOW_NON_GLOBAL) !== 0) dropWindow(vcpu);
}

/** Drops it if some pages are part of it. @param first - VA[55:12] of the first one */
export function dropWindowAt(vcpu: Block, first: number, count: number): void {
  if (vcpu.getNumber(WINDOW_BYTES) === 0) return; // mostly
  const upper = vcpu.get32(WINDOW_START + 4) & 0xff_ffff;
  const start = upper * 2 ** 20 + (vcpu.get32(WINDOW_START) >>> 12);
  const end = start + vcpu.getNumber(WINDOW_BYTES) / 4096;
  if (first < end && start < first + count) dropWindow(vcpu);
}
