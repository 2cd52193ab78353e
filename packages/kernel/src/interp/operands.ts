/** Operands, state words and flags of a handler: out of the decoded op and the vCPU's block. */
import type { FlagIndex } from '../a64/code-emitter.ts';
import type { Field, Float, I32, I64, Routine, V128 } from '../a64/emitter.ts';
import { FLAG_A, FLAG_B, FLAG_NZ, PC_DELTA, TLB_BASE, V } from '../state/vcpu-state.ts';
import type { Code, Local } from '../wasm/code.ts';
import { I32_TYPE } from '../wasm/opcode.ts';
import type { HandlerImports, LoopFrame } from './frame.ts';
import { MemoryEmitter } from './memory-emitter.ts';
import { OP_A, OP_B, OP_C, OP_IMM } from './uop.ts';

const FIELD_OFFSET = { a: OP_A, b: OP_B, c: OP_C, d: OP_IMM, e: OP_IMM + 2 } as const satisfies Record<
  Field,
  number
>;
/** By FlagIndex. */
export const FLAG_OFFSET = [FLAG_NZ, FLAG_A, FLAG_B] as const;

/** In a cold handler or a routine: the address of the vCPU's block, in a local. */
function loadVcpu(code: Code, imports: HandlerImports): Local<I32> {
  const vcpu = code.local<I32>(I32_TYPE);
  vcpu.set(code.globalGet<I32>(imports.vcpu));
  return vcpu;
}

export abstract class OperandEmitter extends MemoryEmitter {
  protected readonly imports: HandlerImports;
  protected readonly frame: LoopFrame | undefined;
  protected readonly op: Local<I32>;

  /** @param frame - of the loop that this handler is part of; absent for a cold handler and for a routine */
  constructor(code: Code, imports: HandlerImports, frame?: LoopFrame) {
    super(code, frame?.vcpu ?? loadVcpu(code, imports));
    this.imports = imports;
    this.frame = frame;
    this.op = frame?.op ?? code.param<I32>(0);
  }

  protected isShared(): boolean {
    return this.imports.shared;
  }

  protected tlb(): I32 {
    return this.frame ? this.frame.tlb.get() : this.state32(TLB_BASE);
  }

  // ---- operands

  field(field: Field): I32 {
    return this.code.load('i32.load16_u', this.op.get(), FIELD_OFFSET[field]);
  }

  #slot(field: Field): I32 {
    return this.i32.add(this.vcpu.get(), this.field(field));
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
    return this.code.load('i64.load', this.op.get(), OP_IMM);
  }

  imm32(): I32 {
    return this.code.load('i32.load', this.op.get(), OP_IMM);
  }

  immHigh(): I32 {
    return this.code.load('i32.load', this.op.get(), OP_IMM + 4);
  }

  pc(): I64 {
    const { i32, i64 } = this;
    return i64.add(this.state64(PC_DELTA), i64.extend_i32_u(i32.shr_u(this.op.get(), i32.const(2))));
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
    return i32.add(i32.add(offset, i32.const(V)), this.vcpu.get());
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

  float(field: Field, bits: 32 | 64): Float {
    return this.code.load(`f${bits}.load`, this.#slot(field));
  }

  setFloat(field: Field, bits: 32 | 64, value: Float): void {
    const { code, i32, i64 } = this;
    const result = bits === 64 ? code.letF64(value) : code.letF32(value);
    const slot = code.letI32(this.#slot(field));
    code.store(`f${bits}.store`, slot.get(), result.get());
    if (bits === 32) code.store('i32.store', slot.get(), i32.const(0), 4);
    code.store('i64.store', slot.get(), i64.const(0), 8);
  }

  // ---- state words

  stateAtImm(): I64 {
    return this.code.load('i64.load', this.i32.add(this.vcpu.get(), this.imm32()));
  }

  setStateAtImm(value: I64): void {
    const word = this.code.letI64(value);
    this.code.store('i64.store', this.i32.add(this.vcpu.get(), this.imm32()), word.get());
  }

  // ---- flags

  flag(index: FlagIndex): I64 {
    return this.frame ? this.frame.flags[index].get() : this.state64(FLAG_OFFSET[index]);
  }

  setFlags(_nz: I64, _a: I64, _b: I64): void {
    const onStack = null as never;
    if (this.frame) {
      const [nz, a, b] = this.frame.flags;
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
    return this.imports.routineIndex(routine);
  }
}
