/**
 * The plain evaluator: an Emitter that computes at once over the state words of one vCPU. The reference that faster
 * engines are tested against; nothing here is tuned.
 */
import {
  type AccessForm,
  type AtomicOp,
  type BranchKind,
  type Emitter,
  type F32,
  type F64,
  type Field,
  type Float,
  type FpNeed,
  type I32,
  type I64,
  type Reach,
  type Routine,
  type RoutineType,
  type Size,
  type V128,
  type Value,
  type ValueOf,
  type Var,
  type Word,
  type WordOps,
} from '../a64/emitter.ts';
import { packFlags, unpackFlags } from '../a64/flags.ts';
import type { Insn, Operands } from '../a64/pattern.ts';
import { FPCR_FZ, FPCR_RMODE, FPSR_IXC } from '../a64/shared/fp-format.ts';
import { EL, FLAG_A, FLAG_B, FLAG_NZ, FPCR, FPSR, FP_TRAP, PC, V } from '../state/vcpu-state.ts';
import type { Words } from '../state/words.ts';
import { extendOps, pureOps, type PureOps } from '../wasm/pure.ts';
import { Leave, type Access, type EvaluatorMemory, type Outcome } from './outcome.ts';
import { BACKEND, bigint, bytesOf, i32, i64, number, v128, variable, vector } from './values.ts';

/** The 64 bits of an immediate. */
export function immediateOf({ imm = 0, immLow, immHigh }: Operands): bigint {
  if (immLow === undefined && immHigh === undefined) return BigInt.asUintN(64, BigInt(imm));
  return (BigInt((immHigh ?? 0) >>> 0) << 32n) | BigInt((immLow ?? 0) >>> 0);
}

const PAGE = 4096n;

export class Evaluator implements Emitter {
  readonly i32: PureOps['i32'];
  readonly i64: PureOps['i64'];
  readonly f32: PureOps['f32'];
  readonly f64: PureOps['f64'];
  readonly v128: PureOps['v128'];
  readonly i8x16: PureOps['i8x16'];
  readonly i16x8: PureOps['i16x8'];
  readonly i32x4: PureOps['i32x4'];
  readonly i64x2: PureOps['i64x2'];
  readonly f32x4: PureOps['f32x4'];
  readonly f64x2: PureOps['f64x2'];
  readonly #words: Words;
  readonly #base: number;
  readonly #memory: EvaluatorMemory;
  readonly #word32: WordOps<Word>;
  readonly #word64: WordOps<Word>;
  #operands: Operands = {};
  #immediate = 0n;
  #next = 0n;
  #branched = false;
  #written = false;

  /** @param base - address of the vCPU's block in `words` */
  constructor(words: Words, base: number, memory: EvaluatorMemory) {
    const ops = pureOps(BACKEND);
    this.i32 = ops.i32;
    this.i64 = ops.i64;
    this.f32 = ops.f32;
    this.f64 = ops.f64;
    this.v128 = ops.v128;
    this.i8x16 = ops.i8x16;
    this.i16x8 = ops.i16x8;
    this.i32x4 = ops.i32x4;
    this.i64x2 = ops.i64x2;
    this.f32x4 = ops.f32x4;
    this.f64x2 = ops.f64x2;
    this.#words = words;
    this.#base = base;
    this.#memory = memory;
    const words32 = extendOps<WordOps<I32>>(ops.i32, {
      bits: 32,
      reg: (field) => this.reg32(field),
      setReg: (field, value) => this.setReg32(field, value),
      imm: () => this.imm32(),
      field: (field) => this.field(field),
      let: (value) => this.letI32(value),
      variable: () => this.letI32(i32(0)),
      toI64: (value) => this.i64.extend_i32_u(value),
      signed: (value) => this.i64.extend_i32_s(value),
      fromI64: (value) => this.i32.wrap_i64(value),
      fromI32: (value) => value,
    });
    const words64 = extendOps<WordOps<I64>>(ops.i64, {
      bits: 64,
      reg: (field) => this.reg(field),
      setReg: (field, value) => this.setReg(field, value),
      imm: () => this.imm(),
      field: (field) => this.i64.extend_i32_u(this.field(field)),
      let: (value) => this.letI64(value),
      variable: () => this.letI64(i64(0n)),
      toI64: (value) => value,
      signed: (value) => value,
      fromI64: (value) => value,
      fromI32: (value) => this.i64.extend_i32_u(value),
    });
    // A definition is written for both widths at once, so it sees the two types as one.
    this.#word32 = words32 as unknown as WordOps<Word>;
    this.#word64 = words64 as unknown as WordOps<Word>;
  }

  /** Executes one decoded instruction. On `next` and `branch` the pc has moved; else nothing but it may be finished. */
  step(row: Insn, handler: number, operands: Operands): Outcome {
    this.#operands = operands;
    this.#immediate = immediateOf(operands);
    this.#next = BigInt.asUintN(64, this.#get64(PC) + 4n);
    this.#branched = false;
    this.#written = false;
    try {
      row.emit(this, handler);
    } catch (error) {
      if (error instanceof Leave) return error.outcome;
      throw error;
    }
    this.#set64(PC, this.#next);
    return { kind: this.#branched ? 'branch' : 'next' };
  }

  word(bits: 32 | 64): WordOps<Word> {
    return bits === 64 ? this.#word64 : this.#word32;
  }

  // ---- values

  letI32(value: I32): Var<I32> {
    return variable(value);
  }

  letI64(value: I64): Var<I64> {
    return variable(value);
  }

  letF32(value: F32): Var<F32> {
    return variable(value);
  }

  letF64(value: F64): Var<F64> {
    return variable(value);
  }

  letV128(value: V128): Var<V128> {
    return variable(value);
  }

  select<T extends I32 | I64 | F32 | F64>(ifTrue: T, ifFalse: T, condition: I32): T {
    return number(condition) === 0 ? ifFalse : ifTrue;
  }

  selectV128(ifTrue: V128, ifFalse: V128, condition: I32): V128 {
    return number(condition) === 0 ? ifFalse : ifTrue;
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    if (number(condition) !== 0) then();
    else otherwise?.();
  }

  rarely(conditions: readonly (() => I32)[], then: () => void, otherwise?: () => void): void {
    if (conditions.some((each) => number(each()) !== 0)) then();
    else otherwise?.();
  }

  unlessRounded(_isInexact: () => I32, then: () => void): void {
    if (number(this.fpFails('rounded')) !== 0) then();
  }

  repeat(body: () => I32): void {
    while (number(body()) !== 0);
  }

  call<P extends readonly RoutineType[], R extends RoutineType>(
    routine: Routine<P, R>,
    ...operands: { [K in keyof P]: ValueOf<P[K]> }
  ): ValueOf<R> {
    const params = operands.map((operand) => variable(operand as Value));
    return routine.emit(this, ...(params as unknown as { [K in keyof P]: Var<ValueOf<P[K]>> }));
  }

  // ---- operands

  #slot(field: Field): number {
    if (field === 'd') return Number(this.#immediate & 0xffffn);
    if (field === 'e') return Number((this.#immediate >> 16n) & 0xffffn);
    return this.#operands[field] ?? 0;
  }

  reg(field: Field): I64 {
    return i64(this.#get64(this.#slot(field)));
  }

  setReg(field: Field, value: I64): void {
    this.#written = true;
    this.#set64(this.#slot(field), bigint(value));
  }

  reg32(field: Field): I32 {
    return this.i32.wrap_i64(this.reg(field));
  }

  setReg32(field: Field, value: I32): void {
    this.setReg(field, this.i64.extend_i32_u(value));
  }

  imm(): I64 {
    return i64(this.#immediate);
  }

  imm32(): I32 {
    return this.i32.wrap_i64(this.imm());
  }

  immHigh(): I32 {
    return i32(Number(this.#immediate >> 32n));
  }

  field(field: Field): I32 {
    return i32(this.#slot(field));
  }

  pc(): I64 {
    return i64(this.#get64(PC));
  }

  vec(field: Field): V128 {
    const at = this.#base + this.#slot(field);
    return v128(this.#words.u8.slice(at, at + 16));
  }

  setVec(field: Field, value: V128): void {
    this.#written = true;
    this.#words.u8.set(vector(value), this.#base + this.#slot(field));
  }

  /** The slot `count` vector registers on, with v0 after v31. */
  #vecSlot(field: Field, count: number): number {
    return this.#base + V + ((this.#slot(field) - V + 16 * count) & 0x1ff);
  }

  vecAfter(field: Field, count: number): V128 {
    const at = this.#vecSlot(field, count);
    return v128(this.#words.u8.slice(at, at + 16));
  }

  setVecAfter(field: Field, count: number, value: V128): void {
    this.#written = true;
    this.#words.u8.set(vector(value), this.#vecSlot(field, count));
  }

  vecLow(field: Field): I64 {
    return this.i64x2.extract_lane(this.vec(field), 0);
  }

  vecLow32(field: Field): I32 {
    return this.i32x4.extract_lane(this.vec(field), 0);
  }

  setVecLow(field: Field, value: I64): void {
    this.setVec(field, this.v128.const(bigint(value), 0n));
  }

  setVecLow32(field: Field, value: I32): void {
    this.setVecLow(field, this.i64.extend_i32_u(value));
  }

  float(field: Field, bits: 32 | 64): Float {
    // A float is held as its bits.
    return (bits === 64 ? this.vecLow(field) : this.vecLow32(field)) as unknown as Float;
  }

  setFloat(field: Field, bits: 32 | 64, value: Float): void {
    if (bits === 64) this.setVecLow(field, this.i64.reinterpret_f64(value));
    else this.setVecLow32(field, this.i32.reinterpret_f32(value));
  }

  // ---- state words

  #get64(offset: number): bigint {
    return this.#words.get64(this.#base + offset);
  }

  #set64(offset: number, value: bigint): void {
    this.#words.set64(this.#base + offset, value);
  }

  state32(offset: number): I32 {
    return i32(this.#words.get32(this.#base + offset));
  }

  setState32(offset: number, value: I32): void {
    this.#written = true;
    this.#words.set32(this.#base + offset, number(value));
  }

  state64(offset: number): I64 {
    return i64(this.#get64(offset));
  }

  setState64(offset: number, value: I64): void {
    this.#written = true;
    this.#set64(offset, bigint(value));
  }

  /** `relaxed_madd` is fused in pure.ts. */
  fpFails(need: FpNeed): I32 {
    const isUnusual = (number(this.state32(FPCR)) & (FPCR_FZ | FPCR_RMODE)) !== 0;
    const noticesInexact = (number(this.state32(FPSR)) & FPSR_IXC) === 0;
    return i32(isUnusual || (need === 'rounded' && noticesInexact) ? 1 : 0);
  }

  stateAtImm(): I64 {
    return this.state64(Number(this.#immediate));
  }

  setStateAtImm(value: I64): void {
    this.setState64(Number(this.#immediate), value);
  }

  // ---- flags

  #setFlags(n: boolean, z: boolean, c: boolean, v: boolean): void {
    this.setNzcv(i32((n ? 8 : 0) | (z ? 4 : 0) | (c ? 2 : 0) | (v ? 1 : 0)));
  }

  /** AddWithCarry. Source: Arm DDI 0487, shared/functions/integer/AddWithCarry. */
  #addFlags(bits: 32 | 64, a: bigint, b: bigint, carryIn: bigint): void {
    const unsigned = BigInt.asUintN(bits, a) + BigInt.asUintN(bits, b) + carryIn;
    const signed = BigInt.asIntN(bits, a) + BigInt.asIntN(bits, b) + carryIn;
    const result = BigInt.asUintN(bits, unsigned);
    const asSigned = BigInt.asIntN(bits, result);
    this.#setFlags(asSigned < 0n, result === 0n, result !== unsigned, asSigned !== signed);
  }

  flagsFromAdd<T extends Value>(w: WordOps<T>, a: Var<T>, b: Var<T>, _result: Var<T>): void {
    this.#addFlags(w.bits, BigInt(bigint(a.get())), BigInt(bigint(b.get())), 0n);
  }

  flagsFromAddCarry<T extends Value>(
    w: WordOps<T>,
    a: Var<T>,
    b: Var<T>,
    carryIn: Var<I32>,
    _result: Var<T>,
  ): void {
    this.#addFlags(w.bits, BigInt(bigint(a.get())), BigInt(bigint(b.get())), BigInt(number(carryIn.get())));
  }

  flagsFromSub<T extends Value>(w: WordOps<T>, a: Var<T>, b: Var<T>, _result: Var<T>): void {
    this.#addFlags(w.bits, BigInt(bigint(a.get())), ~BigInt(bigint(b.get())), 1n);
  }

  /** FPCompare. Source: Arm DDI 0487, shared/functions/float/fpcompare. */
  flagsFromFloats(bits: 32 | 64, x: Var<Float>, y: Var<Float>): void {
    const ops = bits === 64 ? this.f64 : this.f32;
    const isEqual = number(ops.eq(x.get(), y.get())) !== 0;
    const isLess = number(ops.lt(x.get(), y.get())) !== 0;
    this.#setFlags(isLess, isEqual, !isLess, false);
  }

  flagsFromLogic<T extends Value>(w: WordOps<T>, result: Var<T>): void {
    const value = BigInt.asIntN(w.bits, BigInt(bigint(result.get())));
    this.#setFlags(value < 0n, value === 0n, false, false);
  }

  flagsIf(condition: I32, compare: () => void, nzcv: Field): void {
    this.if(condition, compare, () => this.setNzcv(this.field(nzcv)));
  }

  nzcv(): I32 {
    const nz = this.#get64(FLAG_NZ);
    return i32(unpackFlags({ nz, a: this.#get64(FLAG_A), b: this.#get64(FLAG_B) }));
  }

  setNzcv(value: I32): void {
    this.#written = true;
    const { nz, a, b } = packFlags(number(value) & 0xf);
    this.#set64(FLAG_NZ, nz);
    this.#set64(FLAG_A, a);
    this.#set64(FLAG_B, b);
  }

  /** ConditionHolds. Source: Arm DDI 0487, shared/functions/system/ConditionHolds. */
  condition(code: number): I32 {
    const flags = number(this.nzcv());
    const [n, z, c, v] = [(flags & 8) !== 0, (flags & 4) !== 0, (flags & 2) !== 0, (flags & 1) !== 0];
    const bases = [z, c, n, v, c && !z, n === v, n === v && !z, true];
    const base = bases[code >> 1]!;
    return i32((code & 1) !== 0 && code !== 15 ? Number(!base) : Number(base));
  }

  carry(): I32 {
    return i32((number(this.nzcv()) >> 1) & 1);
  }

  // ---- memory

  /** Host addresses of an access: one, or two where it crosses a page. */
  #translate(address: I64, bytes: number, kind: 'read' | 'write', form?: AccessForm): [number, number][] {
    if (this.#written) throw new Error('a definition writes a register before an access that can fault');
    const va = bigint(address);
    const unprivileged = form?.unprivileged === true;
    if (form?.ordered && va % BigInt(bytes) !== 0n) {
      throw new Leave({ kind: 'alignment', access: { address: va, bytes, kind, unprivileged } });
    }
    const inPage = Number(PAGE - (va & (PAGE - 1n)));
    const parts = bytes <= inPage ? [bytes] : [inPage, bytes - inPage];
    let at = va;
    return parts.map((length) => {
      const access: Access = { address: at, bytes: length, kind, unprivileged };
      const host = this.#memory.translate(access);
      if (host < 0) throw new Leave({ kind: 'fault', access });
      at = BigInt.asUintN(64, at + BigInt(length));
      return [host, length];
    });
  }

  #read(address: I64, bytes: number, form?: AccessForm): Uint8Array {
    const parts = this.#translate(address, bytes, 'read', form);
    return Uint8Array.from(
      parts.flatMap(([host, length]) => [...this.#words.u8.subarray(host, host + length)]),
    );
  }

  #write(address: I64, value: Uint8Array, form?: AccessForm): void {
    let at = 0;
    for (const [host, length] of this.#translate(address, value.length, 'write', form)) {
      this.#words.u8.set(value.subarray(at, at + length), host);
      at += length;
    }
  }

  load(address: I64, form: AccessForm): I64 {
    return this.#loaded(this.#read(address, 1 << form.size, form), form);
  }

  #loaded(bytes: Uint8Array, form: AccessForm): I64 {
    let value = 0n;
    for (const [i, byte] of bytes.entries()) value |= BigInt(byte) << BigInt(8 * i);
    if (form.signed === undefined) return i64(value);
    return i64(BigInt.asUintN(form.signed, BigInt.asIntN(8 * bytes.length, value)));
  }

  store(address: I64, value: I64, form: AccessForm): void {
    this.#write(address, bytesOf(bigint(value), 1 << form.size), form);
  }

  loadFloat(address: I64, bits: 32 | 64): Float {
    const value = this.load(address, { size: bits === 64 ? 3 : 2 });
    return (bits === 64 ? value : this.i32.wrap_i64(value)) as unknown as Float;
  }

  storeFloat(address: I64, bits: 32 | 64, value: Float): void {
    if (bits === 64) this.store(address, this.i64.reinterpret_f64(value), { size: 3 });
    else this.store(address, this.i64.extend_i32_u(this.i32.reinterpret_f32(value)), { size: 2 });
  }

  loadPair(address: I64, form: AccessForm): [Var<I64>, Var<I64>] {
    const bytes = 1 << form.size;
    const both = this.#read(address, 2 * bytes, form);
    return [
      this.letI64(this.#loaded(both.subarray(0, bytes), form)),
      this.letI64(this.#loaded(both.subarray(bytes), form)),
    ];
  }

  storePair(address: I64, first: Var<I64>, second: Var<I64>, form: AccessForm): void {
    const bytes = 1 << form.size;
    const both = [...bytesOf(bigint(first.get()), bytes), ...bytesOf(bigint(second.get()), bytes)];
    this.#write(address, Uint8Array.from(both), form);
  }

  loadVec(address: I64): V128 {
    return v128(this.#read(address, 16));
  }

  storeVec(address: I64, value: V128): void {
    this.#write(address, vector(value));
  }

  loadVecPair(address: I64): [Var<V128>, Var<V128>] {
    const both = this.#read(address, 32);
    return [this.letV128(v128(both.slice(0, 16))), this.letV128(v128(both.slice(16)))];
  }

  storeVecPair(address: I64, first: Var<V128>, second: Var<V128>): void {
    this.#write(address, Uint8Array.from([...vector(first.get()), ...vector(second.get())]));
  }

  locate(address: I64, bytes: number, access: 'read' | 'write' | 'update'): Var<I32> {
    const form: AccessForm = { size: 0, ordered: true };
    const kind = access === 'read' ? 'read' : 'write';
    const [[host]] = this.#translate(address, bytes, kind, form) as [[number, number]];
    return this.letI32(i32(host));
  }

  atomicLoad(host: I32, size: Size): I64 {
    const at = number(host) >>> 0;
    return this.#loaded(this.#words.u8.subarray(at, at + (1 << size)), { size });
  }

  atomicStore(host: I32, value: I64, size: Size): void {
    this.#words.u8.set(bytesOf(bigint(value), 1 << size), number(host) >>> 0);
  }

  atomicUpdate(op: AtomicOp, host: I32, value: I64, size: Size): I64 {
    const old = this.atomicLoad(host, size);
    const { i64: ops } = this;
    const updated = op === 'xchg' ? value : ops[op](old, value);
    this.atomicStore(host, updated, size);
    return old;
  }

  atomicCompareExchange(host: I32, expected: I64, replacement: I64, size: Size): I64 {
    const old = this.atomicLoad(host, size);
    if (bigint(old) === bigint(expected)) this.atomicStore(host, replacement, size);
    return old;
  }

  zeroBlock(address: I64): void {
    this.#write(this.i64.and(address, this.i64.const(-64)), new Uint8Array(64));
  }

  fence(): void {}

  // ---- control

  #leave(outcome: Outcome): never {
    throw new Leave(outcome);
  }

  branch(_reach: Reach, kind: BranchKind): void {
    this.jump(this.i64.add(this.pc(), this.imm()), kind);
  }

  branchIf(condition: I32, reach: Reach): void {
    if (number(condition) !== 0) this.branch(reach, 'jump');
  }

  jump(target: I64, _kind: BranchKind): void {
    this.#next = bigint(target);
    this.#branched = true;
  }

  refetch(): void {}

  undefined(): void {
    this.#leave({ kind: 'undefined' });
  }

  raise(exceptionClass: number, iss: I32, after: boolean): void {
    this.#leave({ kind: 'exception', exceptionClass, iss: number(iss), after });
  }

  requireEl1(): void {
    if (number(this.state32(EL)) === 0) this.undefined();
  }

  requireFp(): void {
    if (number(this.state32(FP_TRAP)) !== 0) this.#leave({ kind: 'fp_trap' });
  }

  hypercall(conduit: 'hvc' | 'smc'): void {
    this.#leave({ kind: 'hypercall', conduit, immediate: Number(this.#immediate & 0xffffn) });
  }

  systemRegister(): void {
    this.#leave({ kind: 'system_register' });
  }

  systemInstruction(): void {
    this.systemRegister();
  }

  wait(event: 'wfi' | 'wfe'): void {
    this.#leave({ kind: 'wait', event });
  }

  exceptionReturn(): void {
    this.#leave({ kind: 'exception_return' });
  }

  checkInterrupts(): void {}
}
