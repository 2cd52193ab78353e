/**
 * Where a region had better begin than at the op that is hot. Hot is the inner loop, but to where a region begins control
 * comes back from every loop around: all of them are one Wasm loop then, and what the outer ones change the inner one
 * carries round, register for register.
 */
import type { Block } from './region.ts';

/**
 * Heads of the loops that an op lies in, the outermost first.
 *
 * @param blocks - without inlined calls, which are no loops
 */
export function loopsAround(blocks: readonly Block[], index: number): readonly number[] {
  const heads = new Set<number>();
  for (const { ops, takenIndex, taken } of blocks) {
    if (takenIndex !== undefined && taken && taken.first <= index && index <= ops.at(-1)!.index)
      heads.add(taken.first);
  }
  return [...heads].toSorted((a, b) => a - b);
}
