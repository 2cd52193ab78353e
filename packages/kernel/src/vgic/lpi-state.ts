/**
 * LPIs as words: of each the vCPU it goes to, what its configuration says, whether it is pending, and how many
 * translations lead to it. They lie in a block of their own, which a VM has since its first ITS. Under the vGIC lock.
 *
 * An LPI is never active, and always of Group 1. Source: Arm IHI 0069, 4.8 and chapter 5.
 */
import type { Words } from '../state/words.ts';
import { LPIS_ENABLED, PRIORITY_MASK } from './state.ts';

export const FIRST_LPI = 8192;
/** INTIDs have 16 bits: GICD_TYPER.IDbits. */
export const LPI_END = 0x1_0000;
export const LPI_COUNT = LPI_END - FIRST_LPI;

/** How many LPIs are ready: pending, enabled, and with somewhere to go. */
const READY_COUNT = 0x00;
/** Derived: bit n of word m = bank 32m + n has a ready LPI. */
const READY_BANKS = 0x100;
/** Derived: bit n of bank m = LPI 32m + n, counted from the first, is ready. */
const READY = 0x1000;
const ENTRIES = 0x3000;
const ENTRY_SIZE = 8;
export const LPI_BLOCK_SIZE = ENTRIES + LPI_COUNT * ENTRY_SIZE;
const SUMMARY_WORDS = LPI_COUNT / 32 / 32;

/** Fields of an entry: address of the block of the vCPU, 0 = none; and the rest. */
const TARGET = 0;
const STATE = 4;
/** Bits of STATE. The lowest are the priority. */
const ENABLED = 1 << 8;
const PENDING = 1 << 9;
const ONE_USER = 1 << 10;

/** All LPIs of a VM. A view. */
export interface Lpis {
  readonly words: Words;
  /** Address of their block. */
  readonly base: number;
}

export const isLpi = (intid: number): boolean => intid >= FIRST_LPI && intid < LPI_END;

const entryOf = ({ base }: Lpis, intid: number): number => base + ENTRIES + (intid - FIRST_LPI) * ENTRY_SIZE;
const stateOf = (lpis: Lpis, intid: number): number => lpis.words.get32(entryOf(lpis, intid) + STATE);

export const isMapped = (lpis: Lpis, intid: number): boolean => stateOf(lpis, intid) >= ONE_USER;
export const isPending = (lpis: Lpis, intid: number): boolean => (stateOf(lpis, intid) & PENDING) !== 0;
/** Address of the block of the vCPU that an LPI goes to, 0 = none. */
export const targetOf = (lpis: Lpis, intid: number): number =>
  lpis.words.get32(entryOf(lpis, intid) + TARGET);

/** Writes STATE, and what derives from an entry. */
function setState(lpis: Lpis, intid: number, state: number): void {
  const { words, base } = lpis;
  const entry = entryOf(lpis, intid);
  words.set32(entry + STATE, state);
  const target = words.get32(entry + TARGET);
  const isReady =
    (state & (ENABLED | PENDING)) === (ENABLED | PENDING) &&
    target !== 0 &&
    words.get32(target + LPIS_ENABLED) !== 0;
  const { u32 } = words;
  const number = intid - FIRST_LPI;
  const bank = (base + READY + 4 * (number >>> 5)) >>> 2;
  const bit = 1 << (number & 31);
  if (((u32[bank]! & bit) !== 0) === isReady) return;
  const count = (base + READY_COUNT) >>> 2;
  u32[bank] = u32[bank]! ^ bit;
  u32[count] = u32[count]! + (isReady ? 1 : -1);
  const summary = (base + READY_BANKS + 4 * (number >>> 10)) >>> 2;
  const bankBit = 1 << ((number >>> 5) & 31);
  u32[summary] = u32[bank] === 0 ? u32[summary]! & ~bankBit : u32[summary]! | bankBit;
}

/** One more translation leads to an LPI. The first says where it goes. @param target - address of a vCPU's block, or 0 */
export function holdLpi(lpis: Lpis, intid: number, target: number): void {
  const state = stateOf(lpis, intid);
  if (state < ONE_USER) lpis.words.set32(entryOf(lpis, intid) + TARGET, target);
  setState(lpis, intid, state + ONE_USER);
}

/** One less. Without any it is as if it had never been. */
export function releaseLpi(lpis: Lpis, intid: number): void {
  const state = stateOf(lpis, intid) - ONE_USER;
  if (state < ONE_USER) lpis.words.set32(entryOf(lpis, intid) + TARGET, 0);
  setState(lpis, intid, state < ONE_USER ? 0 : state);
}

/** @param configuration - byte of the configuration table: the priority, and in bit 0 whether it is enabled */
export function configureLpi(lpis: Lpis, intid: number, configuration: number): void {
  const rest = stateOf(lpis, intid) & ~(ENABLED | 0xff);
  setState(lpis, intid, rest | (configuration & PRIORITY_MASK) | ((configuration & 1) === 0 ? 0 : ENABLED));
}

export function setPending(lpis: Lpis, intid: number, pending: boolean): void {
  const state = stateOf(lpis, intid);
  setState(lpis, intid, pending ? state | PENDING : state & ~PENDING);
}

export function setTarget(lpis: Lpis, intid: number, target: number): void {
  lpis.words.set32(entryOf(lpis, intid) + TARGET, target);
  refresh(lpis, intid);
}

/** Follows a change of the target's LPIS_ENABLED. */
export const refresh = (lpis: Lpis, intid: number): void => setState(lpis, intid, stateOf(lpis, intid));

/** INTIDs that some translation leads to. @param target - address of the block of the vCPU that they go to */
export function* mappedLpis(lpis: Lpis, target?: number): Generator<number> {
  for (let intid = FIRST_LPI; intid < LPI_END; intid++) {
    if (isMapped(lpis, intid) && (target === undefined || targetOf(lpis, intid) === target)) yield intid;
  }
}

/** Number of the lowest bit that is set. @param bits - not 0 */
const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

export const priorityOf = (lpis: Lpis, intid: number): number => stateOf(lpis, intid) & PRIORITY_MASK;

/**
 * The ready LPI of highest priority that goes to a vCPU; of equal ones the lowest.
 * @param below - only priorities before this one
 * @returns its INTID, or 0
 */
export function bestLpi(lpis: Lpis, vcpu: number, below: number): number {
  const { words, base } = lpis;
  const { u32 } = words;
  if (u32[(base + READY_COUNT) >>> 2] === 0) return 0;
  let best = 0;
  let bestPriority = below;
  for (let word = 0; word < SUMMARY_WORDS; word++) {
    for (let banks = u32[((base + READY_BANKS) >>> 2) + word]!; banks !== 0; banks &= banks - 1) {
      const bank = word * 32 + lowestBit(banks);
      for (let bits = u32[((base + READY) >>> 2) + bank]!; bits !== 0; bits &= bits - 1) {
        const intid = FIRST_LPI + bank * 32 + lowestBit(bits);
        if (targetOf(lpis, intid) !== vcpu) continue;
        const priority = priorityOf(lpis, intid);
        if (priority >= bestPriority) continue;
        best = intid;
        bestPriority = priority;
      }
    }
  }
  return best;
}
