/**
 * Where branches to registers went while they were interpreted. The code does not say, but most go to few places, and an
 * interpreter in the guest goes round between its own.
 */
import type { BranchKind } from '../a64/emitter.ts';
import { TARGET_BITS } from '../interp/uop.ts';
import type { RegionOp } from './region.ts';

/** Which branch to a register an op is. Its flow alone does not say: that of ISB is as that of BR. */
export const registerBranch = ({ handler, footprint: { flow } }: RegionOp): BranchKind | undefined =>
  handler?.insn.name === 'BR_BLR_RET' && flow.kind === 'jump' ? flow.branch : undefined;

/** @returns indices of ops, the one it went to last first; none if it is no BR or BLR, or was not executed yet */
export function wentTo(op: RegionOp): readonly number[] {
  const kind = registerBranch(op);
  return kind === 'jump' || kind === 'call' ? notedTargets(op.index, op.immLow, op.immHigh) : [];
}

/** The same of a decoded op that is such a branch. @param immLow - its immediate, and `immHigh` the upper half of that */
export function notedTargets(index: number, immLow: number, immHigh: number): readonly number[] {
  const distances = [immLow, immLow >> TARGET_BITS, immHigh, immHigh >> TARGET_BITS].map(signed);
  return [...new Set(distances.filter((distance) => distance !== 0))].map((distance) => index + distance);
}

const signed = (bits: number): number => (bits << (32 - TARGET_BITS)) >> (32 - TARGET_BITS);
