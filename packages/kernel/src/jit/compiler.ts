/**
 * From a decoded page to the bytes of a module with the regions of it that are hot. It needs nothing else, so another
 * thread can do it.
 */
import type { HandlerPlan } from '../interp/build.ts';
import { DECODED_PAGE_SIZE, OP_SIZE } from '../interp/uop.ts';
import { buildBatch } from './batch.ts';
import type { CodeForm } from './region-state.ts';
import { startOf, type DecodedPage, type Pages } from './pages.ts';
import { entriesOf, isCompiled, RegionReader, type Region } from './region.ts';

/** What a compiler is asked. It survives a structured clone. */
export interface CompileRequest extends CodeForm {
  readonly id: number;
  /** The ops of the page, with the handlers they have where no region begins: a copy. */
  readonly page: Uint8Array<ArrayBuffer>;
  /** Index of the op that is hot. */
  readonly entry: number;
  /** Ops at which regions begin already. */
  readonly compiled: readonly number[];
  /** Other pages of virtual memory, or parts of them. */
  readonly others?: readonly OtherPage[];
}

/** Another page: code may run into it, for as long as the fetch TLB says that it still lies there. */
export interface OtherPage {
  /** Where it lies, in pages from the one that the op is in. */
  readonly offset: number;
  readonly page: Uint8Array<ArrayBuffer>;
  /** If that is a part only: where it begins in the page. */
  readonly from?: number | undefined;
  /** Address of its ops, less that of the page's. */
  readonly distance: number;
  /** Ops at which regions begin already, from 0. */
  readonly compiled: readonly number[];
}

/** Its answer: nothing to compile if there are no entries. */
export interface CompileAnswer {
  readonly id: number;
  /** Index of the op at which each region begins, as in {@link RegionOp}; its function is `regionName` of its place here. */
  readonly entries: readonly number[];
  /** The ops that they were made of: from an index to one past the last. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly code: Uint8Array<ArrayBuffer>;
}

/** Another thread that compiles. */
export interface RegionCompiler {
  /** Asks. It never waits. */
  post(request: CompileRequest): void;
  /** An answer that has come and was not taken yet. It never waits. */
  take(): CompileAnswer | undefined;
}

/** Instructions of one batch, after which no further region is begun. */
const BATCH_OPS = 1200;

/** Compiles at once. @param plan - the numbers of the handlers in the pages */
export function regionCompiler(plan: HandlerPlan): (request: CompileRequest) => CompileAnswer {
  const reader = new RegionReader(plan);
  return ({ id, page, entry, compiled, others = [], ...form }) => {
    const pages = new Map([[0, viewOf(page)]]);
    const distances = new Map([[0, 0]]);
    const taken = new Set(compiled);
    for (const { offset, page: other, from = 0, distance, compiled: begun } of others) {
      pages.set(offset, withPart(pages.get(offset), other, from));
      distances.set(offset, distance - startOf(offset) * OP_SIZE);
      for (const index of begun) taken.add(startOf(offset) + index);
    }
    const before = taken.size;
    const regions = regionsFrom(reader, pages, entry, taken);
    const entries = [...taken].slice(before);
    return {
      id,
      entries,
      ranges: regions.flatMap(({ nodes }) =>
        nodes.map(({ block: { first, ops } }) => [first, first + ops.length] as const),
      ),
      code:
        regions.length === 0 ? new Uint8Array() : buildBatch(plan, regions, entries, { ...form, distances }),
    };
  };
}

const viewOf = ({ buffer }: Uint8Array<ArrayBuffer>): DecodedPage => ({
  u16: new Uint16Array(buffer),
  u32: new Uint32Array(buffer),
});

/** A page with one more part of it known. */
function withPart(known: DecodedPage | undefined, part: Uint8Array<ArrayBuffer>, from: number): DecodedPage {
  if (part.length === DECODED_PAGE_SIZE) return viewOf(part);
  const page = known ?? viewOf(new Uint8Array(DECODED_PAGE_SIZE));
  page.u16.set(viewOf(part).u16, (from * OP_SIZE) / 2);
  return page;
}

/**
 * The region at an op, and those where control comes back from what the interpreter does in it.
 *
 * @param taken - where regions begin already: what they add is added
 */
function regionsFrom(reader: RegionReader, pages: Pages, first: number, taken: Set<number>): Region[] {
  const regions: Region[] = [];
  const waiting = new Set([first]);
  let count = 0;
  // This goes on with what it adds.
  for (const entry of waiting) {
    if (count >= BATCH_OPS) break;
    if (taken.has(entry)) continue;
    const region = reader.read(pages, entry, taken);
    const ops = region.nodes.flatMap(({ block }) => block.ops);
    for (const { index, handler, footprint } of ops) {
      if (footprint.flow.kind === 'interpret' && handler) waiting.add(index + 1);
    }
    // What is not decoded has no region, nor has what only the interpreter does.
    if (!isCompiled(region.nodes[0]?.block.ops[0])) continue;
    for (const { block } of entriesOf(region)) taken.add(block.first);
    count += ops.length;
    regions.push(region);
  }
  return regions;
}
