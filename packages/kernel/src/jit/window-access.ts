/** Accesses that are looked for in the window first (mmu/window.ts): elsewhere that is one question more. */
import type { Node } from './graph.ts';
import type { RegionOp } from './region.ts';
import { generalOf, SP_INDEX } from './registers.ts';

/** The register that an access begins at; -1 = none. */
const baseOf = ({ footprint, b }: RegionOp): number =>
  footprint.reads.some(({ field, vector }) => field === 'b' && !vector) ? generalOf(b) : -1;

/**
 * Those whose base pointed into the window when the region was asked for. Where most did, the others may have been about to;
 * but not the stack pointer.
 *
 * @param nodes - all of a region
 * @param pointers - general registers, as bits
 */
export function windowAccesses(nodes: readonly Node[], pointers: number): ReadonlySet<RegionOp> {
  if (pointers === 0) return new Set();
  const accesses = nodes.flatMap(({ block }) => block.ops).filter(({ footprint }) => footprint.usesMemory);
  const isPointer = (base: number): boolean => ((pointers >>> base) & 1) === 1 && base >= 0;
  const known = accesses.filter((op) => isPointer(baseOf(op)));
  if (2 * known.length < accesses.length) return new Set(known);
  return new Set(accesses.filter((op) => baseOf(op) !== SP_INDEX || isPointer(SP_INDEX)));
}
