/**
 * An Emitter whose operands come out of the decoded op: it makes the interpreter's handlers.
 *
 * A *hot* handler stands in the dispatch loop and keeps the machine in locals; a *cold* one is a function that the
 * loop calls with everything in the state words. Both come from the same definitions.
 */
import {
  EC,
  type BranchKind,
  type Emitter,
  type I32,
  type I64,
  type Known,
  type Reach,
  type Routine,
  type Var,
} from '../a64/emitter.ts';
import { REGIME_STACK_UNALIGNED } from '../mmu/regime.ts';
import {
  ACC,
  CODE_MOVED,
  EL,
  FP_TRAP,
  INTERPRETED,
  INTERRUPT_LINES,
  LEAVE,
  OP,
  PC,
  RUN_PAGE,
  SP_SLOT,
  SYNDROME,
} from '../state/vcpu-state.ts';
import type { Code } from '../wasm/code.ts';
import { enterTarget } from './fetch.ts';
import { COLD_JUMP, COLD_LEAVE, COLD_LEAVE_WITH_PC, COLD_NEXT, NOWHERE, type LoopFrame } from './frame.ts';
import {
  LEAVE_BUDGET,
  LEAVE_ERET,
  LEAVE_EXCEPTION,
  LEAVE_INTERRUPT,
  LEAVE_PORT,
  LEAVE_UNDEFINED,
  LEAVE_WFE,
  LEAVE_WFI,
} from './leave.ts';
import { SlowMemoryEmitter } from './memory.ts';
import { FLAG_OFFSET } from './operands.ts';
import { OP_IMM, OP_SIZE, TARGET_BITS } from './uop.ts';

/** Offset of the kick word in the kvm_run page. */
export const KICK = 0xff8;
/** ISS of a trapped FP access: CV, COND = always. Source: Arm DDI 0487, D24.2.40. */
const FP_ACCESS_ISS = (1 << 24) | (0xe << 20);

/** Describes a trap of FP and AdvSIMD for a cold handler, and gives its answer. Operand: the op. */
const TRAP_FP: Routine<readonly ['i32'], 'i32'> = {
  name: 'trap_fp',
  params: ['i32'],
  result: 'i32',
  emit: (c, op) => {
    c.setState64(SYNDROME, c.i64.const((EC.FP_ACCESS << 26) | (1 << 25) | FP_ACCESS_ISS));
    c.setState32(LEAVE, c.i32.const(LEAVE_EXCEPTION));
    c.setState32(OP, op.get());
    return c.i32.const(COLD_LEAVE);
  },
};

/** Adds to what the interpreter has retired, times 16. */
export function countInterpreted(code: Code, vcpu: Known<I32>, retired: () => I32): void {
  const { i32 } = code.ops;
  const before = code.load<I32>('i32.load', vcpu.get(), INTERPRETED);
  const sum = code.letI32(i32.add(before, retired()));
  code.store('i32.store', vcpu.get(), sum.get(), INTERPRETED);
}

export class HandlerEmitter extends SlowMemoryEmitter implements Emitter {
  /** Goes on with the next op. Every handler that does not end by itself ends with this. */
  next(): void {
    if (this.frame) {
      this.frame.op.set(this.i32.add(this.op.get(), this.i32.const(OP_SIZE)));
      this.code.br(this.frame.next);
    } else {
      this.i32.const(COLD_NEXT);
    }
  }

  /** Leaves guest code. @param why - written to LEAVE unless the callee has done so */
  protected leave(why?: number): void {
    if (why !== undefined) this.setState32(LEAVE, this.i32.const(why));
    if (this.frame) {
      this.code.br(this.frame.leave);
    } else {
      this.setState32(OP, this.op.get());
      this.i32.const(COLD_LEAVE);
      this.code.return();
    }
  }

  #leaveWithPc(): void {
    if (this.frame) {
      this.code.br(this.frame.leaveWithPc);
    } else {
      this.i32.const(COLD_LEAVE_WITH_PC);
      this.code.return();
    }
  }

  /** The op at hand is done; what follows is about the next one. */
  skip(): void {
    this.op.set(this.i32.add(this.op.get(), this.i32.const(OP_SIZE)));
  }

  undefined(): void {
    this.leave(LEAVE_UNDEFINED);
  }

  raise(exceptionClass: number, iss: I32, after: boolean): void {
    const { i32, i64 } = this;
    const syndrome = i32.or(iss, i32.const((exceptionClass << 26) | (1 << 25)));
    this.setState64(SYNDROME, i64.extend_i32_u(syndrome));
    if (after) this.skip();
    this.leave(LEAVE_EXCEPTION);
  }

  requireEl1(): void {
    this.code.if(this.i32.eqz(this.state32(EL)), () => this.undefined());
  }

  requireFp(): void {
    this.code.if(this.state32(FP_TRAP), () => {
      if (this.frame) return this.raise(EC.FP_ACCESS, this.i32.const(FP_ACCESS_ISS), false);
      // Most handlers have this: so it is a call.
      this.call(TRAP_FP, this.op.get());
      this.code.return();
    });
  }

  wait(kind: 'wfi' | 'wfe'): void {
    this.skip();
    this.leave(kind === 'wfi' ? LEAVE_WFI : LEAVE_WFE);
  }

  exceptionReturn(): void {
    this.leave(LEAVE_ERET);
  }

  checkInterrupts(): void {
    this.code.if(this.state32(INTERRUPT_LINES), () => {
      this.skip();
      this.leave(LEAVE_INTERRUPT);
    });
  }

  /** Brings every state word up to date: a port may read them. */
  #sync(): void {
    const frame = this.frame;
    this.setState32(OP, this.op.get());
    this.setState64(PC, this.pc());
    if (!frame) return;
    this.setState32(ACC, frame.acc.get());
    this.#storeFlags(frame);
  }

  #storeFlags({ flags }: LoopFrame): void {
    for (const index of [0, 1, 2] as const) this.setState64(FLAG_OFFSET[index], flags[index].get());
  }

  #reloadFlags(): void {
    const frame = this.frame;
    if (!frame) return;
    for (const index of [0, 1, 2] as const) frame.flags[index].set(this.state64(FLAG_OFFSET[index]));
  }

  /** After a port: "leave" goes with the pc that the port has left. */
  #portAnswer(answer: I32): void {
    this.code.if(answer, () => {
      this.setState32(LEAVE, this.i32.const(LEAVE_PORT));
      this.#reloadFlags();
      this.#leaveWithPc();
    });
    this.#reloadFlags();
  }

  hypercall(conduit: 'hvc' | 'smc'): void {
    const immediate = this.code.letI32(this.imm32());
    this.skip();
    this.#sync();
    const smc = this.i32.const(conduit === 'smc' ? 1 : 0);
    this.#portAnswer(this.code.call<I32>(this.imports.hypercall, smc, immediate.get()));
    // The op was stepped before the call.
    this.#continueAtOp();
  }

  systemRegister(): void {
    this.#sync();
    this.#portAnswer(this.code.call<I32>(this.imports.sysreg, this.imm32()));
  }

  systemInstruction(): void {
    this.systemRegister();
  }

  #continueAtOp(): void {
    if (this.frame) {
      this.code.br(this.frame.next);
    } else {
      this.setState32(OP, this.op.get());
      this.#setAcc(this.state32(ACC));
      this.i32.const(COLD_JUMP);
      this.code.return();
    }
  }

  #acc(): I32 {
    return this.frame ? this.frame.acc.get() : this.state32(ACC);
  }

  #setAcc(value: I32): void {
    if (this.frame) this.frame.acc.set(value);
    else this.setState32(ACC, value);
  }

  /**
   * Leaves if the budget is used up or somebody kicks. At backward branches and jumps. Where memory is not shared only
   * this thread could kick, and it is here; its ports leave when they want guest code to be left.
   */
  #poll(): void {
    const { i32 } = this;
    const spent = i32.ge_s(i32.add(this.#acc(), this.op.get()), i32.const(0));
    const leave = this.imports.shared
      ? i32.or(spent, this.code.atomic<I32>('i32.load', this.state32(RUN_PAGE), [], KICK))
      : spent;
    this.code.if(leave, () => this.leave(LEAVE_BUDGET));
  }

  branch(reach: Reach): void {
    const { i32, i64 } = this;
    if (reach === 'far') {
      this.#jump(i64.add(this.pc(), i64.extend_i32_s(this.imm32())), OP_SIZE);
      return;
    }
    // Four bytes of code are sixteen of ops.
    const distance = this.code.letI32(i32.shl(this.imm32(), i32.const(2)));
    this.#setAcc(i32.sub(i32.add(this.#acc(), i32.const(OP_SIZE)), distance.get()));
    this.op.set(i32.add(this.op.get(), distance.get()));
    if (reach === 'back') this.#poll();
    this.#continueAtOp();
  }

  branchIf(condition: I32, reach: Reach): void {
    this.code.if(condition, () => this.branch(reach));
  }

  jump(target: I64, kind: BranchKind): void {
    const to = this.code.letI64(target);
    if (kind !== 'return') this.#noteTarget(to);
    else if (this.frame) this.#returnTo(to.get(), this.frame, OP_SIZE);
    this.#jump(to.get(), OP_SIZE);
  }

  /** See jit/targets.ts. */
  #noteTarget(target: Var<I64>): void {
    const { code, i64 } = this;
    const distance = (): I64 => i64.shr_u(i64.sub(target.get(), this.pc()), i64.const(2));
    const last = (): I64 => i64.and(distance(), i64.const(2 ** TARGET_BITS - 1));
    const before = (): I64 => i64.shl(this.imm(), i64.const(TARGET_BITS));
    code.store('i64.store', this.op.get(), i64.or(before(), last()), OP_IMM);
  }

  /** Goes back to the region that waits, if it waits for that, may go on there and the budget lasts. */
  #returnTo(target: I64, frame: LoopFrame, retired: number): void {
    const { code, i32, i64 } = this;
    code.if(i64.eq(target, frame.expected.get()), () => {
      const sum = i32.add(i32.add(frame.acc.get(), frame.op.get()), i32.const(retired));
      const counted = code.letI32(sum);
      const lasts = i32.lt_s(counted.get(), i32.const(0));
      code.if(i32.and(lasts, i32.eqz(this.state32(CODE_MOVED))), () => {
        this.#storeFlags(frame);
        countInterpreted(code, this.vcpu, () => counted.get());
        counted.get();
        code.return();
      });
      // What waits is never come back to; it goes when guest code is left.
      frame.expected.set(i64.const(NOWHERE));
    });
  }

  refetch(): void {
    this.#jump(this.i64.add(this.pc(), this.i64.const(4)), OP_SIZE);
  }

  /** The end of a page was reached: on with the next page. The op at hand is not an instruction. */
  pageEnd(): void {
    this.#jump(this.pc(), 0);
  }

  /** Enters guest code at the pc word. The op at hand is the entry op of the vCPU state. */
  enter(): void {
    this.#jump(this.state64(PC), 0);
  }

  /** A region has returned: {@link COLD_RETURN}. The op is 0, and the accumulator the sum. */
  returned(): void {
    this.#returnTo(this.state64(PC), this.frame!, 0);
    this.#jump(this.state64(PC), 0);
  }

  /** SP may have been written: notes when its alignment changes. Accesses by it are checked in the slow path. */
  lookAtStack(): void {
    const { i32 } = this;
    const unaligned = i32.ne(i32.and(this.state32(SP_SLOT), i32.const(15)), i32.const(0));
    this.code.if(i32.ne(unaligned, this.state32(REGIME_STACK_UNALIGNED)), () =>
      this.code.call(this.imports.stackMoved),
    );
  }

  /** The op at hand is not decoded yet. */
  decode(): void {
    this.code.call(this.imports.decode, this.op.get());
    this.#continueAtOp();
  }

  /** @param retired - 16 if the op at hand is an instruction */
  #jump(targetValue: I64, retired: number): void {
    const { i32 } = this;
    const target = this.code.letI64(targetValue);
    const op = enterTarget(this.code, this.vcpu, target, (page) => {
      this.setState32(OP, this.op.get());
      page.set(this.code.call<I32>(this.imports.fetch, target.get()));
      this.code.if(i32.eqz(page.get()), () => {
        // The pc word is the target; the op at hand counts as done.
        this.#setAcc(i32.add(this.#acc(), i32.const(retired)));
        this.#leaveWithPc();
      });
      target.set(this.state64(PC)); // a top byte that is ignored is gone
    });
    const passed = i32.sub(i32.add(this.op.get(), i32.const(retired)), op.get());
    this.#setAcc(i32.add(passed, this.#acc()));
    this.op.set(op.get());
    this.#poll();
    this.#continueAtOp();
  }
}
