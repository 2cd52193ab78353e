/**
 * One vCPU's guest code on one thread: the compiled interpreter, bound to the vCPU's state words.
 *
 * It can be dropped and made again at any time while the vCPU is outside guest code; nothing of the guest is in it.
 */
import { FPSR_IXC } from '../a64/shared/fp-format.ts';
import { DecodeTable } from '../a64/decode.ts';
import { INSNS } from '../a64/table.ts';
import {
  regionCompiler,
  type CompileAnswer,
  type CompileRequest,
  type RegionCompiler,
} from '../jit/compiler.ts';
import { Jit } from '../jit/jit.ts';
import { Tlb } from '../mmu/tlb.ts';
import { WindowSearch, type WindowSearchOptions } from '../mmu/window-search.ts';
import { selectWindow } from '../mmu/window.ts';
import { REGIME_ALIGNED, unpackRegime, unpackStack } from '../mmu/regime.ts';
import {
  TRANSLATE_FAULT,
  TRANSLATE_FETCH,
  TRANSLATE_PROBE,
  TRANSLATE_READ,
  TRANSLATE_UNPRIVILEGED,
  TRANSLATE_WRITE,
} from '../mmu/walk.ts';
import { Block } from '../state/block.ts';
import {
  CODE_MAP,
  CODE_MOVED,
  CODE_OWNER,
  CODE_UNVERIFIED,
  CPACR_EL1,
  EL,
  ENTRY_OP,
  FAULT_PA,
  FETCH_BASE,
  FETCH_TLB,
  FETCH_TLB_SIZE,
  FILL_LOG_CAPACITY,
  FILL_LOG_GLOBAL,
  FILL_LOG_NON_GLOBAL,
  FP_TRAP,
  FPSR,
  LEAVE,
  OP,
  PC,
  POOL,
  POOL_LIMIT,
  POOL_USED,
  RETIRED_BEFORE,
  SCRATCH,
  SINK_SLOT,
  SYNDROME,
  TLB,
  TLB_BASE,
  TLB_TABLE_SIZE,
  WALK_LEAF,
  VISITS,
  ZERO_SLOT,
} from '../state/vcpu-state.ts';
import type { Words } from '../state/words.ts';
import { buildInterpreter, type HandlerPlan } from '../interp/build.ts';
import { buildColdModule } from '../interp/cold-module.ts';
import { Decoder, type PlainSysreg } from '../interp/decoder.ts';
import { LEAVE_BUDGET, LEAVE_UNDEFINED, type Leave } from '../interp/leave.ts';
import { NOT_RESUMED, STILL_SETTLED, type Resumed } from '../interp/entry.ts';
import { VISIT_INTERVAL } from '../interp/frame.ts';
import { planAll } from '../interp/plan.ts';
import { plainColdModule, plainInterpreter } from '../interp/prebuilt.ts';
import type { Traps } from '../interp/traps.ts';
import {
  DECODED_PAGE_SIZE,
  HANDLER_DECODE,
  HANDLER_ENTER,
  HANDLER_PAGE_END,
  HANDLER_UNDEFINED,
  OPS_PER_PAGE,
  OP_IMM,
  OP_SIZE,
} from '../interp/uop.ts';

/** What all vCPUs of a thread share: the instruction table, the handler numbers, the compiled module. */
export interface Interpreter {
  readonly table: DecodeTable;
  readonly plan: HandlerPlan;
  readonly module: WebAssembly.Module;
  /** A module of interp/cold-module.ts, compiled when it is asked for first. */
  readonly coldModule: (number: number) => WebAssembly.Module;
}

/** Compiles the interpreter. @param shared - whether the process memory is shared: that one is built first, 40 ms */
export function createInterpreter(shared: boolean): Interpreter {
  const plan = planAll();
  const module = new WebAssembly.Module(shared ? buildInterpreter(plan, shared) : plainInterpreter(plan));
  const made: WebAssembly.Module[] = [];
  const bytesOf = (number: number): Uint8Array<ArrayBuffer> =>
    shared ? buildColdModule(plan, number, shared) : plainColdModule(number, plan)!;
  const coldModule = (number: number): WebAssembly.Module =>
    (made[number] ??= new WebAssembly.Module(bytesOf(number)));
  return { table: new DecodeTable(INSNS), plan, module, coldModule };
}

/** Whether hot code is compiled, none, or, for tests, all of it before it runs: to stay, or to be dropped for the next. */
export type Tier = 'hot' | 'none' | 'all' | 'evict';

/**
 * What a thread does that compiles for others: see `compiler` of `createKernel`.
 * @returns a function that answers a request
 */
export const createCompiler = (): ((request: CompileRequest) => CompileAnswer) => regionCompiler(planAll());

export interface EngineOptions {
  readonly interpreter: Interpreter;
  readonly words: Words;
  /** Addresses of the vCPU's and its VM's block. */
  readonly vcpu: number;
  readonly vm: number;
  readonly traps: Traps;
  readonly plainSysreg: PlainSysreg;
  /** Absent = `hot`. */
  readonly tier?: Tier;
  /** Who compiles; absent = this thread. */
  readonly compiler?: RegionCompiler;
  /** Nanoseconds of a clock, to tell how long compiling takes; absent = nobody wants to know. */
  readonly now?: () => number;
}

/** What a translation is for. */
export type TranslationKind = 'read' | 'write' | 'fetch';

/** Where a virtual address leads, or the syndrome of the fault that an access would take. */
export type Translation =
  | { readonly gpa: number; readonly user: number | undefined; readonly descriptor: bigint }
  | { readonly syndrome: bigint };

const PURPOSE = { read: TRANSLATE_READ, write: TRANSLATE_WRITE, fetch: TRANSLATE_FETCH } as const;
/** A log this full is emptied before guest code is entered again. */
const LOG_HIGH_WATER = FILL_LOG_CAPACITY - 0x4000;
/** Retired instructions are counted in sixteenths of an i32. */
const MAX_BUDGET = 0x400_0000;
const PAGE = 4096;

type Exports = WebAssembly.ModuleImports &
  Pick<WindowSearchOptions, 'stretch'> & {
    readonly table: WebAssembly.Table;
    run(budget: number): number;
    resume(budget: number): number;
    complete(): number;
    translate(va: bigint, purpose: number): number;
  };

/** How many instructions a direct branch goes forward; 0 = it goes back, or is none. Source: Arm DDI 0487, C4.1. */
function forwardBranch(word: number): number {
  const field = (high: number, low: number): number => (word << (31 - high)) >> (31 - high + low);
  if ((word & 0x7c00_0000) === 0x1400_0000) return Math.max(0, field(25, 0));
  if ((word & 0xff00_0000) >>> 0 === 0x5400_0000) return Math.max(0, field(23, 5));
  if ((word & 0x7e00_0000) === 0x3400_0000) return Math.max(0, field(23, 5));
  if ((word & 0x7e00_0000) === 0x3600_0000) return Math.max(0, field(18, 5));
  return 0;
}

export class Engine {
  /** Instructions retired by the last {@link run}. */
  retired = 0;
  /** Generated code was left because there was no room for the decoded code of another page. */
  #isFull = false;
  /** What CODE_OWNER is when the decoded code is of this engine; at first it never is. */
  #owner = -1;
  /** By decoded page: the instructions that its ops were made of. */
  readonly #sources = new Map<number, Uint32Array>();
  readonly #tlb: Tlb;
  readonly #vcpu: Block;
  readonly #decoder: Decoder;
  readonly #exports: Exports;
  /** What handlers and regions import: the interpreter's exports and imports. */
  readonly #imports: WebAssembly.ModuleImports & { readonly table: WebAssembly.Table };
  readonly #jit: Jit | undefined;

  constructor(options: EngineOptions) {
    const { interpreter, words, vcpu, vm, traps, plainSysreg, tier = 'hot', compiler } = options;
    this.#vcpu = new Block(words, vcpu);
    this.#tlb = new Tlb(this.#vcpu);
    this.#decoder = new Decoder(words, interpreter.table, interpreter.plan, plainSysreg, (number) => {
      // Its functions are in the table by this.
      void new WebAssembly.Instance(interpreter.coldModule(number), { vkvm: this.#imports });
    });
    const global = (value: number): WebAssembly.Global =>
      new WebAssembly.Global({ value: 'i32', mutable: false }, value);
    const imports = {
      memory: words.memory,
      vcpu: global(vcpu),
      vm: global(vm),
      hearsAll: global(traps.hearsAll ? 1 : 0),
      hypercall: (smc: number, immediate: number) => traps.hypercall(smc, immediate),
      sysreg: (word: number) => traps.sysreg(word),
      mmioRead: (access: number) => traps.mmioRead(access),
      mmioWrite: (access: number) => traps.mmioWrite(access),
      openPage: (user: number) => this.#openPageIfRoom(user >>> 0),
      decode: (op: number) => this.#decode(op >>> 0),
      stackMoved: () => this.#stackMoved(),
    };
    const instance = new WebAssembly.Instance(interpreter.module, { vkvm: imports });
    // The module was built by build.ts, which exports exactly these.
    this.#exports = instance.exports as unknown as Exports;
    this.#imports = { ...this.#exports, ...imports };
    if (tier !== 'none') {
      const { translate, stretch } = this.#exports;
      const window = new WindowSearch({
        vcpu: this.#vcpu,
        vm: new Block(words, vm),
        translate,
        stretch,
        dropCode: () => this.#jit?.dropAll(),
      });
      this.#jit = new Jit({
        isEager: tier !== 'hot',
        ...(tier === 'evict' && { maxCost: 0 }),
        compiler,
        now: options.now ?? (() => 0),
        vcpu: this.#vcpu,
        words,
        plan: interpreter.plan,
        imports: this.#imports,
        window,
        pageOf: (op) => this.#pageOf(op),
        pageFrom: (offset) => this.#pageFrom(offset),
        decode: (op) => this.#decode(op),
        isAligned: () => this.#vcpu.get32(REGIME_ALIGNED) !== 0,
        noticesInexact: () => (this.#vcpu.get32(FPSR) & FPSR_IXC) === 0,
      });
    }
  }

  /** Prepares the block of a new vCPU, or of one that begins anew: empty TLBs, no decoded code. */
  format(): void {
    this.#tlb.format();
    this.#vcpu.set64(ZERO_SLOT, 0n);
    this.#vcpu.set64(SINK_SLOT, 0n);
    this.#dropCode();
    this.#vcpu.words.u16[(this.#vcpu.base + ENTRY_OP) >>> 1] = HANDLER_ENTER;
    unpackRegime(this.#vcpu);
    this.contextChanged();
  }

  /**
   * Runs guest code from the pc word on.
   *
   * @param budget - instructions; looked at where code branches back or away, so somewhat more may run
   */
  run(budget: number): Leave {
    const vcpu = this.#vcpu;
    if (!this.#ownsCode()) this.#ownCode();
    if (vcpu.get32(FILL_LOG_GLOBAL) > LOG_HIGH_WATER || vcpu.get32(FILL_LOG_NON_GLOBAL) > LOG_HIGH_WATER) {
      this.#tlb.flush();
    }
    this.#stackMoved();
    const jit = this.#jit;
    if (jit?.isEager) this.#compileAtPc(jit);
    vcpu.set32(OP, vcpu.base + ENTRY_OP);
    const left = Math.min(budget, MAX_BUDGET);
    this.retired = 0;
    for (;;) {
      const slice = this.#slice(left - this.retired);
      const retired = this.#exports.run(slice);
      vcpu.set32(RETIRED_BEFORE, 0);
      this.retired += retired;
      const leave = this.#left();
      const wasOurs = leave === LEAVE_BUDGET && this.#serve(retired >= slice);
      if (!wasOurs || this.retired >= left) return leave;
      vcpu.set32(RETIRED_BEFORE, this.retired);
    }
  }

  /**
   * Completes the access that user space has served and runs on, if nothing else is to be looked at: interp/entry.ts.
   *
   * @returns why guest code was left, unless it was not entered or there is nothing to do about it
   */
  resume(): Resumed {
    if (!this.#ownsCode()) return NOT_RESUMED;
    const slice = this.#jit?.interval ?? MAX_BUDGET;
    const retired = this.#exports.resume(slice);
    if (retired === NOT_RESUMED) return retired;
    this.#jit?.postpone();
    if (retired === STILL_SETTLED) return retired;
    this.retired = retired;
    const leave = this.#left();
    if (leave === LEAVE_BUDGET) this.#serve(retired >= slice);
    return leave;
  }

  /** Finishes the access that user space has served. @returns whether there was one */
  completeAccess(): boolean {
    return this.#exports.complete() !== 0;
  }

  /** Why guest code was left. */
  #left(): Leave {
    const vcpu = this.#vcpu;
    const leave = vcpu.get32(LEAVE) as Leave;
    if (leave === LEAVE_UNDEFINED) vcpu.set32(SCRATCH, this.#wordAt(vcpu.get32(OP)));
    return leave;
  }

  /** How many instructions to run before guest code is left in any case. */
  #slice(left: number): number {
    return this.#jit ? Math.min(left, this.#jit.untilSample()) : left;
  }

  /**
   * Does what guest code was left for, if that was the engine's own affair. It goes on at the same op: the pc is not
   * translated again, so that no guest can tell.
   *
   * @param isSpent - the slice was used up; else somebody may have kicked
   */
  #serve(isSpent: boolean): boolean {
    const vcpu = this.#vcpu;
    const jit = this.#jit;
    if (this.#isFull) {
      this.#dropCode();
      vcpu.set32(OP, vcpu.base + ENTRY_OP);
      return true;
    }
    if (!jit) return false;
    if (vcpu.get32(VISITS) >= VISIT_INTERVAL) {
      vcpu.set32(VISITS, 0);
      jit.visit(vcpu.get32(OP));
      return true;
    }
    if (isSpent && jit.untilSample() === 1) jit.sample(vcpu.get32(OP));
    return isSpent;
  }

  #compileAtPc(jit: Jit): void {
    const op = this.#opAtPc();
    if (op !== undefined) jit.compile(op);
  }

  /**
   * Runs one instruction from the pc word on, or the exception that it is. Stops at the instructions that may come next
   * are decoded as what does not exist, and put back.
   */
  step(): Leave {
    const vcpu = this.#vcpu;
    if (!this.#ownsCode()) this.#ownCode();
    const { u16 } = vcpu.words;
    const op = this.#opAtPc();
    const stops = op === undefined ? [] : this.#stopsAfter(op);
    const before = stops.map((stop) => u16[stop >>> 1]!);
    for (const stop of stops) u16[stop >>> 1] = HANDLER_UNDEFINED;
    const run = (): Leave => this.run(1);
    const leave = op === undefined || !this.#jit ? run() : this.#jit.without(op, run);
    for (const [index, stop] of stops.entries()) {
      // What has been flushed meanwhile is not there any more.
      if (u16[stop >>> 1] === HANDLER_UNDEFINED) u16[stop >>> 1] = before[index]!;
    }
    return leave === LEAVE_UNDEFINED && stops.includes(vcpu.get32(OP)) ? LEAVE_BUDGET : leave;
  }

  /** The instruction at the pc word; undefined where it cannot be fetched. */
  wordAtPc(): number | undefined {
    const op = this.#opAtPc();
    return op === undefined ? undefined : this.#wordAt(op);
  }

  #opAtPc(): number | undefined {
    const vcpu = this.#vcpu;
    const found = this.translate(vcpu.get64(PC), 'fetch');
    if ('syndrome' in found || found.user === undefined) return undefined;
    const { user } = found;
    return this.#openPage(user - (user % PAGE)) + (user % PAGE) * (OP_SIZE / 4);
  }

  /** The op that follows in memory, and the one that a branch goes forward to without a look at the budget. */
  #stopsAfter(op: number): number[] {
    const distance = forwardBranch(this.#wordAt(op));
    const target = op + distance * OP_SIZE;
    const isInPage =
      Math.floor(this.#codeAt(op) / PAGE) === Math.floor((this.#codeAt(op) + 4 * distance) / PAGE);
    return distance > 1 && isInPage ? [op + OP_SIZE, target] : [op + OP_SIZE];
  }

  /** After EL or CPACR_EL1 changed: exception entry and return, reset, KVM_SET_ONE_REG. */
  contextChanged(): void {
    const vcpu = this.#vcpu;
    const el = vcpu.get32(EL);
    vcpu.set32(TLB_BASE, vcpu.base + TLB + el * 2 * TLB_TABLE_SIZE);
    selectWindow(vcpu);
    vcpu.set32(FETCH_BASE, vcpu.base + FETCH_TLB + el * FETCH_TLB_SIZE);
    // CPACR_EL1.FPEN: 0b01 traps EL0 only, 0b11 nothing, the others both. Source: Arm DDI 0487, D24.2.33.
    const fpen = (vcpu.get32(CPACR_EL1) >>> 20) & 3;
    vcpu.set32(FP_TRAP, fpen === 3 || (fpen === 1 && el === 1) ? 0 : 1);
  }

  /** After SCTLR_EL1, TCR_EL1 or TTBRn_EL1 changed. Drops what the change makes wrong. */
  regimeChanged(): void {
    const wasAligned = this.#vcpu.get32(REGIME_ALIGNED);
    const change = unpackRegime(this.#vcpu);
    if (this.#vcpu.get32(REGIME_ALIGNED) !== wasAligned) this.#jit?.dropAll();
    if (change === 'regime') this.#tlb.flush();
    else if (change === 'address space') this.#tlb.flushNonGlobal();
  }

  #stackMoved(): void {
    if (unpackStack(this.#vcpu)) this.#tlb.flush();
  }

  flushTlb(): void {
    this.#tlb.flush();
  }

  /** Entries of non-global mappings: TLBI by ASID. */
  flushTlbNonGlobal(): void {
    this.#tlb.flushNonGlobal();
  }

  /** TLBI by VA. @param va - any address in the page */
  flushTlbVa(va: bigint): void {
    this.#tlb.flushPage(Number((va >> 12n) & 0xfff_ffff_ffffn));
  }

  /**
   * Translates as an access at the current exception level would.
   *
   * @param unprivileged - with EL0's permissions
   */
  translate(va: bigint, kind: TranslationKind, unprivileged = false): Translation {
    const purpose = PURPOSE[kind] | TRANSLATE_PROBE | (unprivileged ? TRANSLATE_UNPRIVILEGED : 0);
    const user = this.#exports.translate(BigInt.asIntN(64, va), purpose) >>> 0;
    if (user === TRANSLATE_FAULT) return { syndrome: this.#vcpu.get64(SYNDROME) };
    return {
      gpa: this.#vcpu.getNumber(FAULT_PA),
      user: user < PAGE ? undefined : user,
      descriptor: this.#vcpu.get64(WALK_LEAF),
    };
  }

  // ---- decoded code

  #decode(op: number): void {
    this.#decoder.decode(op, this.#codeAt(op), this.#sourceOf(this.#pageOf(op)));
  }

  /** The decoded page that an op belongs to. */
  #pageOf(op: number): number {
    const pool = this.#vcpu.base + POOL;
    return pool + Math.floor((op - pool) / DECODED_PAGE_SIZE) * DECODED_PAGE_SIZE;
  }

  /** The decoded page that the fetch TLB has for what lies so many pages from the pc's. */
  #pageFrom(offset: number): number | undefined {
    const vcpu = this.#vcpu;
    const address = BigInt.asUintN(64, ((vcpu.get64(PC) >> 12n) + BigInt(offset)) << 12n);
    const entry = vcpu.get32(FETCH_BASE) + Number((address >> 8n) & 0x3ff0n);
    return vcpu.words.get64(entry) === address ? vcpu.words.get32(entry + 8) : undefined;
  }

  /** User address of an op's instruction. */
  #codeAt(op: number): number {
    const page = this.#pageOf(op);
    return this.#userPageOf(page) + ((op - page) >>> 2);
  }

  #wordAt(op: number): number {
    return this.#vcpu.words.get32(this.#codeAt(op));
  }

  #userPageOf(page: number): number {
    return this.#vcpu.words.get32(page + OPS_PER_PAGE * OP_SIZE + OP_IMM);
  }

  /** The decoded page of a user page, if there is one, and {@link CODE_UNVERIFIED}. */
  #entryOf(user: number): number {
    return this.#vcpu.get32(CODE_MAP + (user >>> 12) * 4);
  }

  #setEntry(user: number, entry: number): void {
    this.#vcpu.set32(CODE_MAP + (user >>> 12) * 4, entry);
  }

  #hasRoom(): boolean {
    return this.#vcpu.get32(POOL_USED) + DECODED_PAGE_SIZE <= this.#vcpu.get32(POOL_LIMIT);
  }

  /** Room is made outside of generated code: regions may wait in it that know where their ops are. */
  #openPageIfRoom(user: number): number {
    this.#isFull = this.#entryOf(user) === 0 && !this.#hasRoom();
    return this.#isFull ? 0 : this.#openPage(user);
  }

  #openPage(user: number): number {
    const vcpu = this.#vcpu;
    const entry = this.#entryOf(user);
    if ((entry & CODE_UNVERIFIED) !== 0) this.#verify(entry - CODE_UNVERIFIED, user);
    if (entry !== 0) return this.#entryOf(user);
    if (!this.#hasRoom()) this.#dropCode();
    const used = vcpu.get32(POOL_USED);
    const page = vcpu.base + POOL + used;
    vcpu.words.u8.fill(0, page, page + OPS_PER_PAGE * OP_SIZE);
    const end = page + OPS_PER_PAGE * OP_SIZE;
    vcpu.words.u16[end >>> 1] = HANDLER_PAGE_END;
    vcpu.words.set32(end + OP_IMM, user);
    this.#setEntry(user, page);
    vcpu.set32(POOL_USED, used + DECODED_PAGE_SIZE);
    return page;
  }

  #sourceOf(page: number): Uint32Array {
    const source = this.#sources.get(page) ?? new Uint32Array(OPS_PER_PAGE);
    this.#sources.set(page, source);
    return source;
  }

  /** Drops what was decoded of instructions that are others now. */
  #verify(page: number, user: number): void {
    const source = this.#sourceOf(page);
    const { u16, u32 } = this.#vcpu.words;
    for (let i = 0; i < OPS_PER_PAGE; i++) {
      const isDecoded = u16[(page + i * OP_SIZE) >>> 1] !== HANDLER_DECODE;
      if (isDecoded && source[i] !== u32[(user >>> 2) + i]) this.#dropOps(page, i, i + 1);
    }
    this.#setEntry(user, page);
  }

  #pages(): { readonly page: number; readonly user: number }[] {
    const count = this.#vcpu.get32(POOL_USED) / DECODED_PAGE_SIZE;
    return Array.from({ length: count }, (_, i) => {
      const page = this.#vcpu.base + POOL + i * DECODED_PAGE_SIZE;
      return { page, user: this.#userPageOf(page) };
    });
  }

  /**
   * Any code may have changed: IC IALLU, IC on another vCPU, a change of memslots, KVM_ARM_VCPU_INIT. Most has not, so a
   * page is compared with what was decoded when it is executed again.
   */
  flushCode(): void {
    for (const { page, user } of this.#pages()) this.#setEntry(user, page | CODE_UNVERIFIED);
    this.#tlb.flushFetch();
  }

  /** What is decoded names entries of this engine's table: it has run the vCPU last. */
  #ownsCode(): boolean {
    return this.#vcpu.get32(CODE_OWNER) === this.#owner;
  }

  /** The vCPU was run by another thread, or never. */
  #ownCode(): void {
    this.#owner = (this.#vcpu.get32(CODE_OWNER) + 1) >>> 0;
    this.#vcpu.set32(CODE_OWNER, this.#owner);
    this.#dropCode();
  }

  /** Drops all decoded code, to make room. */
  #dropCode(): void {
    const vcpu = this.#vcpu;
    for (const { user } of this.#pages()) this.#setEntry(user, 0);
    this.#sources.clear();
    this.#isFull = false;
    vcpu.set32(POOL_USED, 0);
    this.#jit?.dropAll();
    this.#tlb.flushFetch();
  }

  /** Drops the decoded code of a range of user memory: IC IVAU (64 bytes), VKVM_FLUSH_ICACHE. */
  flushCodeRange(userAddress: number, length: number): void {
    this.#vcpu.set32(CODE_MOVED, 1);
    const first = userAddress & ~3;
    const end = userAddress + length;
    for (let from = first >>> 0; from < end; from = (Math.floor(from / PAGE) + 1) * PAGE) {
      const page = this.#entryOf(from);
      if (page === 0 || (page & CODE_UNVERIFIED) !== 0) continue;
      const last = Math.min(end, (Math.floor(from / PAGE) + 1) * PAGE);
      this.#dropOps(page, (from & (PAGE - 1)) >>> 2, (((last - 1) & (PAGE - 1)) >>> 2) + 1);
    }
  }

  /** @param from - index of an op @param to - behind the last one */
  #dropOps(page: number, from: number, to: number): void {
    // The op before may have the handler of a pair, and act on what the first of these ops held.
    const first = Math.max(0, from - 1);
    this.#jit?.drop(page, first, to);
    const { u16 } = this.#vcpu.words;
    for (let index = first; index < to; index++) u16[(page + index * OP_SIZE) >>> 1] = HANDLER_DECODE;
  }
}
