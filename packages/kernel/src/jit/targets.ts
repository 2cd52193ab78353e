/**
 * Where branches to registers went while they were interpreted. The code does not say, but most go to few places, and an
 * interpreter in the guest goes round between its own.
 */
import { TARGET_BITS } from '../interp/uop.ts';
import type { RegionOp } from './region.ts';

/** @returns indices of ops, the one it went to last first; none if it is no such branch, or was not executed yet */
export function wentTo({
  index,
  handler,
  footprint: { flow },
  immLow,
  immHigh,
}: RegionOp): readonly number[] {
  return !handler || flow.kind !== 'jump' || flow.branch === 'return'
    ? []
    : notedTargets(index, immLow, immHigh);
}

/** The same of a decoded op that is such a branch. @param immLow - its immediate, and `immHigh` the upper half of that */
export function notedTargets(index: number, immLow: number, immHigh: number): readonly number[] {
  const distances = [immLow, immLow >> TARGET_BITS, immHigh, immHigh >> TARGET_BITS].map(signed);
  return [...new Set(distances.filter((distance) => distance !== 0))].map((distance) => index + distance);
}

const signed = (bits: number): number => (bits << (32 - TARGET_BITS)) >> (32 - TARGET_BITS);
