/**
 * The compiled regions of one vCPU on one thread: when they are made, where they are entered, what drops them.
 *
 * A region is entered through the op it begins with, whose handler number then names an entry of the interpreter's table.
 * Hot code is found by samples: guest code is left every few thousand instructions, and where it stood is counted. So
 * the same run compiles the same code, whatever the clock says.
 */
import { firstRegion, MAX_REGIONS, tableIndexOf, type HandlerPlan } from '../interp/build.ts';
import { HANDLER_DECODE, OP_SIZE } from '../interp/uop.ts';
import type { Words } from '../state/words.ts';
import { buildBatch, regionName } from './batch.ts';
import { RegionReader, type Region } from './region.ts';

/** Instructions between two samples: where code is still interpreted, and at most. */
const INTERVAL = 4096;
const EAGER_INTERVAL = 64;
const MAX_INTERVAL = INTERVAL * 32;
/** Samples that make an op the entry of a region. */
const HOT = 5;
/** Instructions of one batch, after which no further region is begun. */
const BATCH_OPS = 1200;

export interface JitOptions {
  /** All code is compiled before it runs: for tests. */
  readonly isEager: boolean;
  readonly words: Words;
  readonly plan: HandlerPlan;
  /** The interpreter's exports and imports, which regions import. */
  readonly imports: WebAssembly.ModuleImports & { readonly table: WebAssembly.Table };
  /** Address of the decoded page that an op belongs to. */
  readonly pageOf: (op: number) => number;
  readonly decode: (op: number) => void;
}

/** The regions of one module, all of one page: they call each other directly, so they go together. */
interface Batch {
  readonly page: number;
  readonly regions: Installed[];
  /** The ops that it was made of: from an index to one past the last. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
}

interface Installed {
  readonly entry: number; // address of the op
  readonly slot: number;
  /** The handler that the op had. */
  readonly original: number;
}

export class Jit {
  /** Instructions until the next sample. */
  interval = INTERVAL;
  readonly isEager: boolean;
  readonly #options: JitOptions;
  readonly #reader: RegionReader;
  readonly #first: number;
  readonly #firstEntry: number;
  readonly #samples = new Map<number, number>();
  readonly #bySlot: (Installed | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #byPage = new Map<number, Batch[]>();

  constructor(options: JitOptions) {
    this.#options = options;
    this.isEager = options.isEager;
    if (this.isEager) this.interval = EAGER_INTERVAL;
    const { words, plan, decode } = options;
    this.#first = firstRegion(plan);
    this.#firstEntry = tableIndexOf(plan, this.#first);
    this.#reader = new RegionReader(words, plan, this.isEager ? decode : undefined, (op) =>
      this.#originalOf(op),
    );
  }

  /** The region that begins at an op. */
  #at(op: number): Installed | undefined {
    const slot = this.#options.words.u16[op >>> 1]! - this.#first;
    return slot < 0 ? undefined : this.#bySlot[slot];
  }

  #originalOf(op: number): number {
    return this.#at(op)?.original ?? this.#options.words.u16[op >>> 1]!;
  }

  /** Guest code was left at an op after {@link interval} instructions. */
  sample(op: number): void {
    if (this.isEager) return;
    if (this.#at(op)) {
      this.interval = Math.min(2 * this.interval, MAX_INTERVAL);
      return;
    }
    this.interval = INTERVAL;
    const count = (this.#samples.get(op) ?? 0) + 1;
    this.#samples.set(op, count);
    if (count === HOT) this.compile(op);
  }

  /** Compiles the region that begins at an op, unless that is done. */
  compile(op: number): void {
    if (this.#at(op)) return;
    const page = this.#options.pageOf(op);
    const regions = this.#regionsFrom(page, (op - page) / OP_SIZE);
    if (regions.length === 0) return;
    if (this.#bySlot.length + regions.length - this.#freeSlots.length > MAX_REGIONS) this.dropAll();
    const { words, imports } = this.#options;
    const numbers = { firstRegion: this.#first, firstEntry: this.#firstEntry };
    const module = new WebAssembly.Module(buildBatch(regions, numbers, words.isShared));
    const { exports } = new WebAssembly.Instance(module, { vkvm: imports });
    const installed = regions.map((region, place) =>
      this.#install(page + region.entry * OP_SIZE, exports[regionName(place)] as () => void),
    );
    const ranges = regions.flatMap(({ blocks }) =>
      blocks.map(({ first, ops }) => [first, first + ops.length] as const),
    );
    const batches = this.#byPage.get(page);
    const batch = { page, regions: installed, ranges };
    if (batches) batches.push(batch);
    else this.#byPage.set(page, [batch]);
  }

  /** The region at an op, and those where control comes back from what the interpreter does in it. */
  #regionsFrom(page: number, first: number): Region[] {
    const regions: Region[] = [];
    const waiting = [first];
    const seen = new Set(waiting);
    let ops = 0;
    for (let entry = waiting.shift(); entry !== undefined && ops < BATCH_OPS; entry = waiting.shift()) {
      if (this.#at(page + entry * OP_SIZE)) continue;
      const region = this.#reader.read(page, entry);
      const all = region.blocks.flatMap((block) => block.ops);
      const interpreted = all.filter(({ footprint }) => footprint.flow.kind === 'interpret');
      for (const { index, handler } of interpreted) {
        if (!handler || seen.has(index + 1)) continue;
        seen.add(index + 1);
        waiting.push(index + 1);
      }
      // An op that is not decoded any more has no region, nor has one that only the interpreter does.
      if ((region.blocks[0]?.ops[0]?.footprint.flow.kind ?? 'interpret') === 'interpret') continue;
      ops += all.length;
      regions.push(region);
    }
    return regions;
  }

  #install(op: number, code: () => void): Installed {
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const installed = { entry: op, slot, original: this.#originalOf(op) };
    this.#bySlot[slot] = installed;
    this.#options.imports.table.set(this.#firstEntry + slot, code);
    this.#options.words.u16[op >>> 1] = this.#first + slot;
    return installed;
  }

  #remove({ entry, slot }: Installed): void {
    const { words, imports } = this.#options;
    if (words.u16[entry >>> 1] === this.#first + slot) words.u16[entry >>> 1] = HANDLER_DECODE;
    imports.table.set(this.#firstEntry + slot, null);
    this.#bySlot[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  /** The instructions of some ops of a page have changed: [from, to). */
  drop(page: number, from: number, to: number): void {
    const batches = this.#byPage.get(page);
    if (!batches) return;
    const isHit = ({ ranges }: Batch): boolean => ranges.some((range) => range[0] < to && from < range[1]);
    for (const batch of batches.filter(isHit)) for (const region of batch.regions) this.#remove(region);
    this.#byPage.set(
      page,
      batches.filter((batch) => !isHit(batch)),
    );
  }

  /** All decoded code is gone. */
  dropAll(): void {
    for (const each of this.#bySlot) if (each) this.#remove(each);
    this.#bySlot.length = 0;
    this.#freeSlots.length = 0;
    this.#byPage.clear();
    this.#samples.clear();
  }

  /** Runs something while no region begins at an op. */
  without<T>(op: number, run: () => T): T {
    const { u16 } = this.#options.words;
    const installed = this.#at(op);
    if (!installed) return run();
    u16[op >>> 1] = HANDLER_DECODE;
    const result = run();
    if (this.#bySlot[installed.slot] === installed) u16[op >>> 1] = this.#first + installed.slot;
    return result;
  }
}
