/**
 * An Emitter whose operands come out of the decoded op: it makes the interpreter's handlers.
 *
 * A *hot* handler stands in the dispatch loop and keeps the machine in locals; a *cold* one is a function that the
 * loop calls with everything in the state words. Both come from the same definitions.
 */
import { CodeEmitter, type FlagIndex } from '../a64/code-emitter.ts';
import {
  EC,
  type AccessForm,
  type AtomicOp,
  type BranchKind,
  type Emitter,
  type Field,
  type I32,
  type I64,
  type Reach,
  type Routine,
  type Size,
  type V128,
  type Var,
} from '../a64/emitter.ts';
import { ACCESS_ORDERED, ACCESS_SIGNED, ACCESS_SYNDROME, ACCESS_WIDE, ACCESS_WRITE } from '../mmu/access.ts';
import { HIT_LIMIT } from '../mmu/tlb.ts';
import {
  ACC,
  EL,
  FETCH_BASE,
  FLAG_A,
  FLAG_B,
  FLAG_NZ,
  FP_TRAP,
  INTERRUPT_LINES,
  LEAVE,
  OP,
  PC,
  PC_DELTA,
  RUN_PAGE,
  SYNDROME,
  TLB,
  TLB_BASE,
  TLB_TABLE_SIZE,
  V,
} from '../state/vcpu-state.ts';
import type { Code, Label, Local } from '../wasm/code.ts';
import type { AtomicOpName, MemoryOpName } from '../wasm/opcode.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
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
import {
  FORM_QUAD,
  FORM_SLOT_SHIFT,
  FORM_UNPRIVILEGED,
  FORM_ZERO_BLOCK,
  STORED_AND_LEAVE,
  type SlowPath,
} from './slow-path.ts';
import { OP_A, OP_B, OP_C, OP_IMM, OP_SIZE } from './uop.ts';

/** Functions of the module that handlers call. */
export interface HandlerImports extends SlowPath {
  readonly vcpu: number;
  readonly hypercall: number;
  readonly sysreg: number;
  /** `(target: i64) → i32`: the decoded page of a target that the fetch TLB misses; 0 = leave. */
  readonly fetch: number;
  readonly decode: number;
  routineIndex(routine: Routine): number;
}

/** Where a cold handler's function says how to go on. */
export const COLD_NEXT = 0;
export const COLD_LEAVE = 1;
/** The handler chose the next op: OP and ACC are in the state words. */
export const COLD_JUMP = 2;
/** As COLD_LEAVE, and the pc word is right already. */
export const COLD_LEAVE_WITH_PC = 3;

/** The locals and labels of the dispatch loop. */
export interface LoopFrame {
  readonly op: Local<I32>;
  readonly acc: Local<I32>;
  readonly flags: readonly [Local<I64>, Local<I64>, Local<I64>];
  readonly vcpu: Local<I32>;
  readonly tlb: Local<I32>;
  /** Dispatches `op`. */
  readonly next: Label;
  /** Writes `op`, `acc` and flags back, the pc too, and returns. LEAVE is set. */
  readonly leave: Label;
  /** As `leave`, but the pc word is right already. */
  readonly leaveWithPc: Label;
}

const FIELD_OFFSET = { a: OP_A, b: OP_B, c: OP_C, d: OP_IMM, e: OP_IMM + 2 } as const satisfies Record<
  Field,
  number
>;
const FLAG_OFFSET = [FLAG_NZ, FLAG_A, FLAG_B] as const;
const KICK = 0xff8;
/** ISS of a trapped FP access: CV, COND = always. Source: Arm DDI 0487, D24.2.40. */
const FP_ACCESS_ISS = (1 << 24) | (0xe << 20);

const LOADS = {
  0: ['i64.load8_u', 'i64.load8_s'],
  1: ['i64.load16_u', 'i64.load16_s'],
  2: ['i64.load32_u', 'i64.load32_s'],
  3: ['i64.load', 'i64.load'],
} as const satisfies Record<Size, readonly [MemoryOpName, MemoryOpName]>;
const STORES = {
  0: 'i64.store8',
  1: 'i64.store16',
  2: 'i64.store32',
  3: 'i64.store',
} as const satisfies Record<Size, MemoryOpName>;
/** Forms of whole vectors. */
const QUAD_READ = 3 | FORM_QUAD;
const QUAD_WRITE = QUAD_READ | ACCESS_WRITE;
const ATOMIC_LOADS = {
  0: 'i64.load8_u',
  1: 'i64.load16_u',
  2: 'i64.load32_u',
  3: 'i64.load',
} as const satisfies Record<Size, AtomicOpName>;

const atomicName = (op: AtomicOp | 'cmpxchg', size: Size): AtomicOpName =>
  size === 3 ? `i64.rmw.${op}` : `i64.rmw${[8, 16, 32][size] as 8 | 16 | 32}.${op}_u`;

export class HandlerEmitter extends CodeEmitter implements Emitter {
  readonly #imports: HandlerImports;
  readonly #frame: LoopFrame | undefined;
  readonly #vcpu: Local<I32>;
  readonly #op: Local<I32>;

  /** @param frame - of the loop that this handler is part of; absent for a cold handler and for a routine */
  constructor(code: Code, imports: HandlerImports, frame?: LoopFrame) {
    super(code);
    this.#imports = imports;
    this.#frame = frame;
    if (frame) {
      this.#vcpu = frame.vcpu;
      this.#op = frame.op;
    } else {
      this.#vcpu = code.local<I32>(I32_TYPE);
      this.#vcpu.set(code.globalGet<I32>(imports.vcpu));
      this.#op = code.param<I32>(0);
    }
  }

  // ---- operands

  field(field: Field): I32 {
    return this.code.load('i32.load16_u', this.#op.get(), FIELD_OFFSET[field]);
  }

  #slot(field: Field): I32 {
    return this.i32.add(this.#vcpu.get(), this.field(field));
  }

  reg(field: Field): I64 {
    return this.code.load('i64.load', this.#slot(field));
  }

  reg32(field: Field): I32 {
    return this.code.load('i32.load', this.#slot(field));
  }

  setReg(field: Field, value: I64): void {
    const result = this.code.letI64(value);
    this.code.store('i64.store', this.#slot(field), result.get());
  }

  setReg32(field: Field, value: I32): void {
    this.setReg(field, this.i64.extend_i32_u(value));
  }

  imm(): I64 {
    return this.code.load('i64.load', this.#op.get(), OP_IMM);
  }

  imm32(): I32 {
    return this.code.load('i32.load', this.#op.get(), OP_IMM);
  }

  immHigh(): I32 {
    return this.code.load('i32.load', this.#op.get(), OP_IMM + 4);
  }

  pc(): I64 {
    const { i32, i64 } = this;
    return i64.add(this.state64(PC_DELTA), i64.extend_i32_u(i32.shr_u(this.#op.get(), i32.const(2))));
  }

  vec(field: Field): V128 {
    return this.code.load('v128.load', this.#slot(field));
  }

  setVec(field: Field, value: V128): void {
    const result = this.code.letV128(value);
    this.code.store('v128.store', this.#slot(field), result.get());
  }

  /** Vector slots lie in a row of 512 bytes that starts at a multiple of 512, so the next register wraps by a mask. */
  #slotAfter(field: Field, count: number): I32 {
    const { i32 } = this;
    const offset = i32.and(i32.add(this.field(field), i32.const(16 * count)), i32.const(0x1ff));
    return i32.add(i32.add(offset, i32.const(V)), this.#vcpu.get());
  }

  vecAfter(field: Field, count: number): V128 {
    return this.code.load('v128.load', this.#slotAfter(field, count));
  }

  setVecAfter(field: Field, count: number, value: V128): void {
    const result = this.code.letV128(value);
    this.code.store('v128.store', this.#slotAfter(field, count), result.get());
  }

  vecLow(field: Field): I64 {
    return this.code.load('i64.load', this.#slot(field));
  }

  vecLow32(field: Field): I32 {
    return this.code.load('i32.load', this.#slot(field));
  }

  setVecLow(field: Field, value: I64): void {
    const result = this.code.letI64(value);
    const slot = this.code.letI32(this.#slot(field));
    this.code.store('i64.store', slot.get(), result.get());
    this.code.store('i64.store', slot.get(), this.i64.const(0), 8);
  }

  setVecLow32(field: Field, value: I32): void {
    this.setVecLow(field, this.i64.extend_i32_u(value));
  }

  // ---- state words

  state32(offset: number): I32 {
    return this.code.load('i32.load', this.#vcpu.get(), offset);
  }

  setState32(offset: number, value: I32): void {
    const word = this.code.letI32(value);
    this.code.store('i32.store', this.#vcpu.get(), word.get(), offset);
  }

  state64(offset: number): I64 {
    return this.code.load('i64.load', this.#vcpu.get(), offset);
  }

  setState64(offset: number, value: I64): void {
    const word = this.code.letI64(value);
    this.code.store('i64.store', this.#vcpu.get(), word.get(), offset);
  }

  stateAtImm(): I64 {
    return this.code.load('i64.load', this.i32.add(this.#vcpu.get(), this.imm32()));
  }

  setStateAtImm(value: I64): void {
    const word = this.code.letI64(value);
    this.code.store('i64.store', this.i32.add(this.#vcpu.get(), this.imm32()), word.get());
  }

  // ---- flags

  flag(index: FlagIndex): I64 {
    return this.#frame ? this.#frame.flags[index].get() : this.state64(FLAG_OFFSET[index]);
  }

  setFlags(_nz: I64, _a: I64, _b: I64): void {
    const onStack = null as never;
    if (this.#frame) {
      const [nz, a, b] = this.#frame.flags;
      b.set(onStack);
      a.set(onStack);
      nz.set(onStack);
    } else {
      this.setState64(FLAG_B, onStack);
      this.setState64(FLAG_A, onStack);
      this.setState64(FLAG_NZ, onStack);
    }
  }

  routineIndex(routine: Routine): number {
    return this.#imports.routineIndex(routine);
  }

  // ---- control

  /** Goes on with the next op. Every handler that does not end by itself ends with this. */
  next(): void {
    if (this.#frame) {
      this.#frame.op.set(this.i32.add(this.#op.get(), this.i32.const(OP_SIZE)));
      this.code.br(this.#frame.next);
    } else {
      this.i32.const(COLD_NEXT);
    }
  }

  /** Leaves guest code. @param why - written to LEAVE unless the callee has done so */
  #leave(why?: number): void {
    if (why !== undefined) this.setState32(LEAVE, this.i32.const(why));
    if (this.#frame) {
      this.code.br(this.#frame.leave);
    } else {
      this.setState32(OP, this.#op.get());
      this.i32.const(COLD_LEAVE);
      this.code.return();
    }
  }

  #leaveWithPc(): void {
    if (this.#frame) {
      this.code.br(this.#frame.leaveWithPc);
    } else {
      this.i32.const(COLD_LEAVE_WITH_PC);
      this.code.return();
    }
  }

  #skip(): void {
    this.#op.set(this.i32.add(this.#op.get(), this.i32.const(OP_SIZE)));
  }

  undefined(): void {
    this.#leave(LEAVE_UNDEFINED);
  }

  raise(exceptionClass: number, iss: I32, after: boolean): void {
    const { i32, i64 } = this;
    const syndrome = i32.or(iss, i32.const((exceptionClass << 26) | (1 << 25)));
    this.setState64(SYNDROME, i64.extend_i32_u(syndrome));
    if (after) this.#skip();
    this.#leave(LEAVE_EXCEPTION);
  }

  requireEl1(): void {
    this.code.if(this.i32.eqz(this.state32(EL)), () => this.undefined());
  }

  requireFp(): void {
    this.code.if(this.state32(FP_TRAP), () => this.raise(EC.FP_ACCESS, this.i32.const(FP_ACCESS_ISS), false));
  }

  wait(kind: 'wfi' | 'wfe'): void {
    this.#skip();
    this.#leave(kind === 'wfi' ? LEAVE_WFI : LEAVE_WFE);
  }

  exceptionReturn(): void {
    this.#leave(LEAVE_ERET);
  }

  checkInterrupts(): void {
    this.code.if(this.state32(INTERRUPT_LINES), () => {
      this.#skip();
      this.#leave(LEAVE_INTERRUPT);
    });
  }

  /** Brings every state word up to date: a port may read them. */
  #sync(): void {
    const frame = this.#frame;
    this.setState32(OP, this.#op.get());
    this.setState64(PC, this.pc());
    if (!frame) return;
    this.setState32(ACC, frame.acc.get());
    for (const index of [0, 1, 2] as const) this.setState64(FLAG_OFFSET[index], frame.flags[index].get());
  }

  #reloadFlags(): void {
    const frame = this.#frame;
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
    this.#skip();
    this.#sync();
    const smc = this.i32.const(conduit === 'smc' ? 1 : 0);
    this.#portAnswer(this.code.call<I32>(this.#imports.hypercall, smc, immediate.get()));
    // The op was stepped before the call.
    this.#continueAtOp();
  }

  systemRegister(): void {
    this.#sync();
    this.#portAnswer(this.code.call<I32>(this.#imports.sysreg, this.imm32()));
  }

  #continueAtOp(): void {
    if (this.#frame) {
      this.code.br(this.#frame.next);
    } else {
      this.setState32(OP, this.#op.get());
      this.#setAcc(this.state32(ACC));
      this.i32.const(COLD_JUMP);
      this.code.return();
    }
  }

  #acc(): I32 {
    return this.#frame ? this.#frame.acc.get() : this.state32(ACC);
  }

  #setAcc(value: I32): void {
    if (this.#frame) this.#frame.acc.set(value);
    else this.setState32(ACC, value);
  }

  /** Leaves if the budget is used up or somebody kicks. At backward branches and jumps. */
  #poll(): void {
    const { i32 } = this;
    const spent = i32.ge_s(i32.add(this.#acc(), this.#op.get()), i32.const(0));
    const kick = this.code.atomic<I32>('i32.load', this.state32(RUN_PAGE), [], KICK);
    this.code.if(i32.or(spent, kick), () => this.#leave(LEAVE_BUDGET));
  }

  branch(reach: Reach, kind: BranchKind): void {
    const { i32, i64 } = this;
    if (reach === 'far') {
      this.jump(i64.add(this.pc(), i64.extend_i32_s(this.imm32())), kind);
      return;
    }
    // Four bytes of code are sixteen of ops.
    const distance = this.code.letI32(i32.shl(this.imm32(), i32.const(2)));
    this.#setAcc(i32.sub(i32.add(this.#acc(), i32.const(OP_SIZE)), distance.get()));
    this.#op.set(i32.add(this.#op.get(), distance.get()));
    if (reach === 'back') this.#poll();
    this.#continueAtOp();
  }

  branchIf(condition: I32, reach: Reach): void {
    this.code.if(condition, () => this.branch(reach, 'jump'));
  }

  jump(target: I64, _kind: BranchKind): void {
    this.#jump(target, OP_SIZE);
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

  /** The op at hand is not decoded yet. */
  decode(): void {
    this.code.call(this.#imports.decode, this.#op.get());
    this.#continueAtOp();
  }

  /** @param retired - 16 if the op at hand is an instruction */
  #jump(targetValue: I64, retired: number): void {
    const { i32, i64 } = this;
    const target = this.code.letI64(targetValue);
    const entry = this.code.letI32(
      i32.add(
        this.state32(FETCH_BASE),
        i32.and(
          i32.wrap_i64(i64.shr_u(target.get(), i64.const(8))),
          i32.const(0x3ff0), // 1024 entries of 16 bytes
        ),
      ),
    );
    const page = this.code.scoped<I32>(I32_TYPE);
    // Bits 1:0 of the target take part in the compare, so that an unaligned pc never hits.
    const tag = i64.and(target.get(), i64.const(-4093));
    this.code.if(
      i64.eq(tag, this.code.load<I64>('i64.load', entry.get())),
      () => page.set(this.code.load<I32>('i32.load', entry.get(), 8)),
      () => {
        this.setState32(OP, this.#op.get());
        page.set(this.code.call<I32>(this.#imports.fetch, target.get()));
        this.code.if(i32.eqz(page.get()), () => {
          // The pc word is the target; the op at hand counts as done.
          this.#setAcc(i32.add(this.#acc(), i32.const(retired)));
          this.#leaveWithPc();
        });
        target.set(this.state64(PC)); // a top byte that is ignored is gone
      },
    );
    this.setState64(
      PC_DELTA,
      i64.sub(i64.and(target.get(), i64.const(-4096)), i64.extend_i32_u(i32.shr_u(page.get(), i32.const(2)))),
    );
    const op = this.code.letI32(
      i32.add(page.get(), i32.shl(i32.and(i32.wrap_i64(target.get()), i32.const(0xfff)), i32.const(2))),
    );
    const passed = i32.sub(i32.add(this.#op.get(), i32.const(retired)), op.get());
    this.#setAcc(i32.add(passed, this.#acc()));
    this.#op.set(op.get());
    this.#poll();
    this.#continueAtOp();
  }

  // ---- memory

  #form(form: AccessForm, write: boolean, single: boolean): number {
    return (
      form.size |
      (form.signed === undefined ? 0 : ACCESS_SIGNED) |
      (form.syndrome === 64 ? ACCESS_WIDE : 0) |
      (single && form.syndrome !== undefined ? ACCESS_SYNDROME : 0) |
      (write ? ACCESS_WRITE : 0) |
      (form.ordered === true ? ACCESS_ORDERED : 0) |
      (form.unprivileged === true ? FORM_UNPRIVILEGED : 0)
    );
  }

  /** The form word for the slow path: with the slot of the register if a device may be meant. */
  #formWord(form: number): I32 {
    const { i32 } = this;
    if ((form & ACCESS_SYNDROME) === 0) return i32.const(form);
    return i32.or(i32.shl(this.field('a'), i32.const(FORM_SLOT_SHIFT)), i32.const(form));
  }

  /** `address + TLB entry`: the place in process memory, if it is below {@link HIT_LIMIT}. */
  #lookup(address: Var<I64>, form: number): Var<I64> {
    const { i32, i64 } = this;
    const base = (): I32 => {
      if ((form & FORM_UNPRIVILEGED) !== 0) return i32.add(this.#vcpu.get(), i32.const(TLB));
      return this.#frame ? this.#frame.tlb.get() : this.state32(TLB_BASE);
    };
    const index = i32.and(
      i32.wrap_i64(i64.shr_u(address.get(), i64.const(9))),
      i32.const(TLB_TABLE_SIZE - 8),
    );
    const table = (form & ACCESS_WRITE) === 0 ? 0 : TLB_TABLE_SIZE;
    const entry = this.code.load<I64>('i64.load', i32.add(index, base()), table);
    return this.code.letI64(i64.add(entry, address.get()));
  }

  /** 1 if the lookup hit and the address is aligned to `bytes` (a power of two). */
  #hitAligned(sum: Var<I64>, bytes: number): I32 {
    const { i64 } = this;
    // The bits that must be 0 become the most significant, so that one comparison does.
    const zeros = Math.log2(bytes);
    const rotated = zeros === 0 ? sum.get() : i64.rotr(sum.get(), i64.const(zeros));
    return i64.lt_u(rotated, i64.const(HIT_LIMIT / bytes));
  }

  /** 1 if the lookup hit and `bytes` from the address lie in one page. */
  #hitInPage(sum: Var<I64>, bytes: number): I32 {
    const { i32, i64 } = this;
    const inPage = i32.le_u(i32.and(i32.wrap_i64(sum.get()), i32.const(4095)), i32.const(4096 - bytes));
    return i32.and(inPage, i64.lt_u(sum.get(), i64.const(HIT_LIMIT)));
  }

  /** The place of `bytes` to read; never returns to the caller if the access faults or leaves. */
  #readable(address: Var<I64>, form: number, bytes: number, single: boolean): Var<I32> {
    const { i32 } = this;
    const sum = this.#lookup(address, form);
    const host = this.code.scoped<I32>(I32_TYPE);
    this.code.if(
      single ? this.#hitAligned(sum, bytes) : this.#hitInPage(sum, bytes),
      () => host.set(i32.wrap_i64(sum.get())),
      () => {
        this.setState32(OP, this.#op.get());
        host.set(
          this.code.call<I32>(this.#imports.read, address.get(), this.#formWord(form), i32.const(bytes)),
        );
        this.code.if(i32.eqz(host.get()), () => this.#leave());
      },
    );
    return host;
  }

  load(address: I64, form: AccessForm): I64 {
    const at = this.code.letI64(address);
    const host = this.#readable(at, this.#form(form, false, true), 1 << form.size, true);
    return this.#loadAt(host.get(), form);
  }

  #loadAt(host: I32, form: AccessForm, offset = 0): I64 {
    const [unsigned, signed] = LOADS[form.size];
    if (form.signed === undefined) return this.code.load(unsigned, host, offset);
    const value = this.code.load<I64>(signed, host, offset);
    return form.signed === 64 ? value : this.i64.and(value, this.i64.const(0xffff_ffffn));
  }

  loadPair(address: I64, form: AccessForm): [Var<I64>, Var<I64>] {
    const bytes = 1 << form.size;
    const at = this.code.letI64(address);
    const host = this.#readable(at, this.#form(form, false, false), 2 * bytes, false);
    return [
      this.code.letI64(this.#loadAt(host.get(), form)),
      this.code.letI64(this.#loadAt(host.get(), form, bytes)),
    ];
  }

  loadVec(address: I64): V128 {
    const at = this.code.letI64(address);
    const host = this.#readable(at, QUAD_READ, 16, false);
    return this.code.load('v128.load', host.get());
  }

  loadVecPair(address: I64): [Var<V128>, Var<V128>] {
    const at = this.code.letI64(address);
    const host = this.#readable(at, QUAD_READ, 32, false);
    return [
      this.code.letV128(this.code.load('v128.load', host.get())),
      this.code.letV128(this.code.load('v128.load', host.get(), 16)),
    ];
  }

  store(address: I64, value: I64, form: AccessForm): void {
    const { i32 } = this;
    const stored = this.code.letI64(value);
    const at = this.code.letI64(address);
    const flags = this.#form(form, true, true);
    const sum = this.#lookup(at, flags);
    this.code.if(
      this.#hitAligned(sum, 1 << form.size),
      () => this.code.store(STORES[form.size], i32.wrap_i64(sum.get()), stored.get()),
      () => {
        this.setState32(OP, this.#op.get());
        this.#slowStore(at.get(), stored.get(), flags, 1 << form.size);
      },
    );
  }

  #slowStore(address: I64, value: I64, form: number, bytes: number): void {
    const stored = this.code.letI64(value);
    const at = this.code.letI64(address);
    const answer = this.code.call<I32>(
      this.#imports.write,
      at.get(),
      this.#formWord(form),
      this.i32.const(bytes),
      stored.get(),
    );
    const left = this.code.letI32(answer);
    this.code.if(left.get(), () => {
      // Only a device store can be made and leave, and such a store is a whole instruction.
      const done = this.i32.eq(left.get(), this.i32.const(STORED_AND_LEAVE));
      this.#op.set(this.i32.add(this.i32.mul(done, this.i32.const(OP_SIZE)), this.#op.get()));
      this.#leave();
    });
  }

  /** Stores several pieces that must not be half done: in place, or after all of them were probed. */
  #storePieces(
    address: Var<I64>,
    form: number,
    pieces: readonly { readonly value: () => I64; readonly offset: number; readonly size: Size }[],
    inPlace: (host: Var<I32>) => void,
    bytes: number,
  ): void {
    const { i32, i64 } = this;
    const sum = this.#lookup(address, form);
    this.code.if(
      this.#hitInPage(sum, bytes),
      () => inPlace(this.code.letI32(i32.wrap_i64(sum.get()))),
      () => {
        this.setState32(OP, this.#op.get());
        const answer = this.code.call<I32>(
          this.#imports.probe,
          address.get(),
          i32.const(form),
          i32.const(bytes),
        );
        this.code.if(answer, () => this.#leave());
        for (const { value, offset, size } of pieces) {
          const at = i64.add(address.get(), i64.const(offset));
          this.#slowStore(at, value(), form & ~FORM_QUAD, 1 << size);
        }
      },
    );
  }

  storePair(address: I64, first: Var<I64>, second: Var<I64>, form: AccessForm): void {
    const at = this.code.letI64(address);
    const bytes = 1 << form.size;
    this.#storePieces(
      at,
      this.#form(form, true, false),
      [
        { value: () => first.get(), offset: 0, size: form.size },
        { value: () => second.get(), offset: bytes, size: form.size },
      ],
      (host) => {
        this.code.store(STORES[form.size], host.get(), first.get());
        this.code.store(STORES[form.size], host.get(), second.get(), bytes);
      },
      2 * bytes,
    );
  }

  storeVec(address: I64, value: V128): void {
    const stored = this.code.letV128(value);
    this.#storeVectors(address, [stored]);
  }

  storeVecPair(address: I64, first: Var<V128>, second: Var<V128>): void {
    this.#storeVectors(address, [first, second]);
  }

  #storeVectors(address: I64, values: readonly Var<V128>[]): void {
    const at = this.code.letI64(address);
    this.#storePieces(
      at,
      QUAD_WRITE,
      values.flatMap((value, i) =>
        [0, 1].map((lane) => ({
          value: () => this.i64x2.extract_lane(value.get(), lane),
          offset: 16 * i + 8 * lane,
          size: 3 as const,
        })),
      ),
      (host) => {
        for (const [i, value] of values.entries()) {
          this.code.store('v128.store', host.get(), value.get(), 16 * i);
        }
      },
      16 * values.length,
    );
  }

  locate(address: I64, bytes: number, access: 'read' | 'write'): Var<I32> {
    const size = Math.min(Math.log2(bytes), 3) as Size;
    return this.#locate(
      this.code.letI64(address),
      bytes,
      bytes,
      this.#form({ size }, access === 'write', false),
    );
  }

  /** @param alignment - what the address must be a multiple of */
  #locate(at: Var<I64>, bytes: number, alignment: number, form: number): Var<I32> {
    const { i32 } = this;
    const sum = this.#lookup(at, form);
    const host = this.code.scoped<I32>(I32_TYPE);
    this.code.if(
      this.#hitAligned(sum, alignment),
      () => host.set(i32.wrap_i64(sum.get())),
      () => {
        this.setState32(OP, this.#op.get());
        host.set(this.code.call<I32>(this.#imports.locate, at.get(), i32.const(form), i32.const(bytes)));
        this.code.if(i32.eqz(host.get()), () => this.#leave());
      },
    );
    return host;
  }

  atomicLoad(host: I32, size: Size): I64 {
    return this.code.atomic(ATOMIC_LOADS[size], host, []);
  }

  atomicStore(host: I32, value: I64, size: Size): void {
    this.code.atomicStore(STORES[size], host, value);
  }

  atomicUpdate(op: AtomicOp, host: I32, value: I64, size: Size): I64 {
    return this.code.atomic(atomicName(op, size), host, [value]);
  }

  atomicCompareExchange(host: I32, expected: I64, replacement: I64, size: Size): I64 {
    return this.code.atomic(atomicName('cmpxchg', size), host, [expected, replacement]);
  }

  zeroBlock(address: I64): void {
    // Not the block's address is looked up: a fault reports the one given.
    const { i32 } = this;
    const given = this.code.letI64(address);
    const host = this.#locate(given, 64, 1, FORM_ZERO_BLOCK | ACCESS_WRITE);
    host.set(i32.and(host.get(), i32.const(-64)));
    for (const offset of [0, 16, 32, 48]) {
      this.code.store('v128.store', host.get(), this.v128.const(0n, 0n), offset);
    }
  }

  fence(): void {
    this.code.atomicFence();
  }
}

/** The locals of a loop, made in its function. */
export function loopLocals(code: Code): Omit<LoopFrame, 'next' | 'leave' | 'leaveWithPc'> {
  return {
    op: code.local<I32>(I32_TYPE),
    acc: code.local<I32>(I32_TYPE),
    flags: [code.local<I64>(I64_TYPE), code.local<I64>(I64_TYPE), code.local<I64>(I64_TYPE)],
    vcpu: code.local<I32>(I32_TYPE),
    tlb: code.local<I32>(I32_TYPE),
  };
}
