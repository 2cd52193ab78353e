/** The ways out of a region: to the interpreter, to other regions, to what called it. */
import type { I32, I64, Var } from '../a64/emitter.ts';
import { fetchEntry } from '../interp/fetch.ts';
import { COLD_LEAVE, COLD_LEAVE_WITH_PC, COLD_RETURN } from '../interp/frame.ts';
import { KICK } from '../interp/handlers.ts';
import { LEAVE_BUDGET, LEAVE_PORT } from '../interp/leave.ts';
import { OP_SIZE } from '../interp/uop.ts';
import { ACC, LEAVE, OP, PC, WINDOW_MISSES } from '../state/vcpu-state.ts';
import type { Label, Local } from '../wasm/code.ts';
import { I32_TYPE } from '../wasm/opcode.ts';
import { RegionState } from './region-state.ts';
import { pageOf, startOf } from './pages.ts';

const onStack = null as never;

/** Calls inside of calls, at most: what is called deeper replaces its caller. */
const MAX_DEPTH = 200;

export abstract class RegionExits extends RegionState {
  /** Where the instruction at hand is left to the interpreter. */
  #exit: Label | undefined;

  /** What is executed next. @param page - where it is: the op behind a page is one of it, too */
  protected storePlace(index: number, page = pageOf(index)): void {
    this.code.store('i32.store', this.vcpu.get(), this.opAt(index, page), OP);
    this.code.store('i32.store', this.vcpu.get(), this.#acc(page), ACC);
    this.tellPage(page);
  }

  protected answer(value: number): void {
    this.i32.const(value);
    this.code.return();
  }

  /** Goes on at an op in the interpreter. */
  protected toInterpreter(index: number): void {
    this.tellPage(pageOf(index));
    this.code.returnCall(this.imports.goOn, ...this.#parameters(index));
  }

  /** Parameters of what replaces this region. */
  #parameters(index: number): [I32, I32, I32, I64] {
    return [this.opAt(index), this.#acc(pageOf(index)), this.depth.get(), this.expected.get()];
  }

  /** Leaves the instruction at hand to the interpreter. @param flags - somebody reads the flags */
  protected leaveOp(flags: boolean): void {
    this.spill(flags);
    if (this.facts.window === 'leaves') {
      this.setState32(WINDOW_MISSES, this.i32.add(this.state32(WINDOW_MISSES), this.i32.const(1)));
    }
    const alone = this.imports.aloneAt(this.index);
    if (alone === undefined) return this.toInterpreter(this.index);
    // The op itself leads back here.
    this.storePlace(this.index);
    const answer = this.code.call<I32>(alone, this.opAt(this.index));
    this.code.returnCall(this.imports.settle, answer, this.depth.get(), this.expected.get());
  }

  protected leaveOpIf(_condition: I32): void {
    if (this.#exit === undefined) this.code.ifUnlikely(onStack, () => this.leaveOp(this.facts.flagsBefore));
    else this.code.brIfUnlikely(onStack, this.#exit);
  }

  /** Emits an instruction that goes on with the next one; wherever it is left to the interpreter, one piece of code does. */
  withOneExit(emit: () => void): void {
    const { code } = this;
    const before = this.keep();
    const next = code.block();
    this.#exit = code.block();
    emit();
    code.br(next);
    this.#exit = undefined;
    code.end();
    const after = this.keep();
    this.restore(before);
    this.leaveOp(this.facts.flagsBefore);
    this.restore(after);
    code.end();
  }

  /** Leaves the instruction at hand to the interpreter in any case. */
  protected interpret(): void {
    this.leaveOp(true);
  }

  /** Leaves guest code with the pc at an op. @param page - where it is: the op behind a page is one of it, too */
  protected leaveGuest(why: number, index: number, page = pageOf(index)): void {
    this.spill(true);
    this.storePlace(index, page);
    this.code.store('i32.store', this.vcpu.get(), this.i32.const(why), LEAVE);
    this.answer(COLD_LEAVE);
  }

  /** Goes on at an op of the page that is not of this region: in its region if it has one. */
  chain(index: number): void {
    const { code, i32 } = this;
    this.spill(true);
    this.tellPage(pageOf(index));
    const handler = code.letI32(code.load<I32>('i32.load16_u', this.opAt(index)));
    const isRegion = i32.ge_u(handler.get(), i32.const(this.imports.firstRegion));
    code.if(isRegion, () =>
      code.returnCallIndirect(this.imports.regionType, this.#parameters(index), this.#entryOf(handler)),
    );
    code.returnCall(this.imports.visit, ...this.#parameters(index));
  }

  /** Index in the table of a handler that is a region. */
  #entryOf(handler: Local<I32>): I32 {
    const { firstRegion, firstEntry } = this.imports;
    return this.i32.sub(handler.get(), this.i32.const(firstRegion - firstEntry));
  }

  #acc(page: number): I32 {
    const { i32 } = this;
    const acc = i32.sub(this.fuel.get(), this.op.get());
    const detour = this.detour(page);
    return detour === 0 ? acc : i32.sub(acc, i32.const(detour));
  }

  /** Accounts for a branch of this region that is taken, and looks at the budget where it goes back or is RET. */
  countBranch(to: number): void {
    const { i32 } = this;
    const from = this.index;
    const counted = (1 - (to - from)) * OP_SIZE;
    if (counted !== 0) this.fuel.set(i32.add(this.fuel.get(), i32.const(counted)));
    if (pageOf(to) !== pageOf(from)) return; // enterPage does
    if (to <= from || this.operands.footprint.flow.kind === 'jump') this.#stopIfSpent(to);
  }

  /** Goes on in another page, if it still lies there; else to what does. As `jump` it looks at the budget. */
  enterPage(index: number): void {
    const { code, i32, i64 } = this;
    const start = startOf(pageOf(index));
    const entry = fetchEntry(code, this.vcpu, () => this.pcAt(start));
    const moved = i32.or(
      i64.ne(code.load<I64>('i64.load', entry.get()), this.pcAt(start)),
      i32.ne(code.load<I32>('i32.load', entry.get(), 8), this.opAt(start)),
    );
    code.ifUnlikely(moved, () => this.jumpTo(index));
    this.#stopIfSpent(index);
  }

  /** Goes on at an op's address, whatever lies there. */
  jumpTo(index: number): void {
    const { i32 } = this;
    this.spill(true);
    this.code.returnCall(
      this.imports.jump,
      this.pcAt(index),
      i32.add(this.fuel.get(), i32.const((index - this.entry) * OP_SIZE)),
      this.depth.get(),
      this.expected.get(),
    );
  }

  #stopIfSpent(to: number): void {
    const { code } = this;
    const goOn = code.block();
    const leave = code.block();
    this.leaveIfSpent(this.fuel, -(to - this.entry) * OP_SIZE, leave);
    code.br(goOn);
    code.end();
    this.leaveGuest(LEAVE_BUDGET, to);
    code.end();
  }

  /** Branches if the budget is used up, or somebody kicks. */
  protected leaveIfSpent(counted: Var<I32>, limit: number, leave: Label): void {
    const { code, i32 } = this;
    code.brIfUnlikely(i32.ge_s(counted.get(), i32.const(limit)), leave);
    // Not atomic, which would cost a check of the bounds: a kick that is seen late is seen where the budget ends.
    if (this.runPage) code.brIfUnlikely(code.load<I32>('i32.load', this.runPage.get(), KICK), leave);
  }

  /** ACC + OP behind the instruction at hand, wherever it branches to. @param retired - 16 if it is an instruction */
  protected countTo(retired: number): Local<I32> {
    return this.code.letI32(this.i32.add(this.fuel.get(), this.i32.const(this.distance() + retired)));
  }

  // ---- ports and calls

  /** Calls a port, which may read and write every register. @param index - of the op that the pc is at meanwhile */
  protected callPort(index: number, call: () => I32): void {
    const { code } = this;
    this.spill(true);
    this.storePlace(index, pageOf(this.index));
    this.setState64(PC, this.pcAt(index));
    code.if(call(), () => {
      this.setState32(LEAVE, this.i32.const(LEAVE_PORT));
      this.answer(COLD_LEAVE_WITH_PC);
    });
    if (pageOf(this.index) !== pageOf(this.entry)) this.resetPage();
    this.comeBack();
  }

  /** Goes on where all registers are in memory. */
  protected comeBack(): void {
    this.start({ general: 0, vector: 0, flags: false });
    this.reload(this.facts.reload);
    this.loadFpMode();
    this.loadWindow();
  }

  /** Calls the region at an op of the page, and goes on behind the instruction if it comes back there. */
  protected callNear(index: number): void {
    const { code, i32 } = this;
    this.spill(true);
    this.tellPage(pageOf(index));
    const deeper = (): I32 => i32.add(this.depth.get(), i32.const(1));
    const parameters = (): [I32, I32, I32, I64] => [
      this.opAt(index),
      this.#acc(pageOf(index)),
      deeper(),
      this.#after(),
    ];
    const known = this.imports.functionAt(index);
    if (known !== undefined) {
      this.#callUnlessDeep(
        () => code.call<I32>(known, ...parameters()),
        () => code.returnCall(known, ...this.#parameters(index)),
      );
      return;
    }
    const { regionType, firstRegion, visit } = this.imports;
    const handler = code.letI32(code.load<I32>('i32.load16_u', this.opAt(index)));
    const answer = code.scoped<I32>(I32_TYPE);
    this.#callUnlessDeep(
      () => {
        code.if(
          i32.ge_u(handler.get(), i32.const(firstRegion)),
          () => answer.set(code.callIndirect<I32>(regionType, parameters(), this.#entryOf(handler))),
          () => answer.set(code.call<I32>(visit, ...parameters())),
        );
        return answer.get();
      },
      () => this.chain(index),
    );
  }

  protected callFar(target: Local<I64>): void {
    const { code, i32 } = this;
    const { jump } = this.imports;
    this.spill(true);
    const counted = this.countTo(OP_SIZE);
    this.#callUnlessDeep(
      () =>
        code.call<I32>(
          jump,
          target.get(),
          counted.get(),
          i32.add(this.depth.get(), i32.const(1)),
          this.#after(),
        ),
      () => code.returnCall(jump, target.get(), counted.get(), this.depth.get(), this.expected.get()),
    );
  }

  #callUnlessDeep(call: () => I32, tailCall: () => void): void {
    const { code, i32 } = this;
    code.ifUnlikely(i32.ge_u(this.depth.get(), i32.const(MAX_DEPTH)), tailCall);
    const answer = code.letI32(call());
    code.ifUnlikely(i32.ge_s(answer.get(), i32.const(0)), () =>
      code.returnCall(this.imports.unwind, answer.get(), this.depth.get(), this.expected.get()),
    );
    this.fuel.set(i32.sub(answer.get(), i32.const(this.distance() + OP_SIZE)));
    this.resetPage();
    this.comeBack();
  }

  /** Where a call that stands here comes back. */
  #after(): I64 {
    return this.pcAt(this.index + 1);
  }

  /** Goes back to the region that waits, if it waits for that and the budget lasts; else by way of the interpreter. */
  protected returnTo(target: Local<I64>): void {
    const { code, i32, i64 } = this;
    this.spill(true);
    const counted = this.countTo(OP_SIZE);
    const isExpected = i64.eq(target.get(), this.expected.get());
    code.if(isExpected, () =>
      code.if(i32.lt_s(counted.get(), i32.const(0)), () => {
        counted.get();
        code.return();
      }),
    );
    code.store('i64.store', this.vcpu.get(), target.get(), PC);
    code.store('i32.store', this.vcpu.get(), counted.get(), ACC);
    this.answer(COLD_RETURN);
  }
}
