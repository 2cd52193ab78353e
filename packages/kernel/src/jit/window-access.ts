/** Accesses that are looked for in the window first (mmu/window.ts): elsewhere that is one question more. */
import type { CodeWindow } from '../mmu/window-search.ts';
import type { Node } from './graph.ts';
import type { RegionOp } from './region.ts';
import { generalOf, SP_INDEX } from './registers.ts';

/** The register that an access begins at; -1 = none. */
const baseOf = ({ footprint, b }: RegionOp): number =>
  footprint.reads.some(({ field, vector }) => field === 'b' && !vector) ? generalOf(b) : -1;

/** What is done about an access outside of the window: the interpreter makes it, or the TLB is asked in line. */
export type WindowAccess = 'leaves' | 'asks';

/**
 * Those whose base pointed into the window when the region was asked for: they are expected to be there always. Where most
 * did, the others may have been about to; but not the stack pointer.
 *
 * @param nodes - all of a region
 */
export function windowAccesses(
  nodes: readonly Node[],
  window: CodeWindow | undefined,
): ReadonlyMap<RegionOp, WindowAccess> {
  if (!window) return new Map();
  const { pointers, mayLeave } = window;
  const accesses = nodes.flatMap(({ block }) => block.ops).filter(({ footprint }) => footprint.usesMemory);
  const isPointer = (base: number): boolean => ((pointers >>> base) & 1) === 1 && base >= 0;
  const known = accesses.filter((op) => isPointer(baseOf(op)));
  const others = accesses.filter((op) => baseOf(op) !== SP_INDEX);
  return new Map([
    ...(2 * known.length < accesses.length ? [] : others).map((op) => [op, 'asks'] as const),
    ...known.map((op) => [op, mayLeave ? 'leaves' : 'asks'] as const),
  ]);
}
