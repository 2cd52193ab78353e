/**
 * An Emitter whose registers are Wasm locals: it makes the body of a compiled region.
 *
 * What an instruction cannot do here it leaves to the interpreter, at the op itself: a TLB miss, a device, a system
 * register, soft float. A definition writes nothing before, so that is always possible, and no slow path lengthens the
 * life of a register. Where a region is left, the registers that changed are written back.
 */
import type { AccessForm, BranchKind, Emitter, Float, I32, I64, Reach, V128, Var } from '../a64/emitter.ts';
import { NOWHERE } from '../interp/frame.ts';
import { LEAVE_INTERRUPT } from '../interp/leave.ts';
import { elementSize, formOf, quadForm, STORES } from '../interp/memory-emitter.ts';
import { FORM_UNPRIVILEGED, FORM_ZERO_BLOCK } from '../interp/slow-path.ts';
import { OP_SIZE } from '../interp/uop.ts';
import { ACCESS_ORDERED, ACCESS_WRITE } from '../mmu/access.ts';
import { REGIME_STACK_UNALIGNED } from '../mmu/regime.ts';
import { CODE_MOVED, EL, INTERRUPT_LINES, SP_SLOT } from '../state/vcpu-state.ts';
import { comesBack } from './footprint.ts';
import { RegionExits } from './region-exits.ts';
import { pageOf } from './pages.ts';
import type { Block } from './region.ts';
import type { CodeWindow } from '../mmu/window-search.ts';
import type { Label, Local } from '../wasm/code.ts';
import { I64_TYPE } from '../wasm/opcode.ts';
import { PASSED } from './region-state.ts';
import { SP_INDEX } from './registers.ts';

const onStack = null as never;

/** Instructions from the first case of a `switch` to behind the last, which are in the order of their addresses. */
export const placesOf = (cases: readonly Block[]): number => cases.at(-1)!.first - cases[0]!.first + 1;

export class RegionEmitter extends RegionExits implements Emitter {
  /** What becomes of direct branches: set by the caller, who knows the blocks. */
  follow: (taken: boolean) => void = () => {};
  /** Where the inlined function at hand returns to. */
  returnIndex: number | undefined;
  /** The instruction at hand branches to an op of the pages at hand. */
  isLocal = false;
  /** Where the branch at hand may go that goes to a register, and what goes there: set by the caller, too. */
  cases: readonly Block[] = [];
  followCase: (place: Var<I32>, otherwise: Label) => void = () => {};
  /** Goes to what is inlined for a call through a register, one of `cases`: set by the caller, too. */
  followCall: (callee: Block) => void = () => {};
  /** The branch at hand is done by a block of its own, for others as well. */
  dispatches = false;
  /** Where such a branch goes. */
  #target: Local<I64> | undefined;

  override rarely(conditions: readonly (() => I32)[], _then: () => void, otherwise?: () => void): void {
    for (const condition of conditions) {
      this.asked = 0;
      this.leaveOpIf(condition());
      this.passed |= this.asked;
    }
    otherwise?.();
  }

  override if(condition: I32, then: () => void, otherwise?: () => void): void {
    // What is asked in there is not asked on the other way.
    const { passed } = this;
    const branch = (body: () => void) => (): void => {
      body();
      this.passed = passed;
    };
    super.if(condition, branch(then), otherwise && branch(otherwise));
  }

  override unlessRounded(isInexact: () => I32, then: () => void): void {
    if (!this.imports.asksExactness) return super.unlessRounded(isInexact, then);
    this.if(this.fpFails('rounded'), () => this.rarely([() => this.fpFails('fused'), isInexact], then));
  }

  // ---- memory

  /** The place of an access in memory; if it has none, or faults, the op is left. */
  #place(address: Var<I64>, form: number, bytes: number): Var<I32> {
    const { window } = this.imports;
    const isOpen = window && this.facts.window && (form & FORM_UNPRIVILEGED) === 0;
    return isOpen ? this.#inWindow(window, address, form, bytes) : this.#byEntry(address, form, bytes);
  }

  /** What is outside of the window is seldom meant. */
  #inWindow({ start, host }: CodeWindow, address: Var<I64>, form: number, bytes: number): Var<I32> {
    const { code, i32, i64 } = this;
    const offset = code.letI64(i64.sub(address.get(), i64.const(start)));
    const place = code.letI32(i32.add(i32.wrap_i64(offset.get()), i32.const(host)));
    const isOutside = i64.ge_u(offset.get(), this.windowSize!.get());
    if (this.facts.window === 'leaves') this.leaveOpIf(isOutside);
    else code.ifUnlikely(isOutside, () => this.#findOutside(place, address, form, bytes));
    this.#requireAlignment(place, form, bytes);
    return place;
  }

  /** @returns what the access must be aligned to, and is from here on; 0 = to nothing */
  #requireAlignment(place: Var<I32>, form: number, bytes: number): number {
    const { i32 } = this;
    const { aligned } = this.imports;
    if (aligned && (form & FORM_ZERO_BLOCK) !== 0) {
      this.leaveOpIf(i32.const(1)); // Device memory refuses it
      return bytes;
    }
    const isOrdered = (form & ACCESS_ORDERED) !== 0;
    if (!aligned && !isOrdered) return 0;
    const element = isOrdered ? bytes : elementSize(form);
    if (element > 1) this.leaveOpIf(i32.and(place.get(), i32.const(element - 1)));
    return element;
  }

  /** 1 if an access leaves the page that it begins in. */
  #crosses(place: Var<I32>, bytes: number): I32 {
    const { i32 } = this;
    return i32.gt_u(i32.and(place.get(), i32.const(4095)), i32.const(4096 - bytes));
  }

  #findOutside(place: Local<I32>, address: Var<I64>, form: number, bytes: number): void {
    const { i32 } = this;
    const sum = this.lookup(address, form);
    place.set(i32.wrap_i64(sum.get()));
    this.leaveOpIf(bytes === 1 ? this.missed(sum) : i32.or(this.missed(sum), this.#crosses(place, bytes)));
  }

  /** A branch for each question: V8 fuses a comparison with its branch, but not the conjunction of two. */
  #byEntry(address: Var<I64>, form: number, bytes: number): Var<I32> {
    const { code, i32 } = this;
    const sum = this.lookup(address, form, this.#near(address, bytes));
    this.leaveOpIf(this.missed(sum));
    const host = code.letI32(i32.wrap_i64(sum.get()));
    const leavePage = (): void => this.leaveOpIf(this.#crosses(host, bytes));
    const alignment = this.#requireAlignment(host, form, bytes);
    if (alignment > 0) {
      if (bytes > alignment) leavePage();
    } else if (bytes > 1) {
      // Larger ones are seldom aligned to all their size, but on the stack.
      const mayBeAligned = bytes <= 8 || (bytes === 16 && this.operands.b === SP_SLOT);
      // An unaligned access is as good if it stays in the page.
      if (mayBeAligned) code.ifUnlikely(i32.and(host.get(), i32.const(bytes - 1)), leavePage);
      else leavePage();
    }
    return host;
  }

  /** A branch, which is predicted, in place of the entry, which would be waited for. */
  protected override guessed(entry: I64): I64 {
    const { code } = this;
    if (!this.facts.isChasing || this.facts.window) return entry;
    const found = code.letI64(entry);
    const guess = code.letI64(this.likelyEntry!.get());
    code.ifUnlikely(this.i64.ne(found.get(), guess.get()), () => guess.set(found.get()));
    return guess.get();
  }

  /** An address of the same page that is known earlier, if there is one. */
  #near(address: Var<I64>, bytes: number): Var<I64> {
    const { code, i32 } = this;
    const { tableReach } = this.facts;
    if (tableReach === undefined) return address;
    const base = code.letI64(this.reg('b'));
    const offset = i32.and(i32.wrap_i64(base.get()), i32.const(4095));
    code.ifUnlikely(i32.gt_u(offset, i32.const(4096 - tableReach - bytes)), () => base.set(address.get()));
    return base;
  }

  protected readable(address: Var<I64>, form: number, bytes: number): Var<I32> {
    return this.#place(address, form, bytes);
  }

  protected located(address: Var<I64>, _bytes: number, alignment: number, form: number): Var<I32> {
    return this.#place(address, form | ACCESS_ORDERED, alignment);
  }

  store(address: I64, value: I64, form: AccessForm): void {
    const stored = this.code.letI64(value);
    const at = this.code.letI64(address);
    const host = this.#place(at, formOf(form, true, true), 1 << form.size);
    this.code.store(STORES[form.size], host.get(), stored.get());
  }

  storeFloat(address: I64, bits: 32 | 64, value: Float): void {
    const { code } = this;
    const stored = bits === 64 ? code.letF64(value) : code.letF32(value);
    const at = code.letI64(address);
    const host = this.#place(at, formOf({ size: bits === 64 ? 3 : 2 }, true, true), bits / 8);
    code.store(`f${bits}.store`, host.get(), stored.get());
  }

  storePair(address: I64, first: Var<I64>, second: Var<I64>, form: AccessForm): void {
    const at = this.code.letI64(address);
    const host = this.#place(at, formOf(form, true, false), 2 << form.size);
    this.storePairAt(host, first, second, form.size);
  }

  protected storeVectors(address: I64, values: readonly Var<V128>[], loose: boolean): void {
    const at = this.code.letI64(address);
    const host = this.#place(at, quadForm(loose) | ACCESS_WRITE, 16 * values.length);
    this.storeVectorsAt(host, values);
  }

  // ---- control

  branch(reach: Reach, kind: BranchKind): void {
    const { immLow } = this.operands;
    if (reach === 'far' && !this.isLocal)
      return this.jump(this.i64.add(this.pc(), this.i64.const(immLow)), kind);
    // An inlined call is a jump, too.
    if (!comesBack(this.operands.footprint)) return this.follow(true);
    const to = this.index + (immLow >> 2);
    this.countBranch(to);
    this.callNear(to);
  }

  branchIf(_condition: I32, reach: Reach): void {
    const before = this.keep();
    this.code.if(onStack, () => this.branch(reach, 'jump'));
    this.restore(before);
    this.follow(false);
  }

  jump(target: I64, kind: BranchKind): void {
    const to = this.code.letI64(target);
    if (kind === 'call') this.#call(to);
    else if (kind === 'return') this.#return(to);
    else if (this.dispatches) this.#goToDispatch(to);
    else this.#jump(to, this.countTo(OP_SIZE));
  }

  /** Calls one of the inlined functions if it is that, else any. */
  #call(target: Local<I64>): void {
    const { code, i64 } = this;
    for (const callee of this.cases) {
      const before = this.keep();
      code.if(i64.eq(target.get(), this.pcAt(callee.first)), () => this.followCall(callee));
      this.restore(before);
    }
    this.callFar(target);
  }

  #goToDispatch(target: Local<I64>): void {
    this.#target ??= this.code.local<I64>(I64_TYPE);
    this.#target.set(target.get());
    this.fuel.set(this.countTo(OP_SIZE).get());
    this.follow(true);
  }

  /** What comes from there is done here. */
  dispatch(): void {
    this.#jump(this.#target!, this.code.letI32(this.fuel.get()));
  }

  refetch(): void {
    // What was changed before this is in effect from here on: also where somebody waits.
    this.code.if(this.state32(CODE_MOVED), () => this.expected.set(this.i64.const(NOWHERE)));
    this.jump(this.pcAt(this.index + 1), 'jump');
  }

  #jump(target: Var<I64>, counted: Var<I32>): void {
    if (this.cases.length > 0) this.#toCase(target, counted);
    this.spill(true);
    this.code.returnCall(
      this.imports.jump,
      target.get(),
      counted.get(),
      this.depth.get(),
      this.expected.get(),
    );
  }

  #return(target: Local<I64>): void {
    if (this.returnIndex === undefined) return this.returnTo(target);
    this.code.ifUnlikely(this.i64.ne(target.get(), this.pcAt(this.returnIndex)), () => this.returnTo(target));
    this.follow(true);
  }

  /** Goes to a case of the region, if the target is one and nobody wants guest code to be left. */
  #toCase(target: Var<I64>, counted: Var<I32>): void {
    const { code, i32, i64, cases } = this;
    const { first } = cases[0]!;
    const before = this.keep();
    const otherwise = code.block();
    this.leaveIfSpent(counted, 0, otherwise);
    // A target that is unaligned or of another page becomes a number too large for a place.
    const distance = i64.rotr(i64.sub(target.get(), this.pcAt(first)), i64.const(2));
    const far = code.letI64(distance);
    code.brIfUnlikely(i64.ge_u(far.get(), i64.const(placesOf(cases))), otherwise);
    const place = code.letI32(i32.wrap_i64(far.get()));
    const base = i32.sub(counted.get(), i32.const((first - this.entry) * OP_SIZE));
    this.fuel.set(i32.sub(base, i32.shl(place.get(), i32.const(4))));
    this.followCase(place, otherwise);
    code.end();
    this.restore(before);
  }

  undefined(): void {
    this.interpret();
  }

  raise(_exceptionClass: number, iss: I32, _after: boolean): void {
    this.code.drop(iss);
    this.interpret();
  }

  hypercall(conduit: 'hvc' | 'smc'): void {
    const { i32, code, imports } = this;
    // The pc is after it when the port is called.
    this.callPort(this.index + 1, () =>
      code.call<I32>(imports.hypercall, i32.const(conduit === 'smc' ? 1 : 0), this.imm32()),
    );
  }

  systemRegister(): void {
    if (this.facts.op.footprint.flow.kind !== 'port') return this.interpret();
    this.callPort(this.index, () => this.code.call<I32>(this.imports.sysreg, this.imm32()));
  }

  systemInstruction(): void {
    this.interpret();
  }

  wait(): void {
    this.interpret();
  }

  exceptionReturn(): void {
    this.interpret();
  }

  requireEl1(): void {
    this.leaveOpIf(this.i32.eqz(this.state32(EL)));
  }

  requireFp(): void {
    if ((this.passed & PASSED.fp) !== 0) return;
    this.leaveOpIf(this.fpTrap!.get());
    this.passed |= PASSED.fp;
  }

  checkInterrupts(): void {
    this.code.if(this.state32(INTERRUPT_LINES), () =>
      this.leaveGuest(LEAVE_INTERRUPT, this.index + 1, pageOf(this.index)),
    );
  }

  /** SP may have been written: see HandlerEmitter.lookAtStack. */
  lookAtStack(): void {
    const { code, i32 } = this;
    const stack = this.generalLocal(SP_INDEX);
    const unaligned = i32.ne(i32.and(i32.wrap_i64(stack.get()), i32.const(15)), i32.const(0));
    code.ifUnlikely(i32.ne(unaligned, this.state32(REGIME_STACK_UNALIGNED)), () => {
      code.store('i64.store', this.vcpu.get(), stack.get(), SP_SLOT);
      code.call(this.imports.stackMoved);
      this.loadWindow();
    });
  }
}
