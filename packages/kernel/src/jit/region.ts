/**
 * What is compiled at once: the instructions that branches reach from an entry, as basic blocks; those to registers as far
 * as is known where they go (switch.ts, targets.ts). They are of one page, or of others as well (pages.ts). Read from
 * decoded ops, so nothing is decoded twice.
 */
import type { Handler, HandlerPlan } from '../interp/build.ts';
import { HANDLER_DECODE, OP_A, OP_B, OP_C, OP_IMM, OP_SIZE, SPECIAL_HANDLERS } from '../interp/uop.ts';
import { footprintOf, comesBack, type Footprint } from './footprint.ts';
import { orderBlocks, type Node } from './graph.ts';
import { callsFrom, inlineCalls } from './inline.ts';
import { loopsAround } from './loops.ts';
import { pageOf, startOf, type Pages } from './pages.ts';
import { casesOf } from './switch.ts';
import { registerBranch, wentTo } from './targets.ts';

/** One instruction of a region. */
export interface RegionOp {
  readonly index: number;
  /** `undefined` = not an instruction, and for the interpreter. */
  readonly handler: Handler | undefined;
  readonly footprint: Footprint;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly immLow: number;
  readonly immHigh: number;
}

/** Ops that are executed one after the other. Where an edge leads out of the region its block is `undefined`. */
export interface Block {
  readonly first: number;
  ops: readonly RegionOp[];
  /** Where the branch at the end goes if it is taken. Of RET: where it comes back if inlined. Of BR: `undefined`. */
  takenIndex: number | undefined;
  /** Where control falls through. */
  nextIndex: number | undefined;
  /** Of BR: what it dispatches by, if it may stay in the region. */
  taken: Block | undefined;
  next: Block | undefined;
  /** Where a branch to a register may go: of a `switch` or a dispatch; of a call those functions that are inlined. */
  cases: readonly Block[];
}

export interface Region {
  /** Index of the op that the first node begins with. */
  readonly entry: number;
  /** None if the op is not decoded. */
  readonly nodes: readonly Node[];
}

/** The nodes at which a region is entered, the first of all first. */
export const entriesOf = ({ nodes }: Region): readonly Node[] => nodes.filter(({ isEntry }) => isEntry);

/** Longer ones take V8 too long, and branch into each other soon enough. */
const MAX_OPS = 400;

const INTERPRET: Footprint = {
  reads: [],
  writes: [],
  kills: [],
  readsFlags: false,
  writesFlags: false,
  killsFlags: false,
  exitsBefore: true,
  exitsAfter: false,
  usesPc: false,
  usesMemory: false,
  loads: false,
  usesFp: false,
  fpNeeds: [],
  flow: { kind: 'interpret' },
};

/** No instruction: see {@link dispatchTo}. */
const DISPATCH: Footprint = { ...INTERPRET, exitsBefore: false, flow: { kind: 'jump', branch: 'jump' } };

/** Control leaves the page at the end of a block, one way or the other. */
export const leavesPage = ({ first, takenIndex, nextIndex }: Block): boolean =>
  [takenIndex, nextIndex].some((index) => index !== undefined && pageOf(index) !== pageOf(first));

export class RegionReader {
  readonly #plan: HandlerPlan;
  readonly #footprints = new Map<Handler, Footprint>();

  constructor(plan: HandlerPlan) {
    this.#plan = plan;
  }

  #footprint(handler: Handler): Footprint {
    const known = this.#footprints.get(handler);
    if (known) return known;
    const footprint = footprintOf((c) => handler.insn.emit(c, handler.point));
    this.#footprints.set(handler, footprint);
    return footprint;
  }

  /** `undefined` where code is not decoded: it was never executed, and is not worth to be compiled. */
  #op(pages: Pages, index: number): RegionOp | undefined {
    const page = pages.get(pageOf(index));
    if (!page) return undefined;
    const { u16, u32 } = page;
    const at = (index - startOf(pageOf(index))) * OP_SIZE;
    const fields = {
      index,
      a: u16[(at + OP_A) >>> 1]!,
      b: u16[(at + OP_B) >>> 1]!,
      c: u16[(at + OP_C) >>> 1]!,
      immLow: u32[(at + OP_IMM) >>> 2]! | 0,
      immHigh: u32[(at + OP_IMM + 4) >>> 2]! | 0,
    };
    const number = u16[at >>> 1]!;
    if (number === HANDLER_DECODE) return undefined;
    if (number < SPECIAL_HANDLERS) return { ...fields, handler: undefined, footprint: INTERPRET };
    const found = this.#plan.handlers[number - SPECIAL_HANDLERS]!;
    const handler = found.head ?? found;
    return { ...fields, handler, footprint: this.#footprint(handler) };
  }

  /**
   * The region for an op that is hot, with an entry there and at each loop. Where loops lie around the op's own it begins
   * at the outermost.
   *
   * @param index - of the op
   * @param taken - ops at which regions begin already
   */
  read(pages: Pages, index: number, taken: ReadonlySet<number>): Region {
    const region = (entry: number, blocks: readonly Block[]): Region => ({
      entry,
      nodes: this.#order(pages, blocks, index, taken),
    });
    const own = this.#blocks(pages, index, index);
    const heads = loopsAround(own, index);
    for (const head of heads.length > 1 ? heads : []) {
      const whole = region(head, this.#blocks(pages, head, index));
      if (entriesOf(whole).some(({ block }) => block.first === index)) return whole;
    }
    return region(index, own);
  }

  /** @param blocks - the entry's first; they are changed @param inner - index of an op that is an entry, too */
  #order(pages: Pages, blocks: readonly Block[], inner: number, taken: ReadonlySet<number>): readonly Node[] {
    if (blocks.length === 0) return [];
    const own = new Set(blocks);
    const all = inlineCalls(blocks, (index) => this.#blocks(pages, index, index));
    const isWanted = (block: Block, isLoop: boolean): boolean =>
      own.has(block) &&
      !taken.has(block.first) &&
      (isLoop || block.first === inner) &&
      isCompiled(block.ops[0]);
    return orderBlocks(all, isWanted);
  }

  /** The blocks that direct branches reach, the entry's first. @param inner - a block begins there, too */
  #blocks(pages: Pages, entry: number, inner: number): readonly Block[] {
    const ops = new Map<number, RegionOp>();
    const leaders = new Set<number>([entry, inner]);
    const cases = new Map<RegionOp, readonly number[]>();
    const branches = new Set<RegionOp>();
    const targets = new Set<number>();
    const code = {
      opAt: (index: number) => this.#op(pages, index),
      falls: (op: RegionOp) => successorsOf(op, pages).next !== undefined,
    };
    const follow = (start: number): void => {
      const waiting = [start];
      for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
        for (let at: number | undefined = from; at !== undefined && ops.size < MAX_OPS;) {
          if (ops.has(at)) {
            leaders.add(at);
            break;
          }
          const op: RegionOp | undefined = this.#op(pages, at);
          if (!op) break;
          ops.set(at, op);
          const { taken, next } = successorsOf(op, pages);
          if (taken !== undefined) {
            leaders.add(taken);
            if (next !== undefined) leaders.add(next);
            waiting.push(taken);
          }
          if (callsFrom(op).some((to) => pages.has(pageOf(to))) || pageOf(at + 1) !== pageOf(at))
            leaders.add(at + 1);
          at = next;
        }
      }
    };
    follow(entry);
    // This goes on with what it adds.
    for (const op of ops.values()) {
      const found: number[] = [];
      for (const index of casesOf(op, code)) {
        // What direct branches reach is no case but a part of one: a way into the middle of its loops would cost them.
        if (ops.has(index)) continue;
        leaders.add(index);
        found.push(index);
        follow(index);
      }
      if (found.length > 0) cases.set(op, found);
      else if (registerBranch(op) === 'jump' && pageOf(op.index) === pageOf(entry)) {
        for (const index of wentTo(op)) {
          if (pageOf(index) !== pageOf(entry)) continue;
          branches.add(op);
          targets.add(index);
          leaders.add(index);
          follow(index);
        }
      }
    }
    const blocks = blocksOf(entry, ops, leaders, cases, pages);
    const reached = blocks.filter(({ first }) => targets.has(first));
    if (reached.length === 0) return blocks;
    const dispatch = dispatchTo(reached.toSorted((a, b) => a.first - b.first));
    for (const block of blocks) if (branches.has(block.ops.at(-1)!)) block.taken = dispatch;
    return [...blocks, dispatch];
  }
}

/** Within the pages. What is called is left to its own region, and comes back. */
function successorsOf(
  { index, footprint, immLow }: RegionOp,
  pages: Pages,
): {
  readonly taken: number | undefined;
  readonly next: number | undefined;
} {
  const { flow } = footprint;
  const target = index + (immLow >> 2);
  const isLocal = 'reach' in flow && flow.branch === 'jump' && pages.has(pageOf(target));
  const taken = isLocal ? target : undefined;
  const falls = flow.kind === 'next' || flow.kind === 'branch if' || comesBack(footprint);
  return { taken, next: falls ? index + 1 : undefined };
}

/**
 * A block without instructions, which all branches to registers of a page go by way of: each could go where the others go,
 * and so many edges between loops could not be written as nested ones.
 *
 * @param cases - in the order of their addresses
 */
function dispatchTo(cases: readonly Block[]): Block {
  const { first } = cases[0]!;
  const op = {
    index: first,
    handler: undefined,
    footprint: DISPATCH,
    a: 0,
    b: 0,
    c: 0,
    immLow: 0,
    immHigh: 0,
  };
  const nowhere = { takenIndex: undefined, nextIndex: undefined, taken: undefined, next: undefined };
  return { first, ops: [op], ...nowhere, cases };
}

/** It is not for the interpreter alone. */
export const isCompiled = (op: RegionOp | undefined): boolean =>
  op?.handler !== undefined && op.footprint.flow.kind !== 'interpret';

/** Control goes on with the next op, always. */
export const goesOn = ({ footprint }: RegionOp): boolean =>
  footprint.flow.kind === 'next' || comesBack(footprint);

function blocksOf(
  entry: number,
  ops: ReadonlyMap<number, RegionOp>,
  leaders: ReadonlySet<number>,
  cases: ReadonlyMap<RegionOp, readonly number[]>,
  pages: Pages,
): readonly Block[] {
  const blocks = new Map<number, Block>();
  for (const first of leaders) {
    const run: RegionOp[] = [];
    let at = first;
    for (let op = ops.get(at); op; op = ops.get(at)) {
      run.push(op);
      at++;
      if (!goesOn(op) || leaders.has(at)) break;
    }
    const last = run.at(-1);
    if (!last) continue;
    const { taken, next } = successorsOf(last, pages);
    blocks.set(first, {
      first,
      ops: run,
      takenIndex: taken,
      nextIndex: next,
      taken: undefined,
      next: undefined,
      cases: [],
    });
  }
  for (const block of blocks.values()) {
    if (block.takenIndex !== undefined) block.taken = blocks.get(block.takenIndex);
    if (block.nextIndex !== undefined) block.next = blocks.get(block.nextIndex);
    const indices = cases.get(block.ops.at(-1)!) ?? [];
    block.cases = indices.flatMap((index) => blocks.get(index) ?? []);
  }
  const first = blocks.get(entry);
  return first ? [first, ...[...blocks.values()].filter((block) => block !== first)] : [];
}
