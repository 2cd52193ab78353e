/**
 * Calls of short functions of the same page, made part of the region that calls. BL then is a jump that also sets the
 * link register, and the RET of the copy is a branch that is taken if it goes where that call comes back: nothing is
 * assumed, and every instruction stays at its address. So no register is written back for the call.
 */
import type { Block, RegionOp } from './region.ts';

/** Instructions of a function that is inlined, and of all of them in a region. */
const MAX_CALLEE = 40;
const MAX_INLINED = 120;
/** Calls in calls. */
const MAX_LEVELS = 2;

/** The index that a call of the same page goes to. */
export function calledBy({ index, footprint: { flow }, immLow }: RegionOp): number | undefined {
  const isLocalCall = flow.kind === 'branch' && flow.branch === 'call' && flow.reach !== 'far';
  return isLocalCall ? index + (immLow >> 2) : undefined;
}

const sizeOf = (blocks: readonly Block[]): number => blocks.reduce((sum, { ops }) => sum + ops.length, 0);

/**
 * @param blocks - of the region; they are changed
 * @param read - a function's blocks, the first one first: each time new ones
 * @returns all blocks of the region
 */
export function inlineCalls(
  blocks: readonly Block[],
  read: (index: number) => readonly Block[],
): readonly Block[] {
  const all = [...blocks];
  let room = MAX_INLINED;
  let callers = blocks;
  for (let level = 0; level < MAX_LEVELS; level++) {
    const callees = callers.flatMap((caller) => {
      const target = calledBy(caller.ops.at(-1)!);
      const callee = target === undefined || !caller.next ? [] : read(target);
      const size = sizeOf(callee);
      if (size > Math.min(MAX_CALLEE, room)) return [];
      room -= size;
      connect(caller, callee);
      return callee;
    });
    all.push(...callees);
    callers = callees;
  }
  return all;
}

function connect(caller: Block, callee: readonly Block[]): void {
  const { next, nextIndex } = caller;
  const [first] = callee;
  if (!first) return;
  const call = caller.ops.at(-1)!;
  caller.ops = [...caller.ops.slice(0, -1), asJump(call)];
  caller.taken = first;
  caller.takenIndex = first.first;
  caller.next = undefined;
  caller.nextIndex = undefined;
  for (const block of callee) {
    const { flow } = block.ops.at(-1)!.footprint;
    if (flow.kind !== 'jump' || flow.branch !== 'return') continue;
    block.taken = next;
    block.takenIndex = nextIndex;
  }
}

const asJump = (call: RegionOp): RegionOp => ({
  ...call,
  footprint: { ...call.footprint, flow: { kind: 'branch', reach: 'ahead', branch: 'jump' } },
});
