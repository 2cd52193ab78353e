/**
 * The body of one region: blocks as nested Wasm blocks and loops. A node is written where its dominator branches to it,
 * or, if several branches meet in it, behind a block that they leave. Source: N. Ramsey, "Beyond Relooper" (ICFP 2022).
 */
import type { I32, Var } from '../a64/emitter.ts';
import type { Code, Label } from '../wasm/code.ts';
import { analyse, type RegionFacts } from './data-flow.ts';
import { comesBack } from './footprint.ts';
import type { Node } from './graph.ts';
import { placesOf, RegionEmitter } from './region-emitter.ts';
import type { RegionImports } from './region-state.ts';
import { pageOf } from './pages.ts';
import { entriesOf, goesOn, leavesPage, type Block, type Region } from './region.ts';
import { copyOf, noRegisters, writesStack } from './registers.ts';

/** Emits the function of a region. */
export function emitRegion(code: Code, region: Region, imports: RegionImports): void {
  new RegionCode(code, region, imports).emit();
}

/** Entries that control comes to by way of the start of a node. */
const entriesWithin = (node: Node): readonly Node[] =>
  node.inner.flatMap((to) => [...(to.isEntry ? [to] : []), ...entriesWithin(to)]);

/** It looks at the budget. */
function mayPoll(block: Block): boolean {
  const { takenIndex, ops } = block;
  const { index, footprint } = ops.at(-1)!;
  if (leavesPage(block)) return true;
  return takenIndex !== undefined && (takenIndex <= index || footprint.flow.kind === 'jump');
}

class RegionCode {
  readonly #code: Code;
  readonly #emitter: RegionEmitter;
  readonly #facts: RegionFacts;
  readonly #nodes: readonly Node[];
  readonly #entries: readonly Node[];
  readonly #nodeOf: ReadonlyMap<Block, Node>;
  /** Where a branch to a node goes that is written elsewhere: to its loop, or behind the block before it. */
  readonly #labels = new Map<Node, Label>();
  /** What was asked on all ways to a node that are written: see RegionState.passed. */
  readonly #passed = new Map<Node, number>();

  constructor(code: Code, region: Region, imports: RegionImports) {
    this.#code = code;
    this.#nodes = region.nodes;
    this.#entries = entriesOf(region);
    this.#facts = analyse(region.nodes, imports.window);
    this.#nodeOf = new Map(region.nodes.map((node) => [node.block, node]));
    this.#emitter = new RegionEmitter(code, imports, region.entry);
  }

  emit(): void {
    const footprints = this.#nodes.flatMap(({ block }) => block.ops.map(({ footprint }) => footprint));
    const hasCases = this.#nodes.some(({ block }) => block.cases.length > 0);
    const { live, liveWithin } = this.#facts;
    const facts = [...this.#facts.ops.values()].flat();
    this.#emitter.begin(live, this.#entries.length > 1 ? liveWithin : undefined, {
      pc:
        hasCases ||
        this.#nodes.some(({ block }) => leavesPage(block)) ||
        footprints.some((each) => each.usesPc || comesBack(each)),
      memory: facts.some(({ op, window }) => op.footprint.usesMemory && !window),
      chasing: facts.some(({ isChasing, window }) => isChasing && !window),
      window: facts.some(({ window }) => window !== undefined),
      fp: footprints.some(({ usesFp }) => usesFp),
      fpNeeds: new Set(footprints.flatMap(({ fpNeeds }) => fpNeeds)),
      back: hasCases || this.#nodes.some(({ block }) => mayPoll(block)),
    });
    this.#code.endScope();
    this.#tree(this.#nodes[0]!);
    this.#code.unreachable();
  }

  #tree(node: Node): void {
    if (!node.isLoop) return this.#behind(node, 0);
    this.#emitter.enterLoop(this.#readsFlags(node));
    this.#labels.set(node, this.#code.loop());
    this.#behind(node, 0);
    this.#code.end();
    this.#code.unreachable();
    this.#labels.delete(node);
  }

  /** The flags as they are at its start are read by somebody. */
  #readsFlags(node: Node): boolean {
    return this.#facts.ops.get(node)![0]!.flagsBefore;
  }

  /** Writes a node's own block, and behind it those of its merges from number `from` on. */
  #behind(node: Node, from: number): void {
    const merge = node.merges[from];
    if (!merge) return this.#block(node);
    this.#labels.set(merge, this.#code.block());
    this.#behind(node, from + 1);
    this.#code.end();
    this.#labels.delete(merge);
    this.#emitter.start(noRegisters(), this.#passed.get(merge));
    this.#tree(merge);
  }

  #block(node: Node): void {
    const { block } = node;
    const emitter = this.#emitter;
    const ops = this.#facts.ops.get(node)!;
    if (node.inner.length > 0) this.#goWithin(node);
    if (node.inner.length > 0 || node.isEntry) emitter.isWithin();
    // What was not settled where it comes from is not settled here.
    emitter.dirty = copyOf(ops[0]!.dirty);
    emitter.follow = (taken) => this.#follow(node, taken);
    emitter.returnIndex = block.takenIndex;
    emitter.dispatches = block.taken !== undefined && block.takenIndex === undefined;
    emitter.followCall = (callee) => this.#followCall(block, callee);
    emitter.followCase = (place, otherwise) => this.#followCase(node, place, otherwise);
    for (const facts of ops) {
      const { handler, footprint } = facts.op;
      emitter.at(facts);
      const isLast = facts === ops.at(-1);
      emitter.isLocal = isLast && block.takenIndex !== undefined;
      emitter.cases = isLast ? block.cases : [];
      const { exitsBefore, exitsAfter, flow } = footprint;
      const emit = (): void => handler?.insn.emit(emitter, handler.point);
      if (handler && exitsBefore && !exitsAfter && flow.kind === 'next') emitter.withOneExit(emit);
      else if (handler) emit();
      else if (flow.kind === 'jump') emitter.dispatch();
      else emitter.undefined();
      if (handler?.looksAtStack && writesStack(facts.op)) emitter.lookAtStack();
      this.#code.endScope();
    }
    if (goesOn(ops.at(-1)!.op)) this.#goTo(block, block.next, block.nextIndex!);
  }

  /** If the region was entered at something that lies within a node, control goes there. */
  #goWithin(node: Node): void {
    const code = this.#code;
    this.#emitter.ifEntered((entry) => {
      const own = code.block();
      const labels = this.#entries.map(() => own);
      for (const to of node.inner) {
        this.#passed.set(to, 0);
        const label = this.#labels.get(to)!;
        for (const each of [to, ...entriesWithin(to)]) {
          if (each.isEntry) labels[this.#entries.indexOf(each)] = label;
        }
      }
      code.brTable(entry.get(), labels, own);
      code.end();
    });
  }

  /** The way that a branch at the end of a block goes. */
  #follow(node: Node, taken: boolean): void {
    const { block } = node;
    if (!taken) return this.#goTo(block, block.next, block.nextIndex!);
    if (block.takenIndex === undefined) return this.#goTo(block, block.taken, block.taken!.first);
    this.#emitter.countBranch(block.takenIndex);
    this.#goTo(block, block.taken, block.takenIndex);
  }

  /** The way that a call through a register goes, if it goes to what is inlined. */
  #followCall(block: Block, callee: Block): void {
    this.#emitter.countBranch(callee.first);
    this.#goTo(block, callee, callee.first);
  }

  /** The way that the branch of a `switch` goes. @param place - how many instructions behind its first case */
  #followCase({ block }: Node, place: Var<I32>, otherwise: Label): void {
    const nodes = block.cases.map((each) => this.#nodeOf.get(each)!);
    this.#emitter.settle(nodes.some((node) => this.#readsFlags(node)));
    const labels: Label[] = Array(placesOf(block.cases)).fill(otherwise);
    for (const node of nodes) labels[node.block.first - block.cases[0]!.first] = this.#labelOf(node)!;
    this.#code.brTable(place.get(), labels, otherwise);
  }

  #goTo(from: Block, block: Block | undefined, index: number): void {
    const isElsewhere = pageOf(index) !== pageOf(from.first);
    if (!block) return isElsewhere ? this.#emitter.jumpTo(index) : this.#emitter.chain(index);
    if (isElsewhere) this.#emitter.enterPage(index);
    const to = this.#nodeOf.get(block)!;
    const label = this.#labelOf(to);
    if (label !== undefined) {
      this.#emitter.settle(this.#readsFlags(to));
      return this.#code.br(label);
    }
    const { follow } = this.#emitter;
    const here = this.#emitter.keep();
    this.#tree(to);
    this.#emitter.restore(here);
    this.#emitter.follow = follow;
  }

  /** What leads to a node from here, if it is written elsewhere. */
  #labelOf(to: Node): Label | undefined {
    const label = this.#labels.get(to);
    if (label !== undefined) this.#passed.set(to, this.#emitter.passed & (this.#passed.get(to) ?? ~0));
    return label;
  }
}
