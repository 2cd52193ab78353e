/**
 * The compiled regions of one vCPU on one thread: when they are made, where they are entered, what drops them.
 *
 * A region is entered through the op it begins with, whose handler number then names an entry of the interpreter's table.
 * Hot code is found by samples: guest code is left every few thousand instructions, and where it stood is counted. So
 * the same run compiles the same code, whatever the clock says.
 */
import { firstRegion, MAX_REGIONS, tableIndexOf, type HandlerPlan } from '../interp/build.ts';
import { DECODED_PAGE_SIZE, HANDLER_DECODE, OPS_PER_PAGE, OP_SIZE } from '../interp/uop.ts';
import type { Block } from '../state/block.ts';
import {
  CODE_BYTES,
  COMPILED_INSTRUCTIONS,
  COMPILE_TIME,
  INSTRUCTIONS,
  REGIONS,
  REGION_INSTRUCTIONS,
  add,
} from '../state/engine-stats.ts';
import type { Words } from '../state/words.ts';
import type { CodeWindow, WindowSearch } from '../mmu/window-search.ts';
import { regionName } from './batch.ts';
import { Callees } from './callees.ts';
import {
  regionCompiler,
  type CompileAnswer,
  type CompileRequest,
  type OtherPage,
  type RegionCompiler,
} from './compiler.ts';
import { MAX_FAR_CALLEE } from './inline.ts';
import { pageOf, startOf } from './pages.ts';

/** Instructions between two samples: where some code is still interpreted, and at most. */
const INTERVAL = 4096;
const EAGER_INTERVAL = 64;
const MAX_INTERVAL = INTERVAL * 32;
/** Up to so many more, another number each time: or a loop of a fitting length is left at one place always. */
const JITTER = 512;
/** Where less than this part is interpreted, samples become rarer. */
const RARELY = 1 / 16;
/** Each then counts for those that were not taken, but for so many at most: by chance it may be where nobody is ever again. */
const MAX_WEIGHT = 8;
/** Samples that make an op the entry of a region, where this thread compiles. */
const HOT = 5;
/**
 * Where another thread does: it is asked earlier, and when it lets us wait for long this one does it after all. It takes
 * longer here than there, where translating is practised, so that is for a thread that has too much to do.
 */
const HOT_ELSEWHERE = 24;
const URGENT = 400;
/** Ops of a function in a page far away that a request has: one that is too long to be inlined has to be seen as that. */
const CALLEE_OPS = 2 * MAX_FAR_CALLEE;
/** Requests that wait there at most: each has a copy of its page, and what is asked last would be answered last. */
const MAX_PENDING = 16;
/**
 * What a module costs V8: some bytes by itself, and its own size about four times. The oldest ones go when all together
 * cost more than this.
 */
const MODULE_COST = 24 << 10;
const SIZE_COST = 4;
const MAX_COST = 32 << 20;

export interface JitOptions {
  /** All code is compiled before it runs: for tests. */
  readonly isEager: boolean;
  /** What all modules together may cost; the newest may stay in any case. Absent = as much as is good for speed. */
  readonly maxCost?: number;
  readonly words: Words;
  readonly plan: HandlerPlan;
  /** The interpreter's exports and imports, which regions import. */
  readonly imports: WebAssembly.ModuleImports & { readonly table: WebAssembly.Table };
  /** Address of the decoded page that an op belongs to. */
  readonly pageOf: (op: number) => number;
  readonly window: WindowSearch;
  /** The decoded page that the fetch TLB has for what lies so many pages from the pc's; undefined = none. */
  readonly pageFrom: (offset: number) => number | undefined;
  readonly decode: (op: number) => void;
  /** FPSR.IXC is clear. */
  readonly noticesInexact: () => boolean;
  /** Accesses must be aligned. Where that changes, all code is dropped. */
  readonly isAligned: () => boolean;
  /** Nanoseconds of a clock. */
  readonly now: () => number;
  /** Counts what is compiled. */
  readonly vcpu: Block;
  /** Absent = this thread compiles. */
  readonly compiler: RegionCompiler | undefined;
}

/** The regions of one module: they call each other directly, so they go together. */
interface Batch {
  readonly regions: readonly Installed[];
  /** By decoded page: the ops that they were made of. */
  readonly pages: ReadonlyMap<number, CompileAnswer['ranges']>;
  readonly cost: number;
}

/** The decoded pages of a request, by their distance from the first. */
type RequestPages = ReadonlyMap<number, number>;

/** The memory that code of an op may run through, and mostly access. */
interface Reach {
  readonly pages: RequestPages;
  /** Indices of the first ops of functions in pages that are not given whole. */
  readonly callees: readonly number[];
  readonly window: CodeWindow | undefined;
}

interface Installed {
  readonly entry: number; // address of the op
  readonly slot: number;
  /** The handler that the op had. */
  readonly original: number;
}

export class Jit {
  #interval: number;
  /** Instructions retired when the next sample is due; and of those that were at the last one, which were interpreted. */
  #due: number;
  #isPostponed = false;
  #random = 1;
  #interpreted = 0;
  readonly isEager: boolean;
  readonly #options: JitOptions;
  readonly #first: number;
  readonly #firstEntry: number;
  readonly #callees: Callees;
  readonly #compileHere: (request: CompileRequest) => CompileAnswer;
  readonly #samples = new Map<number, number>();
  readonly #bySlot: (Installed | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  /** In the order in which they came. */
  readonly #batches = new Set<Batch>();
  readonly #byPage = new Map<number, Batch[]>();
  #cost = 0;
  #requests = 0;
  /** The requests that another thread has, and whose code has not changed since. */
  readonly #pending = new Map<number, { readonly op: number; readonly pages: RequestPages }>();

  constructor(options: JitOptions) {
    this.#options = options;
    this.isEager = options.isEager;
    this.#interval = this.isEager ? EAGER_INTERVAL : INTERVAL;
    this.#due = options.vcpu.get32(INSTRUCTIONS) + this.#interval;
    const { plan } = options;
    this.#first = firstRegion(plan);
    this.#firstEntry = tableIndexOf(plan, this.#first);
    this.#callees = new Callees(plan);
    this.#compileHere = regionCompiler(plan);
  }

  /** The region that begins at an op. */
  #at(op: number): Installed | undefined {
    const slot = this.#options.words.u16[op >>> 1]! - this.#first;
    return slot < 0 ? undefined : this.#bySlot[slot];
  }

  #originalOf(op: number): number {
    return this.#at(op)?.original ?? this.#options.words.u16[op >>> 1]!;
  }

  /** Instructions between two samples. */
  get interval(): number {
    return this.#interval;
  }

  /**
   * What has run since guest code was entered is not for a sample: code that leaves for a device every few instructions is
   * slower where a region begins with that access.
   */
  postpone(): void {
    this.#isPostponed = true;
  }

  /** Instructions until the next sample, at least one. */
  untilSample(): number {
    // Of the count the lower half is enough.
    const count = this.#options.vcpu.get32(INSTRUCTIONS);
    if (this.#isPostponed) this.#due = (count + this.#interval) | 0;
    this.#isPostponed = false;
    const left = (this.#due - count) | 0;
    // It is due, too, when the count has been set back.
    return left <= 0 || left > this.#interval + JITTER ? 1 : left;
  }

  /** Guest code was left at an op because it was time for a sample. */
  sample(op: number): void {
    const { vcpu, window } = this.#options;
    window.sample();
    const retired = vcpu.getNumber(INSTRUCTIONS);
    const interpreted = retired - vcpu.getNumber(COMPILED_INSTRUCTIONS);
    const weight = Math.min(this.#interval / INTERVAL, MAX_WEIGHT);
    const isRare = interpreted - this.#interpreted < this.#interval * RARELY;
    this.#interpreted = interpreted;
    if (!this.isEager) this.#interval = isRare ? Math.min(2 * this.#interval, MAX_INTERVAL) : INTERVAL;
    this.#due = (retired + this.#interval + this.#jitter()) | 0;
    // Most likely it is a region that was left for this sample, where it branches back to what is no loop.
    if (isRare && this.#isCompiled(op)) this.#takeAnswers();
    else this.#count(op, weight, true);
  }

  /** As random as needed, and the same in each run. Source: D. Knuth, TAOCP 2, 3.3.4, line 16. */
  #jitter(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1) | 0;
    return this.isEager ? 0 : this.#random >>> (32 - Math.log2(JITTER));
  }

  /** Regions call things that are none, at this moment an op. */
  visit(op: number): void {
    this.#count(op, 1, false);
  }

  /** @param weight - samples that it stands for @param isSample - it is worth to wait for */
  #count(op: number, weight: number, isSample: boolean): void {
    if (this.isEager) {
      this.compile(op);
      return;
    }
    this.#takeAnswers();
    if (this.#at(op)) return;
    const count = (this.#samples.get(op) ?? 0) + weight;
    this.#samples.set(op, count);
    const { compiler } = this.#options;
    if (compiler && (count < URGENT || !isSample)) {
      if (count >= HOT_ELSEWHERE && this.#pending.size < MAX_PENDING && !this.#isPending(op))
        this.#ask(compiler, op);
    } else if (count >= HOT) {
      this.#compileNow(op);
    }
  }

  /** An op is in a region, if it does not begin one. */
  #isCompiled(op: number): boolean {
    const page = this.#options.pageOf(op);
    const index = (op - page) / OP_SIZE;
    const batches = this.#byPage.get(page) ?? [];
    return batches.some(({ pages }) => pages.get(page)!.some(([from, to]) => from <= index && index < to));
  }

  #takeAnswers(): void {
    const { compiler } = this.#options;
    if (this.#pending.size === 0) return;
    for (let answer = compiler?.take(); answer; answer = compiler?.take()) {
      const asked = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if (asked === undefined || this.#at(asked.op)) continue;
      this.#timed(() => this.#install(asked.op, asked.pages, answer));
    }
  }

  #ask(compiler: RegionCompiler, op: number): void {
    const reach = this.#reachOf(op);
    const request = this.#request(op, reach);
    this.#pending.set(request.id, { op, pages: reach.pages });
    compiler.post(request);
  }

  /** Code of the op's page has been asked for: a loop becomes hot at several places at once, and one answer may serve them. */
  #isPending(op: number): boolean {
    const page = this.#options.pageOf(op);
    for (const { pages } of this.#pending.values()) if (pages.get(0) === page) return true;
    return false;
  }

  /** Compiles the region that begins at an op, and all of its page, unless that is done. */
  compile(op: number): void {
    if (this.#at(op)) return;
    const { words, decode } = this.#options;
    const page = this.#options.pageOf(op);
    for (let at = page; at < page + OPS_PER_PAGE * OP_SIZE; at += OP_SIZE) {
      if (words.u16[at >>> 1] === HANDLER_DECODE) decode(at);
    }
    this.#compileNow(op);
  }

  #compileNow(op: number): void {
    const reach = this.#reachOf(op);
    this.#timed(() => this.#install(op, reach.pages, this.#compileHere(this.#request(op, reach))));
  }

  /** The pc is at the op. */
  #reachOf(op: number): Reach {
    const { words, pageFrom } = this.#options;
    // First, since it may drop code.
    const window = this.#options.window.forCode();
    const home = this.#options.pageOf(op);
    const pages = new Map([[0, home]]);
    const add = (offset: number): boolean => {
      if (pages.has(offset)) return true;
      const page = pageFrom(offset);
      // One page may lie at several addresses.
      if (page === undefined || [...pages.values()].includes(page)) return false;
      pages.set(offset, page);
      return true;
    };
    add(-1);
    add(1);
    const callees = this.#callees.around(words, home, (op - home) / OP_SIZE);
    return { pages, callees: callees.filter((index) => add(pageOf(index))), window };
  }

  #request(op: number, { pages, callees, window }: Reach): CompileRequest {
    const { words, vcpu, noticesInexact, isAligned } = this.#options;
    const home = pages.get(0)!;
    const other = (offset: number, from?: number, to?: number): OtherPage[] => {
      const page = pages.get(offset);
      return page === undefined
        ? []
        : [{ offset, distance: page - home, from, ...this.#copyOf(page, from, to) }];
    };
    return {
      id: ++this.#requests,
      vcpu: vcpu.base,
      shared: words.isShared,
      small: words.u8.length <= 2 ** 31,
      asksExactness: noticesInexact(),
      aligned: isAligned(),
      window,
      ...this.#copyOf(home),
      entry: (op - home) / OP_SIZE,
      others: [
        ...other(-1),
        ...other(1),
        ...callees.flatMap((index) => {
          const from = index - startOf(pageOf(index));
          return other(pageOf(index), from, Math.min(from + CALLEE_OPS, OPS_PER_PAGE));
        }),
      ],
    };
  }

  /** A decoded page, or a part of it, without regions, and where they begin. */
  #copyOf(page: number, from = 0, to = DECODED_PAGE_SIZE / OP_SIZE): Pick<OtherPage, 'page' | 'compiled'> {
    const copy = this.#options.words.u8.slice(page + from * OP_SIZE, page + to * OP_SIZE);
    const handlers = new Uint16Array(copy.buffer);
    const compiled: number[] = [];
    for (const { entry, original } of (this.#byPage.get(page) ?? []).flatMap(({ regions }) => regions)) {
      const index = (entry - page) / OP_SIZE;
      if (index < from || index >= to) continue;
      handlers[((index - from) * OP_SIZE) / 2] = original;
      compiled.push(index);
    }
    return { page: copy, compiled };
  }

  /** Does what takes the guest's time, and counts that. */
  #timed(action: () => void): void {
    const { now, vcpu } = this.#options;
    const start = now();
    action();
    add(vcpu, COMPILE_TIME, Math.max(0, Math.round(now() - start)));
  }

  /** @param op - what was asked about */
  #install(op: number, requested: RequestPages, { entries, ranges, code }: CompileAnswer): void {
    if (entries.length === 0) {
      this.#samples.set(op, -Infinity); // never again
      return;
    }
    if (this.#bySlot.length + entries.length - this.#freeSlots.length > MAX_REGIONS) this.dropAll();
    const { imports, vcpu, maxCost = MAX_COST } = this.#options;
    add(vcpu, REGIONS, entries.length);
    add(
      vcpu,
      REGION_INSTRUCTIONS,
      ranges.reduce((sum, [from, to]) => sum + to - from, 0),
    );
    add(vcpu, CODE_BYTES, code.length);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { vkvm: imports });
    const placeOf = (index: number): { readonly page: number; readonly first: number } => {
      const offset = pageOf(index);
      return { page: requested.get(offset)!, first: startOf(offset) };
    };
    const regions = entries.map((index, place) => {
      const { page, first } = placeOf(index);
      // batch.ts exports a function for each.
      return this.#enter(page + (index - first) * OP_SIZE, exports[regionName(place)] as () => void);
    });
    const pages = new Map<number, [from: number, to: number][]>();
    for (const [from, to] of ranges) {
      const { page, first } = placeOf(from);
      const range: [number, number] = [from - first, to - first];
      const known = pages.get(page);
      if (known) known.push(range);
      else pages.set(page, [range]);
      // What was counted there was this code, still interpreted.
      for (let index = range[0]; index < range[1]; index++) this.#samples.delete(page + index * OP_SIZE);
    }
    const batch = { regions, pages, cost: MODULE_COST + SIZE_COST * code.length };
    for (const page of pages.keys()) {
      const others = this.#byPage.get(page);
      if (others) others.push(batch);
      else this.#byPage.set(page, [batch]);
    }
    this.#batches.add(batch);
    this.#cost += batch.cost;
    for (const oldest of this.#batches) {
      if (this.#cost <= maxCost || oldest === batch) break;
      this.#remove(oldest);
    }
  }

  /** Has an op lead to a region. */
  #enter(op: number, code: () => void): Installed {
    const slot = this.#freeSlots.pop() ?? this.#bySlot.length;
    const installed = { entry: op, slot, original: this.#originalOf(op) };
    this.#bySlot[slot] = installed;
    this.#options.imports.table.set(this.#firstEntry + slot, code);
    this.#options.words.u16[op >>> 1] = this.#first + slot;
    this.#samples.delete(op);
    return installed;
  }

  #remove(batch: Batch): void {
    const { words, imports } = this.#options;
    for (const { entry, slot } of batch.regions) {
      if (words.u16[entry >>> 1] === this.#first + slot) words.u16[entry >>> 1] = HANDLER_DECODE;
      imports.table.set(this.#firstEntry + slot, null);
      this.#bySlot[slot] = undefined;
      this.#freeSlots.push(slot);
    }
    this.#batches.delete(batch);
    this.#cost -= batch.cost;
    for (const page of batch.pages.keys()) {
      const others = this.#byPage.get(page)!.filter((each) => each !== batch);
      if (others.length === 0) this.#byPage.delete(page);
      else this.#byPage.set(page, others);
    }
  }

  /** The instructions of some ops of a page have changed: [from, to). */
  drop(page: number, from: number, to: number): void {
    for (const [id, { op, pages }] of this.#pending) {
      if (![...pages.values()].includes(page)) continue;
      this.#pending.delete(id);
      this.#samples.delete(op);
    }
    for (const batch of this.#byPage.get(page) ?? []) {
      if (batch.pages.get(page)!.some((range) => range[0] < to && from < range[1])) this.#remove(batch);
    }
  }

  /** All decoded code is gone. */
  dropAll(): void {
    for (const batch of this.#batches) this.#remove(batch);
    this.#bySlot.length = 0;
    this.#freeSlots.length = 0;
    this.#samples.clear();
    this.#pending.clear();
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
