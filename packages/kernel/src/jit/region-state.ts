/** The registers of a region: Wasm locals, loaded where it is entered and written back where it is left. */
import type { F32, F64, Field, Float, FpNeed, I32, I64, Routine, V128, Var } from '../a64/emitter.ts';
import { OP_SIZE } from '../interp/uop.ts';
import { SMALL_HIT_LIMIT } from '../mmu/tlb.ts';
import {
  FPCR,
  FPSR,
  FP_TRAP,
  LIKELY_ENTRY,
  PC_DELTA,
  RUN_PAGE,
  SP_SLOT,
  TLB_BASE,
  V,
  WINDOW_SIZE,
  X,
} from '../state/vcpu-state.ts';
import type { CodeWindow } from '../mmu/window-search.ts';
import type { Code, Local } from '../wasm/code.ts';
import { F32_TYPE, F64_TYPE, I32_TYPE, I64_TYPE, V128_TYPE } from '../wasm/opcode.ts';
import type { OpFacts } from './data-flow.ts';
import { RegionFlags, type FlagSource } from './region-flags.ts';
import { detour, pageOf, type Distances } from './pages.ts';
import type { RegionOp } from './region.ts';
import { copyOf, fieldOf, generalOf, SP_INDEX, vectorOf, type RegisterSet } from './registers.ts';

/** What the code is made for, besides its meaning. */
export interface CodeForm {
  /** Address of the vCPU's block. */
  readonly vcpu: number;
  /** Whether the process memory is shared. */
  readonly shared: boolean;
  /** The process memory has 2 GiB at most. */
  readonly small: boolean;
  /**
   * FPSR.IXC is clear: results are looked at for exactness, because inexact ones must be noticed. Else such instructions
   * are left to the interpreter, which is right for code that makes inexact results: it does so only before the first one.
   */
  readonly asksExactness: boolean;
  /** Accesses must be aligned: REGIME_ALIGNED. */
  readonly aligned: boolean;
  /** The window, if the code may gain by it: mmu/window.ts. */
  readonly window: CodeWindow | undefined;
}

/** What regions call: functions of the interpreter's module. */
export interface RegionImports extends CodeForm {
  /** `(target: i64, counted: i32, depth: i32, expected: i64) → i32`: goes on at a virtual address. @see interp/build.ts */
  readonly jump: number;
  /** `(answer: i32, depth: i32, expected: i64) → i32`: what becomes of a caller whose callee did not return to it. */
  readonly unwind: number;
  /** `(op: i32, acc: i32, depth: i32, expected: i64) → i32`: goes on at an op that is no region. */
  readonly goOn: number;
  /** As {@link goOn}, where a branch leads. */
  readonly visit: number;
  /** `(answer: i32, depth: i32, expected: i64) → i32`: goes on after {@link alone}. */
  readonly settle: number;
  /** The type of regions, `(op: i32, acc: i32, depth: i32, expected: i64) → i32`: see interp/frame.ts. */
  readonly regionType: number;
  /** The least handler number that is a region, and what table index it is. */
  readonly firstRegion: number;
  readonly firstEntry: number;
  readonly stackMoved: number;
  /** Ports: see interp/traps.ts. */
  readonly hypercall: number;
  readonly sysreg: number;
  routineIndex(routine: Routine): number;
  /** `(op: i32) → i32`: an entry's instruction done as the interpreter does it, if it may have to be. */
  aloneAt(index: number): number | undefined;
  /** The function of the region that begins at an op, if it is in this module. */
  functionAt(index: number): number | undefined;
  readonly distances: Distances;
}

/** A scalar in a vector register, all above it 0, that was not put into the register's local. */
interface Scalar {
  readonly bits: 32 | 64;
  readonly local: Local<Float>;
}

/** What the locals say at a point of the code. */
export interface RegionPoint {
  readonly dirty: RegisterSet;
  readonly scalars: readonly (Scalar | undefined)[];
  readonly flagSource: FlagSource | undefined;
  /** Bits of {@link PASSED}. */
  readonly passed: number;
}

/** What has been asked on every way to a point of the code, and was answered by going on. */
export const PASSED = { fp: 1, exact: 2, rounded: 4, fused: 8 } as const;

export const slotOfGeneral = (index: number): number => (index === SP_INDEX ? SP_SLOT : X + 8 * index);

const FLOAT_TYPE = { 32: F32_TYPE, 64: F64_TYPE } as const;

export abstract class RegionState extends RegionFlags {
  /** Stale words in memory, at this point of the code. */
  dirty: RegisterSet = { general: 0, vector: 0, flags: false };
  protected readonly imports: RegionImports;
  protected readonly entry: number;
  /** Parameter: address of the entry op. */
  protected readonly op: Local<I32>;
  /** `ACC + OP` of the interpreter, with OP at the entry. */
  protected readonly fuel: Local<I32>;
  /** Parameter: how many regions wait for this one to return. */
  protected readonly depth: Local<I32>;
  /** Parameter: the address at which a region waits for this one to return; odd = none. */
  protected readonly expected: Local<I64>;
  readonly #general: (Local<I64> | undefined)[] = [];
  readonly #vector: (Local<V128> | undefined)[] = [];
  /** By register and width. */
  readonly #floats: Local<Float>[] = [];
  #scalars: (Scalar | undefined)[] = [];
  /** Bits of {@link PASSED}. */
  passed = 0;
  /** What the condition at hand asks: a bit of {@link PASSED}. */
  protected asked = 0;
  readonly #fpFails = new Map<FpNeed, Local<I32>>();
  protected tlbBase: Local<I32> | undefined;
  protected windowSize: Local<I64> | undefined;
  protected likelyEntry: Local<I64> | undefined;
  protected fpTrap: Local<I32> | undefined;
  protected runPage: Local<I32> | undefined;
  protected pcAtEntry: Local<I64> | undefined;
  /** Number of the entry within the region that control has yet to go to; 0 = none. */
  #entered: Local<I32> | undefined;
  #current: OpFacts | undefined;
  constructor(code: Code, imports: RegionImports, entry: number) {
    super(code, { get: () => code.ops.i32.const(imports.vcpu) });
    this.imports = imports;
    this.entry = entry;
    this.op = code.param<I32>(0);
    this.fuel = code.param<I32>(1);
    this.depth = code.param<I32>(2);
    this.expected = code.param<I64>(3);
  }

  /**
   * @param live - registers to load
   * @param within - those to load besides where the region is entered within; its number is in the low bits of `op`
   */
  begin(
    live: RegisterSet,
    within: RegisterSet | undefined,
    uses: {
      readonly pc: boolean;
      readonly memory: boolean;
      readonly chasing: boolean;
      readonly window: boolean;
      readonly fp: boolean;
      readonly fpNeeds: ReadonlySet<FpNeed>;
      readonly back: boolean;
    },
  ): void {
    const { code, i32, i64 } = this;
    if (within) {
      this.#entered = code.local<I32>(I32_TYPE);
      this.#entered.set(i32.and(this.op.get(), i32.const(OP_SIZE - 1)));
      this.op.set(i32.and(this.op.get(), i32.const(-OP_SIZE)));
      this.ifEntered(() => this.reload(within));
    }
    this.fuel.set(i32.add(this.fuel.get(), this.op.get()));
    const word = (offset: number): Local<I32> => {
      const local = code.local<I32>(I32_TYPE);
      local.set(this.state32(offset));
      return local;
    };
    if (uses.memory) this.tlbBase = word(TLB_BASE);
    if (uses.window) this.windowSize = code.local<I64>(I64_TYPE);
    this.loadWindow();
    if (uses.chasing) {
      this.likelyEntry = code.local<I64>(I64_TYPE);
      this.likelyEntry.set(this.state64(LIKELY_ENTRY));
    }
    if (uses.fp) this.fpTrap = word(FP_TRAP);
    for (const need of uses.fpNeeds) this.#fpFails.set(need, code.local<I32>(I32_TYPE));
    this.loadFpMode();
    if (uses.back && this.imports.shared) this.runPage = word(RUN_PAGE);
    if (uses.pc) {
      this.pcAtEntry = code.local<I64>(I64_TYPE);
      this.pcAtEntry.set(
        i64.add(this.state64(PC_DELTA), i64.extend_i32_u(i32.shr_u(this.op.get(), i32.const(2)))),
      );
    }
    this.reload(live);
  }

  /** Does something if the region was entered at an entry within it, and control has not come there yet. */
  ifEntered(go: (entry: Local<I32>) => void): void {
    const entry = this.#entered!;
    this.code.ifUnlikely(entry.get(), () => go(entry));
  }

  /** Control has come to where the region was entered. */
  isWithin(): void {
    this.#entered?.set(this.i32.const(0));
  }

  protected reload(registers: RegisterSet): void {
    for (let n = 0; n < 32; n++) {
      if ((registers.general >>> n) & 1) this.generalLocal(n).set(this.state64(slotOfGeneral(n)));
      if ((registers.vector >>> n) & 1) {
        this.#vectorLocal(n).set(this.code.load<V128>('v128.load', this.vcpu.get(), V + 16 * n));
      }
    }
    if (registers.flags) this.reloadFlags();
  }

  /** What follows is about this instruction. */
  at(facts: OpFacts): void {
    this.#current = facts;
    const { writesFlags, killsFlags } = facts.op.footprint;
    if (writesFlags && !killsFlags) this.settleFlags(true);
  }

  // ---- what is not yet in its local

  /** What follows is reached from several places, which have settled. @param passed - bits of {@link PASSED} */
  start(dirty: RegisterSet, passed = 0): void {
    this.dirty = dirty;
    this.#scalars = [];
    this.flagSource = undefined;
    this.passed = passed & PASSED.fp;
  }

  keep(): RegionPoint {
    const { dirty, passed, flagSource } = this;
    return { dirty: copyOf(dirty), scalars: [...this.#scalars], flagSource, passed };
  }

  restore({ dirty, scalars, flagSource, passed }: RegionPoint): void {
    this.passed = passed;
    this.dirty = copyOf(dirty);
    this.#scalars = [...scalars];
    this.flagSource = flagSource;
  }

  /** Puts everything into its local. @param flags - they are read where control goes */
  settle(flags: boolean): void {
    for (const [index, scalar] of this.#scalars.entries()) {
      if (scalar) this.#vectorLocal(index).set(this.#widened(scalar));
    }
    this.#scalars = [];
    this.settleFlags(flags);
  }

  /** What follows is come back to, from where the control register may have been written. */
  enterLoop(flags: boolean): void {
    this.settle(flags);
    this.passed &= PASSED.fp;
  }

  protected get facts(): OpFacts {
    return this.#current!;
  }

  protected get index(): number {
    return this.facts.op.index;
  }

  protected get operands(): RegionOp {
    return this.facts.op;
  }

  /** How much further an op lies from the entry than its number says, in bytes. @param page - where it is */
  protected detour(page: number): number {
    return detour(this.imports.distances, pageOf(this.entry), page);
  }

  /** Address of an op. @param page - where it is: the op behind a page is one of it, too */
  protected opAt(index: number, page = pageOf(index)): I32 {
    const { i32 } = this;
    const distance = (index - this.entry) * OP_SIZE + this.detour(page);
    return distance === 0 ? this.op.get() : i32.add(this.op.get(), i32.const(distance));
  }

  /** PC_DELTA of a page. */
  #pcDelta(page: number): I64 {
    const { i32, i64 } = this;
    const ofEntry = i64.sub(this.pcAtEntry!.get(), i64.extend_i32_u(i32.shr_u(this.op.get(), i32.const(2))));
    const detour = this.detour(page);
    return detour === 0 ? ofEntry : i64.add(ofEntry, i64.const(-detour / 4));
  }

  /** Here PC_DELTA is always the entry's. Who goes on elsewhere in another page is told. */
  protected tellPage(page: number): void {
    if (page !== pageOf(this.entry)) this.setState64(PC_DELTA, this.#pcDelta(page));
  }

  /** Sets PC_DELTA after somebody else has run. */
  protected resetPage(): void {
    this.setState64(PC_DELTA, this.#pcDelta(pageOf(this.entry)));
  }

  /** Writes back what changed. */
  protected spill(flags: boolean): void {
    const { code, dirty } = this;
    for (let n = 0; n < 32; n++) {
      if ((dirty.general >>> n) & 1) {
        code.store('i64.store', this.vcpu.get(), this.generalLocal(n).get(), slotOfGeneral(n));
      }
      if ((dirty.vector >>> n) & 1) {
        code.store('v128.store', this.vcpu.get(), this.#vector128(n), V + 16 * n);
      }
    }
    if (dirty.flags && flags) this.storeFlags();
  }

  /** From the entry to the instruction at hand, in bytes of ops. */
  protected distance(): number {
    return (this.index - this.entry) * OP_SIZE;
  }

  // ---- operands

  protected generalLocal(index: number): Local<I64> {
    return (this.#general[index] ??= this.code.local<I64>(I64_TYPE));
  }

  #vectorLocal(index: number): Local<V128> {
    return (this.#vector[index] ??= this.code.local<V128>(V128_TYPE));
  }

  reg(field: Field): I64 {
    const index = generalOf(fieldOf(this.operands, field));
    return index < 0 ? this.i64.const(0) : this.generalLocal(index).get();
  }

  setReg(field: Field, value: I64): void {
    const index = generalOf(fieldOf(this.operands, field));
    if (index < 0) return this.code.drop(value);
    this.generalLocal(index).set(value);
    this.dirty.general |= 1 << index;
  }

  reg32(field: Field): I32 {
    return this.i32.wrap_i64(this.reg(field));
  }

  setReg32(field: Field, value: I32): void {
    this.setReg(field, this.i64.extend_i32_u(value));
  }

  imm(): I64 {
    const { immLow, immHigh } = this.operands;
    if (immHigh === immLow >> 31) return this.i64.const(immLow);
    return this.i64.const((BigInt(immHigh) << 32n) | BigInt(immLow >>> 0));
  }

  imm32(): I32 {
    return this.i32.const(this.operands.immLow);
  }

  immHigh(): I32 {
    return this.i32.const(this.operands.immHigh);
  }

  field(field: Field): I32 {
    return this.i32.const(fieldOf(this.operands, field));
  }

  pc(): I64 {
    return this.pcAt(this.index);
  }

  protected pcAt(index: number): I64 {
    const distance = (index - this.entry) * 4;
    return this.i64.add(this.pcAtEntry!.get(), this.i64.const(distance));
  }

  #vectorOf(field: Field, after = 0): number {
    return vectorOf(fieldOf(this.operands, field), after);
  }

  #setVector(index: number, value: V128): void {
    this.#vectorLocal(index).set(value);
    this.#scalars[index] = undefined;
    this.dirty.vector |= 1 << index;
  }

  #widened({ bits, local }: Scalar): V128 {
    const zeros = this.v128.const(0n, 0n);
    return bits === 64
      ? this.f64x2.replace_lane(zeros, 0, local.get())
      : this.f32x4.replace_lane(zeros, 0, local.get());
  }

  #vector128(index: number): V128 {
    const scalar = this.#scalars[index];
    return scalar ? this.#widened(scalar) : this.#vectorLocal(index).get();
  }

  vec(field: Field): V128 {
    return this.#vector128(this.#vectorOf(field));
  }

  float(field: Field, bits: 32 | 64): Float {
    const scalar = this.#scalars[this.#vectorOf(field)];
    if (scalar?.bits === bits) return scalar.local.get();
    const vector = this.vec(field);
    const float: F32 | F64 =
      bits === 64 ? this.f64x2.extract_lane(vector, 0) : this.f32x4.extract_lane(vector, 0);
    return float as Float;
  }

  setFloat(field: Field, bits: 32 | 64, value: Float): void {
    const index = this.#vectorOf(field);
    const local = (this.#floats[2 * index + (bits >> 6)] ??= this.code.local<Float>(FLOAT_TYPE[bits]));
    local.set(value);
    this.#scalars[index] = { bits, local };
    this.dirty.vector |= 1 << index;
  }

  setVec(field: Field, value: V128): void {
    this.#setVector(this.#vectorOf(field), value);
  }

  vecAfter(field: Field, count: number): V128 {
    return this.#vector128(this.#vectorOf(field, count));
  }

  setVecAfter(field: Field, count: number, value: V128): void {
    this.#setVector(this.#vectorOf(field, count), value);
  }

  vecLow(field: Field): I64 {
    const scalar = this.#scalars[this.#vectorOf(field)];
    if (scalar?.bits === 64) return this.i64.reinterpret_f64(scalar.local.get());
    return this.i64x2.extract_lane(this.vec(field), 0);
  }

  vecLow32(field: Field): I32 {
    const scalar = this.#scalars[this.#vectorOf(field)];
    if (scalar?.bits === 32) return this.i32.reinterpret_f32(scalar.local.get());
    return this.i32x4.extract_lane(this.vec(field), 0);
  }

  setVecLow(field: Field, value: I64): void {
    this.setFloat(field, 64, this.f64.reinterpret_i64(value) as Float);
  }

  setVecLow32(field: Field, value: I32): void {
    this.setFloat(field, 32, this.f32.reinterpret_i32(value) as Float);
  }

  // ---- state words

  stateAtImm(): I64 {
    return this.state64(this.operands.immLow);
  }

  setStateAtImm(value: I64): void {
    this.setState64(this.operands.immLow, value);
  }

  /** Holds for as long as no FPCR or FPSR is written here. What soft float raises in between only makes for more of it. */
  protected loadFpMode(): void {
    for (const [need, local] of this.#fpFails) local.set(super.fpFails(need));
    this.passed &= PASSED.fp;
  }

  /** Holds for as long as the TLB is not flushed. */
  protected loadWindow(): void {
    this.windowSize?.set(this.state64(WINDOW_SIZE));
  }

  override fpFails(need: FpNeed): I32 {
    this.asked = PASSED[need];
    if ((this.passed & this.asked) !== 0) return this.i32.const(0);
    return this.#fpFails.get(need)!.get();
  }

  override setState32(offset: number, value: I32): void {
    super.setState32(offset, value);
    if (offset === FPCR || offset === FPSR) this.loadFpMode();
  }

  routineIndex(routine: Routine): number {
    return this.imports.routineIndex(routine);
  }

  protected isShared(): boolean {
    return this.imports.shared;
  }

  protected tlb(): I32 {
    // What has a window seldom needs it.
    return this.facts.window ? this.state32(TLB_BASE) : this.tlbBase!.get();
  }

  protected override missed(sum: Var<I64>): I32 {
    if (!this.imports.small) return super.missed(sum);
    // A comparison takes this one as it is; the other needs a register.
    return this.i64.ge_u(sum.get(), this.i64.const(SMALL_HIT_LIMIT));
  }
}
