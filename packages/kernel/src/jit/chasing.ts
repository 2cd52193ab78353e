/**
 * Loads whose address was loaded itself, a moment before: lists, trees, searches. Such a load waits for the TLB's entry,
 * and the entry for the address; with a guess of the entry it waits for neither. See LIKELY_ENTRY.
 */
import { loopsOf, type Node } from './graph.ts';
import type { RegionOp } from './region.ts';
import { noRegisters, registersOf, type RegisterSet } from './registers.ts';

/** More of them in one loop do not wait for each other, and comparing with a guess is one more thing to do. */
const MAX_CHASING = 8;

const meet = (a: RegisterSet, b: RegisterSet): boolean =>
  (a.general & b.general) !== 0 || (a.vector & b.vector) !== 0 || (a.flags && b.flags);

/** @param nodes - all of a region */
export function chasingLoads(nodes: readonly Node[]): ReadonlySet<RegionOp> {
  const loops = loopsOf(nodes).toSorted((a, b) => a.size - b.size);
  // What a loop takes from outside of it does not change within.
  const groups = Map.groupBy(nodes, (node) => loops.find((loop) => loop.has(node)));
  const found = [...groups.values()].map((group) => chasingOf(group.flatMap(({ block: { ops } }) => ops)));
  return new Set(found.filter(({ length }) => length <= MAX_CHASING).flat());
}

/** @param ops - of one loop */
function chasingOf(ops: readonly RegionOp[]): readonly RegionOp[] {
  const loads = ops.filter(({ footprint }) => footprint.loads);
  if (loads.length === 0) return [];
  const loaded = noRegisters();
  while (ops.map((op) => spread(op, loaded)).includes(true));
  return loads.filter((op) => meet(registersOf(op, op.footprint.reads, false), loaded));
}

/** @param loaded - registers with what was loaded, or was made of it. @returns whether they have become more */
function spread(op: RegionOp, loaded: RegisterSet): boolean {
  const { reads, writes, readsFlags, writesFlags, usesMemory } = op.footprint;
  if (!usesMemory && !meet(registersOf(op, reads, readsFlags), loaded)) return false;
  // The base of an access is only moved on.
  const made = usesMemory ? writes.filter(({ field }) => field !== 'b') : writes;
  const { general, vector, flags } = registersOf(op, made, writesFlags);
  const isMore =
    (general & ~loaded.general) !== 0 || (vector & ~loaded.vector) !== 0 || (flags && !loaded.flags);
  loaded.general |= general;
  loaded.vector |= vector;
  loaded.flags ||= flags;
  return isMore;
}
