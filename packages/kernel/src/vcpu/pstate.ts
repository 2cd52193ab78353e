/** PSTATE as one word, laid out as SPSR_ELx, over the words it is kept in. Source: Arm DDI 0487, C5.2.19. */
import { FLAG_PAIRS, MARKED_PAIRS } from '../a64/flags.ts';
import type { Block } from '../state/block.ts';
import {
  DAIF,
  EL,
  FLAG_A,
  FLAG_B,
  FLAG_NZ,
  PC,
  PSTATE_SS_IL,
  SP_EL0,
  SP_EL1,
  SP_SEL,
  SP_SLOT,
} from '../state/vcpu-state.ts';

/** Bits of the word. */
export const PSTATE_DAIF = 0x3c0;
export const PSTATE_A = 1 << 8;
export const PSTATE_I = 1 << 7;
export const PSTATE_F = 1 << 6;
export const PSTATE_IL = 1 << 20;
const PSTATE_SS = 1 << 21;
const PSTATE_MODE = 0x1f;
/** NZCV, SS, IL, DAIF and the mode. */
export const PSTATE_KNOWN = 0xf030_03df;

/** The mode field. */
export const MODE_EL0 = 0b00000;
export const MODE_EL1_SP0 = 0b00100;
export const MODE_EL1 = 0b00101;

const INSTRUCTION = 4;

export function copy64(block: Block, to: number, from: number): void {
  block.set32(to, block.get32(from));
  block.set32(to + 4, block.get32(from + 4));
}

/** Steps the pc over one instruction. */
export function stepPc(block: Block): void {
  const low = (block.get32(PC) + INSTRUCTION) >>> 0;
  block.set32(PC, low);
  if (low < INSTRUCTION) block.set32(PC + 4, block.get32(PC + 4) + 1);
}

/** Undoes {@link stepPc}. */
export function stepPcBack(block: Block): void {
  const low = block.get32(PC);
  block.set32(PC, low - INSTRUCTION);
  if (low < INSTRUCTION) block.set32(PC + 4, block.get32(PC + 4) - 1);
}

/** Signed order of two 64-bit words given as halves. */
const isLess = (aHigh: number, aLow: number, bHigh: number, bLow: number): boolean =>
  aHigh === bHigh ? aLow < bLow : (aHigh | 0) < (bHigh | 0);

/** @returns NZCV in bits 3:0: a64/flags.ts, in halves */
function readFlags(block: Block): number {
  const nzLow = block.get32(FLAG_NZ);
  const nzHigh = block.get32(FLAG_NZ + 4);
  const aLow = block.get32(FLAG_A);
  const aHigh = block.get32(FLAG_A + 4);
  const bLow = block.get32(FLAG_B);
  const bHigh = block.get32(FLAG_B + 4);
  const zero = nzLow === 0 && nzHigh === 0;
  const differ = aLow !== bLow || aHigh !== bHigh;
  const mark = zero && differ && ((aLow | bLow) & 3) === 0;
  const n = (nzHigh | 0) < 0 || mark ? 1 : 0;
  const carry = aHigh === bHigh ? aLow >= bLow : aHigh > bHigh;
  const v = n ^ (isLess(aHigh, aLow, bHigh, bLow) ? 1 : 0);
  return (n << 3) | (zero ? 4 : 0) | (carry ? 2 : 0) | v;
}

function setSigned(block: Block, offset: number, value: number): void {
  block.set32(offset, value);
  block.set32(offset + 4, value < 0 ? -1 : 0);
}

/** @param nzcv - in bits 3:0 */
function writeFlags(block: Block, nzcv: number): void {
  const n = (nzcv >>> 3) & 1;
  const z = (nzcv >>> 2) & 1;
  const c = (nzcv >>> 1) & 1;
  const v = nzcv & 1;
  const pairs = n === 1 && z === 1 ? MARKED_PAIRS : FLAG_PAIRS;
  const { a, b } = pairs[(c << 1) | (n ^ v)]!;
  setSigned(block, FLAG_NZ, z === 1 ? 0 : n === 1 ? -1 : 1);
  setSigned(block, FLAG_A, a);
  setSigned(block, FLAG_B, b);
}

export function readPstate(block: Block): number {
  const mode = block.get32(EL) === 0 ? MODE_EL0 : MODE_EL1_SP0 | block.get32(SP_SEL);
  return ((readFlags(block) << 28) | block.get32(PSTATE_SS_IL) | block.get32(DAIF) | mode) >>> 0;
}

/** Everything but the mode. */
export function writePstateBits(block: Block, pstate: number): void {
  writeFlags(block, pstate >>> 28);
  block.set32(DAIF, pstate & PSTATE_DAIF);
  block.set32(PSTATE_SS_IL, pstate & (PSTATE_SS | PSTATE_IL));
}

/** @param mode - one that {@link isMode} accepts */
export function writePstate(block: Block, pstate: number): void {
  writePstateBits(block, pstate);
  writeMode(block, pstate & PSTATE_MODE);
}

/** @returns whether the mode field names one that this CPU has */
export function isMode(pstate: number): boolean {
  const mode = pstate & PSTATE_MODE;
  return mode === MODE_EL0 || mode === MODE_EL1_SP0 || mode === MODE_EL1;
}

/** Where the stack pointer of a mode rests while another is in use. */
const stackOf = (el: number, spSel: number): number => (el === 1 && spSel === 1 ? SP_EL1 : SP_EL0);

/** Enters a mode: exception level and stack pointer. The engine's context follows only when it is told. */
export function writeMode(block: Block, mode: number): void {
  const el = mode === MODE_EL0 ? 0 : 1;
  const spSel = mode & 1;
  copy64(block, stackOf(block.get32(EL), block.get32(SP_SEL)), SP_SLOT);
  block.set32(EL, el);
  block.set32(SP_SEL, spSel);
  copy64(block, SP_SLOT, stackOf(el, spSel));
}

/** State offset of SP_EL0 or SP_EL1, wherever its value is now. */
export function stackPointer(block: Block, el: 0 | 1): number {
  const resting = el === 1 ? SP_EL1 : SP_EL0;
  return stackOf(block.get32(EL), block.get32(SP_SEL)) === resting ? SP_SLOT : resting;
}
