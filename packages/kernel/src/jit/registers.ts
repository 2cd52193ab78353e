/** Registers of instructions: where operand fields name them, and sets of them. */
import type { Field } from '../a64/emitter.ts';
import { SINK_SLOT, SP_SLOT, V, ZERO_SLOT } from '../state/vcpu-state.ts';
import type { RegisterUse } from './footprint.ts';
import type { RegionOp } from './region.ts';

/** The stack pointer among the general registers. */
export const SP_INDEX = 31;
const NONE = -1;

/** A general register by its slot; -1 = none: XZR. */
export function generalOf(slot: number): number {
  if (slot === SP_SLOT) return SP_INDEX;
  return slot === ZERO_SLOT || slot === SINK_SLOT ? NONE : slot >>> 3;
}

/** A vector register by the slot of the one it is counted from. */
export const vectorOf = (slot: number, after = 0): number => (((slot - V) >>> 4) + after) & 31;

/** The sixteen bits of an operand field. */
export function fieldOf(op: RegionOp, field: Field): number {
  switch (field) {
    case 'd':
      return op.immLow & 0xffff;
    case 'e':
      return op.immLow >>> 16;
    default:
      return op[field];
  }
}

/** Registers as bits: x0 to x30 and SP, v0 to v31, and the flags. */
export interface RegisterSet {
  general: number;
  vector: number;
  flags: boolean;
}

export const NO_REGISTERS: Readonly<RegisterSet> = { general: 0, vector: 0, flags: false };
export const noRegisters = (): RegisterSet => ({ ...NO_REGISTERS });
export const copyOf = ({ general, vector, flags }: RegisterSet): RegisterSet => ({ general, vector, flags });

export function registersOf(op: RegionOp, uses: readonly RegisterUse[], flags: boolean): RegisterSet {
  const set = noRegisters();
  set.flags = flags;
  for (const { field, vector, after } of uses) {
    const slot = fieldOf(op, field);
    if (vector) {
      set.vector |= 1 << vectorOf(slot, after);
    } else {
      const general = generalOf(slot);
      if (general !== NONE) set.general |= 1 << general;
    }
  }
  return set;
}

/** Whether it may write SP. */
export const writesStack = (op: RegionOp): boolean =>
  ((registersOf(op, op.footprint.writes, false).general >>> SP_INDEX) & 1) === 1;
