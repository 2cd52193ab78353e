/**
 * An Emitter whose registers are Wasm locals: it makes the body of a compiled region.
 *
 * What an instruction cannot do here it leaves to the interpreter, at the op itself: a TLB miss, a device, a system
 * register, soft float. A definition writes nothing before, so that is always possible, and no slow path lengthens the
 * life of a register. Where a region is left, the registers that changed are written back.
 */
import type { FlagIndex } from '../a64/code-emitter.ts';
import type {
  AccessForm,
  BranchKind,
  Emitter,
  Field,
  I32,
  I64,
  Reach,
  Routine,
  V128,
  Var,
} from '../a64/emitter.ts';
import { COLD_JUMP, COLD_LEAVE, COLD_RETURN } from '../interp/frame.ts';
import { LEAVE_BUDGET, LEAVE_INTERRUPT } from '../interp/leave.ts';
import { formOf, MemoryEmitter, quadForm, STORES } from '../interp/memory-emitter.ts';
import { KICK } from '../interp/handlers.ts';
import { FLAG_OFFSET } from '../interp/operands.ts';
import { OP_SIZE } from '../interp/uop.ts';
import { ACCESS_ORDERED, ACCESS_WRITE } from '../mmu/access.ts';
import { REGIME_STACK_UNALIGNED } from '../mmu/regime.ts';
import {
  ACC,
  EL,
  FP_TRAP,
  INTERRUPT_LINES,
  LEAVE,
  OP,
  PC,
  PC_DELTA,
  RUN_PAGE,
  SP_SLOT,
  TLB_BASE,
  V,
  X,
} from '../state/vcpu-state.ts';
import type { Code, Local } from '../wasm/code.ts';
import { I32_TYPE, I64_TYPE, V128_TYPE } from '../wasm/opcode.ts';
import {
  copyOf,
  fieldOf,
  generalOf,
  SP_INDEX,
  vectorOf,
  type OpFacts,
  type RegisterSet,
} from './data-flow.ts';
import type { RegionOp } from './region.ts';

const onStack = null as never;

/** What regions call: functions of the interpreter's module. */
export interface RegionImports {
  /** Global: address of the vCPU's block. */
  readonly vcpu: number;
  /** `(target: i64, counted: i32, depth: i32) → i32`: goes on at a virtual address. @see emitJump in interp/build.ts */
  readonly jump: number;
  /** The type of regions, `(op: i32, acc: i32, depth: i32) → i32`. */
  readonly regionType: number;
  /** The least handler number that is a region, and what table index it is. */
  readonly firstRegion: number;
  readonly firstEntry: number;
  readonly stackMoved: number;
  readonly kickable: boolean;
  routineIndex(routine: Routine): number;
  /** `(op: i32) → i32`: the entry's instruction done as the interpreter does it; `undefined` if it never has to be. */
  readonly alone: number | undefined;
  /** The function of the region that begins at an op of this page, if it is in this module. */
  functionAt(index: number): number | undefined;
}

/** Calls inside of calls, at most: what is called deeper replaces its caller. */
const MAX_DEPTH = 200;

export const slotOfGeneral = (index: number): number => (index === SP_INDEX ? SP_SLOT : X + 8 * index);

export class RegionEmitter extends MemoryEmitter implements Emitter {
  /** Stale words in memory, at this point of the code. */
  dirty: RegisterSet = { general: 0, vector: 0, flags: false };
  readonly #imports: RegionImports;
  readonly #entry: number;
  /** Parameter: address of the entry op. */
  readonly #op: Local<I32>;
  /** `ACC + OP` of the interpreter, with OP at the entry. */
  readonly #fuel: Local<I32>;
  /** Parameter: how many regions wait for this one to return. */
  readonly #depth: Local<I32>;
  readonly #general: (Local<I64> | undefined)[] = [];
  readonly #vector: (Local<V128> | undefined)[] = [];
  readonly #flags: Local<I64>[] = [];
  #tlb: Local<I32> | undefined;
  #fpTrap: Local<I32> | undefined;
  #runPage: Local<I32> | undefined;
  #pc: Local<I64> | undefined;
  #current: OpFacts | undefined;
  /** What becomes of direct branches: set by the caller, who knows the blocks. */
  follow: (taken: boolean) => void = () => {};

  constructor(code: Code, imports: RegionImports, entry: number) {
    super(code, code.local<I32>(I32_TYPE));
    this.#imports = imports;
    this.#entry = entry;
    this.#op = code.param<I32>(0);
    this.#fuel = code.param<I32>(1);
    this.#depth = code.param<I32>(2);
  }

  // ---- the region's frame

  /** @param live - registers to load */
  begin(
    live: RegisterSet,
    uses: { readonly pc: boolean; readonly memory: boolean; readonly fp: boolean; readonly back: boolean },
  ): void {
    const { code, i32, i64 } = this;
    this.vcpu.set(code.globalGet<I32>(this.#imports.vcpu));
    this.#fuel.set(i32.add(this.#fuel.get(), this.#op.get()));
    const word = (offset: number): Local<I32> => {
      const local = code.local<I32>(I32_TYPE);
      local.set(this.state32(offset));
      return local;
    };
    if (uses.memory) this.#tlb = word(TLB_BASE);
    if (uses.fp) this.#fpTrap = word(FP_TRAP);
    if (uses.back && this.#imports.kickable) this.#runPage = word(RUN_PAGE);
    if (uses.pc) {
      this.#pc = code.local<I64>(I64_TYPE);
      this.#pc.set(
        i64.add(this.state64(PC_DELTA), i64.extend_i32_u(i32.shr_u(this.#op.get(), i32.const(2)))),
      );
    }
    this.#load(live);
  }

  #load(registers: RegisterSet): void {
    for (let n = 0; n < 32; n++) {
      if ((registers.general >>> n) & 1) this.#generalLocal(n).set(this.state64(slotOfGeneral(n)));
      if ((registers.vector >>> n) & 1) {
        this.#vectorLocal(n).set(this.code.load<V128>('v128.load', this.vcpu.get(), V + 16 * n));
      }
    }
    if (registers.flags) {
      FLAG_OFFSET.forEach((offset, i) => this.#flagLocal(i as FlagIndex).set(this.state64(offset)));
    }
  }

  /** What follows is about this instruction. */
  at(facts: OpFacts): void {
    this.#current = facts;
  }

  get #facts(): OpFacts {
    return this.#current!;
  }

  get #index(): number {
    return this.#facts.op.index;
  }

  get #operands(): RegionOp {
    return this.#facts.op;
  }

  /** Address of an op of the page. */
  #opAt(index: number): I32 {
    const { i32 } = this;
    const distance = (index - this.#entry) * OP_SIZE;
    return distance === 0 ? this.#op.get() : i32.add(this.#op.get(), i32.const(distance));
  }

  // ---- leaving

  /** Writes back what changed. */
  #spill(flags: boolean): void {
    const { code, dirty } = this;
    for (let n = 0; n < 32; n++) {
      if ((dirty.general >>> n) & 1) {
        code.store('i64.store', this.vcpu.get(), this.#generalLocal(n).get(), slotOfGeneral(n));
      }
      if ((dirty.vector >>> n) & 1) {
        code.store('v128.store', this.vcpu.get(), this.#vectorLocal(n).get(), V + 16 * n);
      }
    }
    if (dirty.flags && flags) {
      FLAG_OFFSET.forEach((offset, i) =>
        code.store('i64.store', this.vcpu.get(), this.#flagLocal(i as FlagIndex).get(), offset),
      );
    }
  }

  #storeAcc(): void {
    const { i32 } = this;
    this.code.store('i32.store', this.vcpu.get(), this.#acc(), ACC);
  }

  #storeOp(index: number): void {
    this.code.store('i32.store', this.vcpu.get(), this.#opAt(index), OP);
  }

  #answer(value: number): void {
    this.i32.const(value);
    this.code.return();
  }

  /** Goes on at an op of the page, in the interpreter. */
  #toInterpreter(index: number): void {
    this.#storeOp(index);
    this.#storeAcc();
    this.#answer(COLD_JUMP);
  }

  /** Leaves the instruction at hand to the interpreter. @param flags - somebody reads the flags */
  #leaveOp(flags: boolean): void {
    this.#spill(flags);
    const { alone } = this.#imports;
    if (this.#index !== this.#entry || alone === undefined) return this.#toInterpreter(this.#index);
    // The op itself leads back here.
    this.#storeOp(this.#index);
    this.#storeAcc();
    this.code.returnCall(alone, this.#opAt(this.#index));
  }

  #leaveOpIf(_condition: I32): void {
    this.code.if(onStack, () => this.#leaveOp(this.#facts.flagsBefore));
  }

  /** Leaves the instruction at hand to the interpreter in any case. */
  #interpret(): void {
    this.#leaveOp(true);
  }

  /** Leaves guest code with the pc at an op of the page. */
  #leaveGuest(why: number, index: number): void {
    this.#spill(true);
    this.#storeOp(index);
    this.#storeAcc();
    this.setState32(LEAVE, this.i32.const(why));
    this.#answer(COLD_LEAVE);
  }

  /** Goes on at an op of the page that is not of this region: in its region if it has one. */
  chain(index: number): void {
    const { code, i32 } = this;
    this.#spill(true);
    const handler = code.letI32(code.load<I32>('i32.load16_u', this.#opAt(index)));
    const isRegion = i32.ge_u(handler.get(), i32.const(this.#imports.firstRegion));
    code.if(isRegion, () =>
      code.returnCallIndirect(
        this.#imports.regionType,
        [this.#opAt(index), this.#acc(), this.#depth.get()],
        this.#entryOf(handler),
      ),
    );
    this.#toInterpreter(index);
  }

  /** Index in the table of a handler that is a region. */
  #entryOf(handler: Local<I32>): I32 {
    const { firstRegion, firstEntry } = this.#imports;
    return this.i32.sub(handler.get(), this.i32.const(firstRegion - firstEntry));
  }

  #acc(): I32 {
    return this.i32.sub(this.#fuel.get(), this.#op.get());
  }

  // ---- calls

  /** Calls the region at an op of the page, and goes on behind the instruction if it comes back there. */
  #callNear(index: number): void {
    const { code, i32 } = this;
    this.#spill(true);
    const deeper = (): I32 => i32.add(this.#depth.get(), i32.const(1));
    const known = this.#imports.functionAt(index);
    if (known !== undefined) {
      this.#callUnlessDeep(
        () => code.call<I32>(known, this.#opAt(index), this.#acc(), deeper()),
        () => code.returnCall(known, this.#opAt(index), this.#acc(), this.#depth.get()),
      );
      return;
    }
    const handler = code.letI32(code.load<I32>('i32.load16_u', this.#opAt(index)));
    code.if(i32.lt_u(handler.get(), i32.const(this.#imports.firstRegion)), () => this.#toInterpreter(index));
    const { regionType } = this.#imports;
    this.#callUnlessDeep(
      () =>
        code.callIndirect<I32>(
          regionType,
          [this.#opAt(index), this.#acc(), deeper()],
          this.#entryOf(handler),
        ),
      () =>
        code.returnCallIndirect(
          regionType,
          [this.#opAt(index), this.#acc(), this.#depth.get()],
          this.#entryOf(handler),
        ),
    );
  }

  #callFar(target: Local<I64>): void {
    const { code, i32 } = this;
    const { jump } = this.#imports;
    this.#spill(true);
    const counted = (): I32 => i32.add(this.#fuel.get(), i32.const(this.#distance() + OP_SIZE));
    this.#callUnlessDeep(
      () => code.call<I32>(jump, target.get(), counted(), i32.add(this.#depth.get(), i32.const(1))),
      () => code.returnCall(jump, target.get(), counted(), this.#depth.get()),
    );
  }

  /** From the entry to the instruction at hand, in bytes of ops. */
  #distance(): number {
    return (this.#index - this.#entry) * OP_SIZE;
  }

  #callUnlessDeep(call: () => I32, tailCall: () => void): void {
    const { code, i32, i64 } = this;
    code.if(i32.ge_u(this.#depth.get(), i32.const(MAX_DEPTH)), tailCall);
    const answer = code.letI32(call());
    code.if(i32.ne(answer.get(), i32.const(COLD_RETURN)), () => {
      answer.get();
      code.return();
    });
    const target = code.letI64(this.state64(PC));
    const counted = code.letI32(this.state32(ACC));
    const elsewhere = i64.ne(target.get(), this.#pcAt(this.#index + 1));
    const spent = i32.ge_s(counted.get(), i32.const(0));
    code.if(i32.or(elsewhere, spent), () =>
      code.returnCall(this.#imports.jump, target.get(), counted.get(), this.#depth.get()),
    );
    this.#fuel.set(i32.sub(counted.get(), i32.const(this.#distance() + OP_SIZE)));
    this.setState64(
      PC_DELTA,
      i64.sub(this.#pc!.get(), i64.extend_i32_u(i32.shr_u(this.#op.get(), i32.const(2)))),
    );
    this.dirty = { general: 0, vector: 0, flags: false };
    this.#load(this.#facts.reload);
  }

  /** Goes back to the region that waits, or to the interpreter, which both go on at the pc word. */
  #return(target: Local<I64>): void {
    const { i32 } = this;
    this.#spill(true);
    this.code.store('i64.store', this.vcpu.get(), target.get(), PC);
    const counted = this.code.letI32(i32.add(this.#fuel.get(), i32.const(this.#distance() + OP_SIZE)));
    this.code.store('i32.store', this.vcpu.get(), counted.get(), ACC);
    this.#answer(COLD_RETURN);
  }

  /** Accounts for a branch of this region that is taken, and looks at the budget where it goes back. */
  countBranch(to: number): void {
    const { code, i32 } = this;
    const from = this.#index;
    const counted = (1 - (to - from)) * OP_SIZE;
    if (counted !== 0) this.#fuel.set(i32.add(this.#fuel.get(), i32.const(counted)));
    if (to > from) return;
    const spent = i32.ge_s(this.#fuel.get(), i32.const(-(to - this.#entry) * OP_SIZE));
    const leave = this.#runPage
      ? i32.or(spent, code.atomic<I32>('i32.load', this.#runPage.get(), [], KICK))
      : spent;
    code.if(leave, () => this.#leaveGuest(LEAVE_BUDGET, to));
  }

  // ---- operands

  #generalLocal(index: number): Local<I64> {
    return (this.#general[index] ??= this.code.local<I64>(I64_TYPE));
  }

  #vectorLocal(index: number): Local<V128> {
    return (this.#vector[index] ??= this.code.local<V128>(V128_TYPE));
  }

  #flagLocal(index: FlagIndex): Local<I64> {
    return (this.#flags[index] ??= this.code.local<I64>(I64_TYPE));
  }

  reg(field: Field): I64 {
    const index = generalOf(fieldOf(this.#operands, field));
    return index < 0 ? this.i64.const(0) : this.#generalLocal(index).get();
  }

  setReg(field: Field, value: I64): void {
    const index = generalOf(fieldOf(this.#operands, field));
    if (index < 0) return this.code.drop(value);
    this.#generalLocal(index).set(value);
    this.dirty.general |= 1 << index;
  }

  reg32(field: Field): I32 {
    return this.i32.wrap_i64(this.reg(field));
  }

  setReg32(field: Field, value: I32): void {
    this.setReg(field, this.i64.extend_i32_u(value));
  }

  imm(): I64 {
    const { immLow, immHigh } = this.#operands;
    if (immHigh === immLow >> 31) return this.i64.const(immLow);
    return this.i64.const((BigInt(immHigh) << 32n) | BigInt(immLow >>> 0));
  }

  imm32(): I32 {
    return this.i32.const(this.#operands.immLow);
  }

  immHigh(): I32 {
    return this.i32.const(this.#operands.immHigh);
  }

  field(field: Field): I32 {
    return this.i32.const(fieldOf(this.#operands, field));
  }

  pc(): I64 {
    return this.#pcAt(this.#index);
  }

  #pcAt(index: number): I64 {
    const distance = (index - this.#entry) * 4;
    return this.i64.add(this.#pc!.get(), this.i64.const(distance));
  }

  #vectorOf(field: Field, after = 0): number {
    return vectorOf(fieldOf(this.#operands, field), after);
  }

  #setVector(index: number, value: V128): void {
    this.#vectorLocal(index).set(value);
    this.dirty.vector |= 1 << index;
  }

  vec(field: Field): V128 {
    return this.#vectorLocal(this.#vectorOf(field)).get();
  }

  setVec(field: Field, value: V128): void {
    this.#setVector(this.#vectorOf(field), value);
  }

  vecAfter(field: Field, count: number): V128 {
    return this.#vectorLocal(this.#vectorOf(field, count)).get();
  }

  setVecAfter(field: Field, count: number, value: V128): void {
    this.#setVector(this.#vectorOf(field, count), value);
  }

  vecLow(field: Field): I64 {
    return this.i64x2.extract_lane(this.vec(field), 0);
  }

  vecLow32(field: Field): I32 {
    return this.i32x4.extract_lane(this.vec(field), 0);
  }

  setVecLow(field: Field, value: I64): void {
    const low = this.letI64(value);
    this.setVec(field, this.i64x2.replace_lane(this.v128.const(0n, 0n), 0, low.get()));
  }

  setVecLow32(field: Field, value: I32): void {
    const low = this.letI32(value);
    this.setVec(field, this.i32x4.replace_lane(this.v128.const(0n, 0n), 0, low.get()));
  }

  // ---- state and flags

  stateAtImm(): I64 {
    return this.state64(this.#operands.immLow);
  }

  setStateAtImm(value: I64): void {
    this.setState64(this.#operands.immLow, value);
  }

  flag(index: FlagIndex): I64 {
    return this.#flagLocal(index).get();
  }

  setFlags(nz: I64, a: I64, b: I64): void {
    if (!this.#facts.flagsAfter) {
      for (const dead of [b, a, nz]) this.code.drop(dead);
      return;
    }
    this.#flagLocal(2).set(b);
    this.#flagLocal(1).set(a);
    this.#flagLocal(0).set(nz);
    this.dirty.flags = true;
  }

  routineIndex(routine: Routine): number {
    return this.#imports.routineIndex(routine);
  }

  override rarely(condition: I32, _then: () => void, otherwise?: () => void): void {
    this.#leaveOpIf(condition);
    otherwise?.();
  }

  // ---- memory

  protected tlb(): I32 {
    return this.#tlb!.get();
  }

  #place(address: Var<I64>, form: number, bytes: number, single: boolean): Var<I32> {
    const { code, i32 } = this;
    const sum = this.lookup(address, form);
    if (!single) {
      this.#leaveOpIf(i32.eqz(this.hitInPage(sum, bytes)));
    } else if (bytes === 1 || (form & ACCESS_ORDERED) !== 0) {
      this.#leaveOpIf(i32.eqz(this.hitAligned(sum, bytes)));
    } else {
      // Where alignment is demanded there is no entry, so an unaligned hit is as good if it stays in the page.
      code.if(i32.eqz(this.hitAligned(sum, bytes)), () =>
        this.#leaveOpIf(i32.eqz(this.hitInPage(sum, bytes))),
      );
    }
    return code.letI32(i32.wrap_i64(sum.get()));
  }

  protected readable(address: Var<I64>, form: number, bytes: number, single: boolean): Var<I32> {
    return this.#place(address, form, bytes, single);
  }

  protected located(address: Var<I64>, _bytes: number, alignment: number, form: number): Var<I32> {
    return this.#place(address, form | ACCESS_ORDERED, alignment, true);
  }

  store(address: I64, value: I64, form: AccessForm): void {
    const stored = this.code.letI64(value);
    const at = this.code.letI64(address);
    const host = this.#place(at, formOf(form, true, true), 1 << form.size, true);
    this.code.store(STORES[form.size], host.get(), stored.get());
  }

  storePair(address: I64, first: Var<I64>, second: Var<I64>, form: AccessForm): void {
    const at = this.code.letI64(address);
    const host = this.#place(at, formOf(form, true, false), 2 << form.size, false);
    this.storePairAt(host, first, second, form.size);
  }

  storeVec(address: I64, value: V128, loose = false): void {
    const stored = this.code.letV128(value);
    this.#storeVectors(address, [stored], loose);
  }

  storeVecPair(address: I64, first: Var<V128>, second: Var<V128>, loose = false): void {
    this.#storeVectors(address, [first, second], loose);
  }

  #storeVectors(address: I64, values: readonly Var<V128>[], loose: boolean): void {
    const at = this.code.letI64(address);
    const host = this.#place(at, quadForm(loose) | ACCESS_WRITE, 16 * values.length, false);
    this.storeVectorsAt(host, values);
  }

  // ---- control

  branch(reach: Reach, kind: BranchKind): void {
    const { immLow } = this.#operands;
    if (reach === 'far') return this.jump(this.i64.add(this.pc(), this.i64.const(immLow)), kind);
    if (kind === 'jump') return this.follow(true);
    const to = this.#index + (immLow >> 2);
    this.countBranch(to);
    this.#callNear(to);
  }

  branchIf(_condition: I32, reach: Reach): void {
    const dirty = copyOf(this.dirty);
    this.code.if(onStack, () => {
      if (reach === 'far') this.branch(reach, 'jump');
      else this.follow(true);
    });
    this.dirty = dirty;
    this.follow(false);
  }

  jump(target: I64, kind: BranchKind): void {
    if (kind === 'jump') return this.#jump(target, OP_SIZE);
    const to = this.code.letI64(target);
    if (kind === 'call') this.#callFar(to);
    else this.#return(to);
  }

  refetch(): void {
    this.#jump(this.#pcAt(this.#index + 1), OP_SIZE);
  }

  /** Behind the last op of a page the next page begins. */
  pageEnd(): void {
    this.#jump(this.pc(), 0);
  }

  /** @param retired - 16 if the op at hand is an instruction */
  #jump(value: I64, retired: number): void {
    const { i32 } = this;
    const target = this.code.letI64(value);
    this.#spill(true);
    this.code.returnCall(
      this.#imports.jump,
      target.get(),
      i32.add(this.#fuel.get(), i32.const(this.#distance() + retired)),
      this.#depth.get(),
    );
  }

  undefined(): void {
    this.#interpret();
  }

  raise(_exceptionClass: number, iss: I32, _after: boolean): void {
    this.code.drop(iss);
    this.#interpret();
  }

  hypercall(): void {
    this.#interpret();
  }

  systemRegister(): void {
    this.#interpret();
  }

  wait(): void {
    this.#interpret();
  }

  exceptionReturn(): void {
    this.#interpret();
  }

  requireEl1(): void {
    this.#leaveOpIf(this.i32.eqz(this.state32(EL)));
  }

  requireFp(): void {
    this.#leaveOpIf(this.#fpTrap!.get());
  }

  checkInterrupts(): void {
    this.code.if(this.state32(INTERRUPT_LINES), () => this.#leaveGuest(LEAVE_INTERRUPT, this.#index + 1));
  }

  /** SP may have been written: see HandlerEmitter.lookAtStack. */
  lookAtStack(): void {
    const { code, i32 } = this;
    const stack = this.#generalLocal(SP_INDEX);
    const unaligned = i32.ne(i32.and(i32.wrap_i64(stack.get()), i32.const(15)), i32.const(0));
    code.if(i32.ne(unaligned, this.state32(REGIME_STACK_UNALIGNED)), () => {
      code.store('i64.store', this.vcpu.get(), stack.get(), SP_SLOT);
      code.call(this.#imports.stackMoved);
    });
  }
}
