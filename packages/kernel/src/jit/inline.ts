/**
 * Calls of short functions, made part of the region that calls. BL then is a jump that also sets the link register, and
 * the RET of the copy is a branch that is taken if it goes where that call comes back: nothing is assumed, and every
 * instruction stays at its address. So no register is written back for the call. BLR is such a jump if it goes where it
 * went before: it is compared with that.
 */
import { isFar } from './pages.ts';
import type { Block, RegionOp } from './region.ts';
import { registerBranch, wentTo } from './targets.ts';

/** Instructions of a function that is inlined, and of all of them in a region. */
const MAX_CALLEE = 40;
const MAX_INLINED = 120;
/** And of one in a page further away: code around calls more of them, and they take V8 time as well. */
export const MAX_FAR_CALLEE = 16;
/** Calls in calls. */
const MAX_LEVELS = 2;

/** Indices that a call goes to, or went to. */
export function callsFrom(op: RegionOp): readonly number[] {
  const { index, footprint, immLow } = op;
  const { flow } = footprint;
  if (registerBranch(op) === 'call') return wentTo(op);
  return flow.kind === 'branch' && flow.branch === 'call' ? [index + (immLow >> 2)] : [];
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
      const call = caller.ops.at(-1)!;
      if (!caller.next) return [];
      return callsFrom(call).flatMap((index) => {
        const callee = read(index);
        const size = sizeOf(callee);
        const most = isFar(call.index, index) ? MAX_FAR_CALLEE : MAX_CALLEE;
        if (size === 0 || size > Math.min(most, room)) return [];
        room -= size;
        if (registerBranch(call)) guess(caller, callee);
        else connect(caller, callee);
        return callee;
      });
    });
    all.push(...callees);
    callers = callees;
  }
  return all;
}

/** The call goes to the copy if it goes there, else anywhere and comes back. */
function guess(caller: Block, callee: readonly Block[]): void {
  caller.cases = [...caller.cases, callee[0]!];
  comeBack(callee, caller);
}

function connect(caller: Block, callee: readonly Block[]): void {
  comeBack(callee, caller);
  const first = callee[0]!;
  const call = caller.ops.at(-1)!;
  caller.ops = [...caller.ops.slice(0, -1), asJump(call)];
  caller.taken = first;
  caller.takenIndex = first.first;
  caller.next = undefined;
  caller.nextIndex = undefined;
}

function comeBack(callee: readonly Block[], { next, nextIndex }: Block): void {
  for (const block of callee) {
    if (registerBranch(block.ops.at(-1)!) !== 'return') continue;
    block.taken = next;
    block.takenIndex = nextIndex;
  }
}

const asJump = (call: RegionOp): RegionOp => ({
  ...call,
  footprint: { ...call.footprint, flow: { kind: 'branch', reach: 'ahead', branch: 'jump' } },
});
