/**
 * Which registers a region has to load when it is entered, which it has to write back where it is left, and which
 * flags nobody reads.
 */
import type { CodeWindow } from '../mmu/window-search.ts';
import { chasingLoads } from './chasing.ts';
import { comesBack } from './footprint.ts';
import { successors as successorsOf, type Node } from './graph.ts';
import { goesOn, leavesPage, type RegionOp } from './region.ts';
import { copyOf, NO_REGISTERS, noRegisters, registersOf, type RegisterSet } from './registers.ts';
import { TableAccesses } from './table-access.ts';
import { windowAccesses, type WindowAccess } from './window-access.ts';

/** @returns whether the set has become larger */
function add(set: RegisterSet, more: Readonly<RegisterSet>): boolean {
  const { general, vector, flags } = set;
  set.general |= more.general;
  set.vector |= more.vector;
  set.flags ||= more.flags;
  return set.general !== general || set.vector !== vector || set.flags !== flags;
}

/** What data flow says of one instruction. */
export interface OpFacts {
  readonly op: RegionOp;
  /** Registers whose words in memory are stale where the instruction begins. */
  readonly dirty: RegisterSet;
  /** The flags as they are before it are read by somebody. */
  readonly flagsBefore: boolean;
  /** And those after it. */
  readonly flagsAfter: boolean;
  /** After a call: registers to load again. */
  readonly reload: RegisterSet;
  /** It is one of {@link chasingLoads}, and of no small table. */
  readonly isChasing: boolean;
  /** See {@link TableAccesses.reachOf}. */
  readonly tableReach: number | undefined;
  /** It is one of {@link windowAccesses}. */
  readonly window: WindowAccess | undefined;
}

export interface RegionFacts {
  /** Registers to load wherever the region is entered; and those that only entries within it need. */
  readonly live: RegisterSet;
  readonly liveWithin: RegisterSet;
  readonly ops: ReadonlyMap<Node, readonly OpFacts[]>;
}

interface OpSets {
  readonly op: RegionOp;
  /** All registers are in memory behind it, whichever way control goes. */
  readonly isBarrier: boolean;
  readonly reads: RegisterSet;
  readonly writes: RegisterSet;
  readonly kills: RegisterSet;
  readonly dirty: RegisterSet;
  flagsBefore: boolean;
  flagsAfter: boolean;
  readonly reload: RegisterSet;
  readonly isChasing: boolean;
  readonly tableReach: number | undefined;
  readonly window: WindowAccess | undefined;
}

interface BlockSets {
  readonly node: Node;
  readonly ops: readonly OpSets[];
  readonly successors: readonly BlockSets[];
  /** An edge leads out of the region, or looks at the budget. */
  readonly mayLeave: boolean;
  readonly dirtyIn: RegisterSet;
  readonly dirtyOut: RegisterSet;
  readonly live: RegisterSet;
}

/** @param nodes - in reverse post-order @param window - for {@link windowAccesses} */
export function analyse(nodes: readonly Node[], window: CodeWindow | undefined): RegionFacts {
  const blocks = setsOf(nodes, window);
  spreadDirty(blocks);
  while (blocks.toReversed().map(spreadLive).includes(true));
  const { live } = blocks[0]!;
  const within = noRegisters();
  for (const block of blocks) if (block.node.isEntry) add(within, block.live);
  return {
    live,
    liveWithin: {
      general: within.general & ~live.general,
      vector: within.vector & ~live.vector,
      flags: within.flags && !live.flags,
    },
    ops: new Map(blocks.map(({ node, ops }) => [node, ops])),
  };
}

function setsOf(nodes: readonly Node[], window: CodeWindow | undefined): readonly BlockSets[] {
  const chasing = chasingLoads(nodes);
  const inWindow = windowAccesses(nodes, window);
  const blocks = nodes.map((node) => {
    const tables = new TableAccesses();
    const { block } = node;
    const last = block.ops.at(-1)!;
    const hasCases = block.cases.length > 0;
    const ops = block.ops.map((op): OpSets => {
      const { reads, writes, kills, readsFlags, writesFlags, killsFlags } = op.footprint;
      const tableReach = tables.reachOf(op);
      return {
        op,
        isBarrier: comesBack(op.footprint) && !(op === last && hasCases),
        reads: registersOf(op, reads, readsFlags),
        writes: registersOf(op, writes, writesFlags),
        kills: registersOf(op, kills, killsFlags),
        dirty: noRegisters(),
        flagsBefore: false,
        flagsAfter: false,
        reload: noRegisters(),
        isChasing: tableReach === undefined && chasing.has(op),
        tableReach,
        window: inWindow.get(op),
      };
    });
    const { takenIndex, nextIndex, taken, next } = block;
    const ends = !goesOn(last) && takenIndex === undefined;
    const leaves = ends || (takenIndex !== undefined && !taken) || (nextIndex !== undefined && !next);
    const mayStop = leavesPage(block) || (takenIndex !== undefined && takenIndex <= last.index);
    return {
      node,
      ops,
      successors: [] as BlockSets[],
      mayLeave: leaves || mayStop,
      dirtyIn: noRegisters(),
      dirtyOut: noRegisters(),
      live: noRegisters(),
    };
  });
  const of = new Map(blocks.map((sets) => [sets.node.block, sets]));
  for (const { node, successors } of blocks) {
    for (const to of successorsOf(node.block)) successors.push(of.get(to)!);
  }
  return blocks;
}

function spreadDirty(blocks: readonly BlockSets[]): void {
  for (let changed = true; changed;) {
    changed = false;
    for (const { ops, successors, dirtyIn, dirtyOut } of blocks) {
      const dirty = copyOf(dirtyIn);
      for (const each of ops) {
        add(each.dirty, dirty);
        add(dirty, each.writes);
        if (each.isBarrier) Object.assign(dirty, noRegisters());
      }
      add(dirtyOut, dirty);
      for (const to of successors) changed = add(to.dirtyIn, dirty) || changed;
    }
  }
}

/** @returns whether the live registers at the start of the block have become more */
function spreadLive({ ops, successors, mayLeave, dirtyOut, live }: BlockSets): boolean {
  // Plain numbers, because this runs some times over every instruction that is compiled.
  let { general, vector, flags } = mayLeave ? dirtyOut : NO_REGISTERS;
  for (const to of successors) {
    general |= to.live.general;
    vector |= to.live.vector;
    flags ||= to.live.flags;
  }
  for (let i = ops.length - 1; i >= 0; i--) {
    const each = ops[i]!;
    const { reads, writes, kills, dirty } = each;
    const { exitsBefore, exitsAfter, flow } = each.op.footprint;
    const called = comesBack(each.op.footprint);
    if (called) {
      // All is written back before, and what is needed is loaded again.
      add(each.reload, { general, vector, flags });
      if (each.isBarrier) ({ general, vector, flags } = NO_REGISTERS);
    }
    if (exitsAfter || called) {
      general |= dirty.general | writes.general;
      vector |= dirty.vector | writes.vector;
      flags ||= dirty.flags || writes.flags;
    }
    each.flagsAfter ||= flags;
    // What is written in some cases only keeps its value in the others.
    general = (general & ~kills.general) | reads.general | (writes.general & ~kills.general);
    vector = (vector & ~kills.vector) | reads.vector | (writes.vector & ~kills.vector);
    flags = (flags && !kills.flags) || reads.flags || (writes.flags && !kills.flags);
    const leaves = flow.kind === 'interpret' || flow.kind === 'jump';
    if (exitsBefore || leaves) {
      general |= dirty.general;
      vector |= dirty.vector;
      // Flags that are dead where an access may fault stay unstored: whoever could see them overwrites them first.
      if (leaves || flow.kind !== 'next') flags ||= dirty.flags;
    }
    each.flagsBefore ||= flags;
  }
  return add(live, { general, vector, flags });
}
