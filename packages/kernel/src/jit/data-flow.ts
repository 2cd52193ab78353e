/**
 * Which registers a region has to load when it is entered, which it has to write back where it is left, and which
 * flags nobody reads.
 */
import type { Field } from '../a64/emitter.ts';
import { SINK_SLOT, SP_SLOT, V, ZERO_SLOT } from '../state/vcpu-state.ts';
import { isCall, type RegisterUse } from './footprint.ts';
import type { Node } from './graph.ts';
import { goesOn, type RegionOp } from './region.ts';

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

export const noRegisters = (): RegisterSet => ({ general: 0, vector: 0, flags: false });
export const copyOf = ({ general, vector, flags }: RegisterSet): RegisterSet => ({ general, vector, flags });

function add(set: RegisterSet, more: RegisterSet): boolean {
  const before = copyOf(set);
  set.general |= more.general;
  set.vector |= more.vector;
  set.flags ||= more.flags;
  return set.general !== before.general || set.vector !== before.vector || set.flags !== before.flags;
}

function remove(set: RegisterSet, less: RegisterSet): void {
  set.general &= ~less.general;
  set.vector &= ~less.vector;
  set.flags &&= !less.flags;
}

function registersOf(op: RegionOp, uses: readonly RegisterUse[], flags: boolean): RegisterSet {
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
}

export interface BlockFacts {
  readonly ops: readonly OpFacts[];
  /** Stale at its end. */
  readonly dirty: RegisterSet;
}

export interface RegionFacts {
  /** Registers to load at the entry. */
  readonly live: RegisterSet;
  readonly blocks: ReadonlyMap<Node, BlockFacts>;
}

interface OpSets {
  readonly op: RegionOp;
  readonly reads: RegisterSet;
  readonly writes: RegisterSet;
  readonly kills: RegisterSet;
  readonly dirty: RegisterSet;
  flagsBefore: boolean;
  flagsAfter: boolean;
  readonly reload: RegisterSet;
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

/** @param nodes - in reverse post-order */
export function analyse(nodes: readonly Node[]): RegionFacts {
  const blocks = setsOf(nodes);
  spreadDirty(blocks);
  while (blocks.toReversed().map(spreadLive).includes(true));
  return {
    live: blocks[0]!.live,
    blocks: new Map(blocks.map(({ node, ops, dirtyOut }) => [node, { ops, dirty: dirtyOut }])),
  };
}

function setsOf(nodes: readonly Node[]): readonly BlockSets[] {
  const blocks = nodes.map((node) => {
    const ops = node.block.ops.map((op): OpSets => {
      const { reads, writes, kills, readsFlags, writesFlags, killsFlags } = op.footprint;
      return {
        op,
        reads: registersOf(op, reads, readsFlags),
        writes: registersOf(op, writes, writesFlags),
        kills: registersOf(op, kills, killsFlags),
        dirty: noRegisters(),
        flagsBefore: false,
        flagsAfter: false,
        reload: noRegisters(),
      };
    });
    const { block } = node;
    const { takenIndex, nextIndex, taken, next } = block;
    const last = ops.at(-1)!.op;
    const ends = !goesOn(last) && takenIndex === undefined;
    const leaves = ends || (takenIndex !== undefined && !taken) || (nextIndex !== undefined && !next);
    const back = takenIndex !== undefined && takenIndex <= last.index;
    return {
      node,
      ops,
      successors: [] as BlockSets[],
      mayLeave: leaves || back,
      dirtyIn: noRegisters(),
      dirtyOut: noRegisters(),
      live: noRegisters(),
    };
  });
  const of = new Map(blocks.map((sets) => [sets.node.block, sets]));
  for (const { node, successors } of blocks) {
    const { taken, next } = node.block;
    if (taken) successors.push(of.get(taken)!);
    if (next) successors.push(of.get(next)!);
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
        if (isCall(each.op.footprint)) Object.assign(dirty, noRegisters());
      }
      add(dirtyOut, dirty);
      for (const to of successors) changed = add(to.dirtyIn, dirty) || changed;
    }
  }
}

/** @returns whether the live registers at the start of the block have become more */
function spreadLive({ ops, successors, mayLeave, dirtyOut, live }: BlockSets): boolean {
  const now = noRegisters();
  for (const to of successors) add(now, to.live);
  if (mayLeave) add(now, dirtyOut);
  for (const each of ops.toReversed()) {
    const { op, reads, writes, kills, dirty } = each;
    const called = isCall(op.footprint);
    if (called) {
      // All is written back before, and what is needed is loaded again.
      add(each.reload, now);
      Object.assign(now, noRegisters());
    }
    if (op.footprint.exitsAfter || called) {
      add(now, dirty);
      add(now, writes);
    }
    each.flagsAfter ||= now.flags;
    remove(now, kills);
    add(now, reads);
    // What is written in some cases only keeps its value in the others.
    add(now, {
      general: writes.general & ~kills.general,
      vector: writes.vector & ~kills.vector,
      flags: writes.flags && !kills.flags,
    });
    if (
      op.footprint.exitsBefore ||
      op.footprint.flow.kind === 'interpret' ||
      op.footprint.flow.kind === 'jump'
    ) {
      const needed = copyOf(dirty);
      // Flags that are dead here stay unstored: whoever could see them overwrites them first.
      if (op.footprint.exitsBefore && op.footprint.flow.kind === 'next') needed.flags = false;
      add(now, needed);
    }
    each.flagsBefore ||= now.flags;
  }
  return add(live, now);
}
