/** The blocks of a region in an order in which they can be written as nested blocks and loops. */
import type { Block, Region } from './region.ts';

export interface Node {
  readonly block: Block;
  /** Place in reverse post-order. */
  readonly order: number;
  /** The nearest node that every way from the entry leads through; the entry has itself. */
  readonly dominator: Node;
  /** Nodes whose dominator this is and that need a label, the last in order first. */
  readonly merges: readonly Node[];
  /** Several forward edges lead to it, or one of a `switch`: it needs a label of its own. */
  readonly isMerge: boolean;
  /** Edges lead back to it. */
  readonly isLoop: boolean;
}

interface Draft {
  readonly block: Block;
  readonly order: number;
  dominator: Draft;
  readonly merges: Draft[];
  isMerge: boolean;
  isLoop: boolean;
}

export const successors = ({ taken, next, cases }: Block): readonly Block[] => {
  if (taken && next) return [next, taken];
  const only = taken ?? next;
  return only ? [only] : cases;
};

function reversePostOrder(entry: Block): Block[] {
  const seen = new Set<Block>([entry]);
  const done: Block[] = [];
  const path: { readonly block: Block; readonly left: Block[] }[] = [
    { block: entry, left: [...successors(entry)] },
  ];
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const to = top.left.pop();
    if (to === undefined) {
      done.push(top.block);
      path.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      path.push({ block: to, left: [...successors(to)] });
    }
  }
  return done.toReversed();
}

/** Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001). */
function findDominators(drafts: readonly Draft[], predecessors: ReadonlyMap<Draft, readonly Draft[]>): void {
  const meet = (x: Draft, y: Draft): Draft => {
    let [a, b] = [x, y];
    while (a !== b) {
      while (a.order > b.order) a = a.dominator;
      while (b.order > a.order) b = b.dominator;
    }
    return a;
  };
  const known = new Set<Draft>([drafts[0]!]);
  for (let changed = true; changed;) {
    changed = false;
    for (const draft of drafts.slice(1)) {
      const from = predecessors.get(draft)!.filter((each) => known.has(each));
      const dominator = from.reduce(meet);
      if (!known.has(draft) || draft.dominator !== dominator) changed = true;
      draft.dominator = dominator;
      known.add(draft);
    }
  }
}

const dominates = (above: Draft, draft: Draft): boolean => {
  let at = draft;
  while (at.order > above.order) at = at.dominator;
  return at === above;
};

/**
 * Orders a region's blocks. An edge into the middle of a loop, which nesting cannot express, is cut: control leaves the
 * region there.
 *
 * @returns in reverse post-order; the first is the entry
 */
export function orderBlocks({ blocks }: Region): readonly Node[] {
  for (;;) {
    const drafts = reversePostOrder(blocks[0]!).map((block, order): Draft => {
      const draft = { block, order, merges: [], isMerge: false, isLoop: false } as unknown as Draft;
      draft.dominator = draft;
      return draft;
    });
    const of = new Map(drafts.map((draft) => [draft.block, draft]));
    const predecessors = new Map(drafts.map((draft): [Draft, Draft[]] => [draft, []]));
    for (const draft of drafts)
      for (const to of successors(draft.block)) predecessors.get(of.get(to)!)!.push(draft);
    findDominators(drafts, predecessors);
    let cut = false;
    for (const [to, from] of predecessors) {
      for (const each of from) {
        if (each.order < to.order) continue;
        if (dominates(to, each)) {
          to.isLoop = true;
          continue;
        }
        if (each.block.taken === to.block) each.block.taken = undefined;
        if (each.block.next === to.block) each.block.next = undefined;
        each.block.cases = each.block.cases.filter((block) => block !== to.block);
        cut = true;
      }
      const forward = from.filter((each) => each.order < to.order);
      to.isMerge = forward.length > 1 || forward.some(({ block }) => block.cases.length > 0);
    }
    if (cut) continue;
    for (const draft of drafts.toReversed()) if (draft.isMerge) draft.dominator.merges.push(draft);
    return drafts;
  }
}
