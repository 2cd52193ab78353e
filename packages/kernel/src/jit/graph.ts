/** The blocks of a region in an order in which they can be written as nested blocks and loops. */
import { OP_SIZE } from '../interp/uop.ts';
import type { Block } from './region.ts';

export interface Node {
  readonly block: Block;
  /** Place in reverse post-order. */
  readonly order: number;
  /** The nearest node that every way from the entry leads through; the entry has itself. */
  readonly dominator: Node;
  /** Nodes whose dominator this is and that need a label, the last in order first. */
  readonly merges: readonly Node[];
  /** Several forward edges lead to it, or one from a block that has it as a case: it needs a label of its own. */
  readonly isMerge: boolean;
  /** Edges lead back to it. */
  readonly isLoop: boolean;
  /** The region can be entered here. */
  readonly isEntry: boolean;
  /**
   * Where control goes on from here at once if the region was entered there, or further within. What lies in loops is
   * come to by way of their heads: so a loop that is entered in the middle stays a loop.
   */
  readonly inner: readonly Node[];
}

interface Draft {
  readonly block: Block;
  readonly order: number;
  dominator: Draft;
  readonly merges: Draft[];
  isMerge: boolean;
  isLoop: boolean;
  readonly isEntry: boolean;
  readonly inner: Draft[];
}

/** How entries are come to from the first block. */
interface WaysIn {
  readonly entries: ReadonlySet<Block>;
  readonly inner: ReadonlyMap<Block, readonly Block[]>;
}

/** Entries besides the first: as many as the low bits of an op's address tell apart. */
const MAX_INNER = OP_SIZE - 1;

export const successors = ({ taken, next, cases }: Block): readonly Block[] => [
  ...(next ? [next] : []),
  ...(taken ? [taken] : []),
  ...cases,
];

function reversePostOrder(entry: Block, ways: WaysIn | undefined): Block[] {
  const seen = new Set<Block>([entry]);
  const done: Block[] = [];
  const allSuccessors = (block: Block): Block[] => [...(ways?.inner.get(block) ?? []), ...successors(block)];
  const path: { readonly block: Block; readonly left: Block[] }[] = [
    { block: entry, left: allSuccessors(entry) },
  ];
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const to = top.left.pop();
    if (to === undefined) {
      done.push(top.block);
      path.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      path.push({ block: to, left: allSuccessors(to) });
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

/** What is ordered: a node, or what becomes one. */
type Ordered = Pick<Node, 'order'>;

/** All that lies between a loop's head and the edges that lead back to it. */
function bodyOf<N extends Ordered>(head: N, predecessors: ReadonlyMap<N, readonly N[]>): ReadonlySet<N> {
  const body = new Set([head]);
  const waiting = predecessors.get(head)!.filter((each) => each.order >= head.order);
  for (let draft = waiting.pop(); draft; draft = waiting.pop()) {
    if (body.has(draft)) continue;
    body.add(draft);
    waiting.push(...predecessors.get(draft)!);
  }
  return body;
}

/** From the first block, and by way of the heads of all loops that an entry lies in. */
function findWaysIn(
  drafts: readonly Draft[],
  predecessors: ReadonlyMap<Draft, readonly Draft[]>,
  isWanted: (block: Block, isLoop: boolean) => boolean,
): WaysIn {
  const [first, ...others] = drafts;
  const loops = drafts
    .filter(({ isLoop }) => isLoop)
    .map((head) => ({ head, body: bodyOf(head, predecessors) }))
    .toSorted((a, b) => a.body.size - b.body.size);
  const inner = new Map<Block, Block[]>();
  const wanted = others.filter(({ block, isLoop }) => isWanted(block, isLoop)).slice(0, MAX_INNER);
  const seen = new Set([first!]);
  for (const draft of wanted) {
    for (let to = draft; !seen.has(to);) {
      seen.add(to);
      const from = loops.find(({ head, body }) => head !== to && body.has(to))?.head ?? first!;
      inner.set(from.block, [...(inner.get(from.block) ?? []), to.block]);
      to = from;
    }
  }
  return { inner, entries: new Set([first!, ...wanted].map(({ block }) => block)) };
}

/**
 * Orders a region's blocks. An edge into the middle of a loop, which nesting cannot express, is cut: control leaves the
 * region there, and enters it again at once.
 *
 * @param blocks - the first is the entry
 * @param isWanted - whether a block shall be an entry, too
 * @returns in reverse post-order
 */
export function orderBlocks(
  blocks: readonly Block[],
  isWanted: (block: Block, isLoop: boolean) => boolean,
): readonly Node[] {
  const cutOff = new Set<Block>();
  for (let ways: WaysIn | undefined; ;) {
    const drafts = reversePostOrder(blocks[0]!, ways).map((block, order): Draft => {
      const isEntry = ways?.entries.has(block) ?? order === 0;
      const draft = { block, order, merges: [], isMerge: false, isLoop: false, isEntry, inner: [] };
      return Object.assign(draft, { dominator: draft as unknown as Draft });
    });
    const of = new Map(drafts.map((draft) => [draft.block, draft]));
    const predecessors = new Map(drafts.map((draft): [Draft, Draft[]] => [draft, []]));
    for (const draft of drafts) {
      for (const to of successors(draft.block)) predecessors.get(of.get(to)!)!.push(draft);
      for (const block of ways?.inner.get(draft.block) ?? []) {
        const to = of.get(block)!;
        draft.inner.push(to);
        predecessors.get(to)!.push(draft);
      }
    }
    findDominators(drafts, predecessors);
    let cut = false;
    for (const [to, from] of predecessors) {
      for (const each of from) {
        if (each.order < to.order) continue;
        if (dominates(to, each)) {
          to.isLoop = true;
          continue;
        }
        cutOff.add(to.block);
        if (each.block.taken === to.block) each.block.taken = undefined;
        if (each.block.next === to.block) each.block.next = undefined;
        each.block.cases = each.block.cases.filter((block) => block !== to.block);
        cut = true;
      }
      const forward = from.filter((each) => each.order < to.order);
      to.isMerge = forward.length > 1 || forward.some(({ block }) => block.cases.length > 0);
    }
    if (cut) {
      ways = undefined;
      continue;
    }
    if (!ways) {
      ways = findWaysIn(drafts, predecessors, (block, isLoop) =>
        isWanted(block, isLoop || cutOff.has(block)),
      );
      if (ways.inner.size > 0) continue;
    }
    for (const draft of drafts.toReversed()) if (draft.isMerge) draft.dominator.merges.push(draft);
    return drafts;
  }
}

/** The loops of a region, each with what lies in it. */
export function loopsOf(nodes: readonly Node[]): ReadonlySet<Node>[] {
  const heads = nodes.filter(({ isLoop }) => isLoop);
  if (heads.length === 0) return [];
  const of = new Map(nodes.map((node) => [node.block, node]));
  const predecessors = new Map(nodes.map((node): [Node, Node[]] => [node, []]));
  for (const node of nodes) {
    for (const to of successors(node.block)) predecessors.get(of.get(to)!)!.push(node);
  }
  return heads.map((head) => bodyOf(head, predecessors));
}
