/**
 * What an instruction reads, writes and may do, found out by emitting it once for nothing. The compiler's data flow
 * rests on it, so nothing about an instruction is written down a second time.
 */
import { CodeEmitter, type FlagIndex } from '../a64/code-emitter.ts';
import type {
  AccessForm,
  AtomicOp,
  BranchKind,
  Emitter,
  Field,
  Float,
  FpNeed,
  I32,
  I64,
  Reach,
  Routine,
  Size,
  V128,
  Var,
} from '../a64/emitter.ts';
import { Code } from '../wasm/code.ts';
import { I32_TYPE } from '../wasm/opcode.ts';

/** A register operand: a field, whether it names a vector register, and how many registers after the named one. */
export interface RegisterUse {
  readonly field: Field;
  readonly vector: boolean;
  readonly after: number;
}

/** How control goes on after an instruction. */
export type Flow =
  | { readonly kind: 'next' }
  /** A direct branch, always taken or not. */
  | { readonly kind: 'branch' | 'branch if'; readonly reach: Reach; readonly branch: BranchKind }
  /** Out of the region, by an indirect branch. */
  | { readonly kind: 'jump'; readonly branch: BranchKind }
  /** A port does it. */
  | { readonly kind: 'port' }
  /** Only the interpreter does it. */
  | { readonly kind: 'interpret' };

export interface Footprint {
  readonly reads: readonly RegisterUse[];
  /** Registers that may be written; `kills` are those of them that always are. */
  readonly writes: readonly RegisterUse[];
  readonly kills: readonly RegisterUse[];
  readonly readsFlags: boolean;
  readonly writesFlags: boolean;
  readonly killsFlags: boolean;
  /** It may be left to the interpreter, before anything is written. */
  readonly exitsBefore: boolean;
  /** Guest code may be left after it. */
  readonly exitsAfter: boolean;
  readonly usesPc: boolean;
  readonly usesMemory: boolean;
  /** It does nothing with memory but read it, at an address made of all that it reads. */
  readonly loads: boolean;
  readonly usesFp: boolean;
  readonly fpNeeds: readonly FpNeed[];
  readonly flow: Flow;
}

const nothing = null as never;

/** An emitter that keeps account. What it emits is thrown away. */
class FootprintEmitter extends CodeEmitter implements Emitter {
  readonly reads = new Map<string, RegisterUse>();
  readonly writes = new Map<string, RegisterUse>();
  readonly kills = new Map<string, RegisterUse>();
  readonly fpNeeds = new Set<FpNeed>();
  readsFlags = false;
  writesFlags = false;
  killsFlags = false;
  exitsBefore = false;
  exitsAfter = false;
  usesPc = false;
  usesMemory = false;
  loads = true;
  usesFp = false;
  flow: Flow = { kind: 'next' };
  #conditional = 0;

  #note(map: Map<string, RegisterUse>, field: Field, vector: boolean, after = 0): void {
    map.set(`${field}${vector}${after}`, { field, vector, after });
  }

  #read(field: Field, vector: boolean, after = 0): void {
    this.#note(this.reads, field, vector, after);
  }

  #write(field: Field, vector: boolean, after = 0): void {
    this.#note(this.writes, field, vector, after);
    if (this.#conditional === 0) this.#note(this.kills, field, vector, after);
  }

  override if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#conditional++;
    super.if(condition, then, otherwise);
    this.#conditional--;
  }

  override rarely(conditions: readonly (() => I32)[], _then: () => void, otherwise?: () => void): void {
    this.exitsBefore = true;
    for (const condition of conditions) condition();
    otherwise?.();
  }

  override unlessRounded(isInexact: () => I32, then: () => void): void {
    this.rarely([() => this.fpFails('rounded'), () => this.fpFails('fused'), isInexact], then);
  }

  // ---- operands

  reg(field: Field): I64 {
    this.#read(field, false);
    return nothing;
  }
  reg32(field: Field): I32 {
    this.#read(field, false);
    return nothing;
  }
  setReg(field: Field, _value: I64): void {
    this.#write(field, false);
  }
  setReg32(field: Field, _value: I32): void {
    this.#write(field, false);
  }
  imm(): I64 {
    return nothing;
  }
  imm32(): I32 {
    return nothing;
  }
  immHigh(): I32 {
    return nothing;
  }
  field(_field: Field): I32 {
    return nothing;
  }
  pc(): I64 {
    this.usesPc = true;
    return nothing;
  }
  vec(field: Field): V128 {
    this.#read(field, true);
    return nothing;
  }
  setVec(field: Field, _value: V128): void {
    this.#write(field, true);
  }
  vecAfter(field: Field, count: number): V128 {
    this.#read(field, true, count);
    return nothing;
  }
  setVecAfter(field: Field, count: number, _value: V128): void {
    this.#write(field, true, count);
  }
  vecLow(field: Field): I64 {
    this.#read(field, true);
    return nothing;
  }
  vecLow32(field: Field): I32 {
    this.#read(field, true);
    return nothing;
  }
  setVecLow(field: Field, _value: I64): void {
    this.#write(field, true);
  }
  setVecLow32(field: Field, _value: I32): void {
    this.#write(field, true);
  }

  float(field: Field, _bits: 32 | 64): Float {
    this.#read(field, true);
    return nothing;
  }
  setFloat(field: Field, _bits: 32 | 64, _value: Float): void {
    this.#write(field, true);
  }

  // ---- state and flags

  state32(_offset: number): I32 {
    return nothing;
  }
  setState32(_offset: number, _value: I32): void {}
  state64(_offset: number): I64 {
    return nothing;
  }
  setState64(_offset: number, _value: I64): void {}
  fpFails(need: FpNeed): I32 {
    this.fpNeeds.add(need);
    return nothing;
  }
  stateAtImm(): I64 {
    return nothing;
  }
  setStateAtImm(_value: I64): void {}
  flag(_index: FlagIndex): I64 {
    this.readsFlags = true;
    return nothing;
  }
  setFlags(_nz: I64, _a: I64, _b: I64): void {
    this.writesFlags = true;
    if (this.#conditional === 0) this.killsFlags = true;
  }
  /** Sets them in both cases. */
  override flagsIf(_condition: I32, compare: () => void, _nzcv: Field): void {
    compare();
  }
  routineIndex(_routine: Routine): number {
    return 0;
  }

  // ---- memory

  #access(loads = false): void {
    this.usesMemory = true;
    this.loads &&= loads;
    this.exitsBefore = true;
  }
  load(_address: I64, _form: AccessForm): I64 {
    this.#access(true);
    return nothing;
  }
  store(_address: I64, _value: I64, _form: AccessForm): void {
    this.#access();
  }
  loadPair(_address: I64, _form: AccessForm): [Var<I64>, Var<I64>] {
    this.#access(true);
    return [this.letI64(nothing), this.letI64(nothing)];
  }
  loadFloat(_address: I64, _bits: 32 | 64): Float {
    this.#access(true);
    return nothing;
  }
  storeFloat(_address: I64, _bits: 32 | 64, _value: Float): void {
    this.#access();
  }
  storePair(_address: I64, _first: Var<I64>, _second: Var<I64>, _form: AccessForm): void {
    this.#access();
  }
  loadVec(_address: I64): V128 {
    this.#access(true);
    return nothing;
  }
  storeVec(_address: I64, _value: V128): void {
    this.#access();
  }
  loadVecPair(_address: I64): [Var<V128>, Var<V128>] {
    this.#access(true);
    return [this.letV128(nothing), this.letV128(nothing)];
  }
  storeVecPair(_address: I64, _first: Var<V128>, _second: Var<V128>): void {
    this.#access();
  }
  locate(_address: I64, _bytes: number, _access: 'read' | 'write' | 'update'): Var<I32> {
    this.#access();
    return this.code.scoped<I32>(I32_TYPE);
  }
  atomicLoad(_host: I32, _size: Size): I64 {
    return nothing;
  }
  atomicStore(_host: I32, _value: I64, _size: Size): void {}
  atomicUpdate(_op: AtomicOp, _host: I32, _value: I64, _size: Size): I64 {
    return nothing;
  }
  atomicCompareExchange(_host: I32, _expected: I64, _replacement: I64, _size: Size): I64 {
    return nothing;
  }
  zeroBlock(_address: I64): void {
    this.#access();
  }
  fence(): void {}

  // ---- control

  #interpret(kind: 'interpret' | 'port' = 'interpret'): void {
    if (this.#conditional > 0) this.exitsBefore = true;
    else if (this.flow.kind === 'next') this.flow = { kind };
  }
  branch(reach: Reach, branch: BranchKind): void {
    if (reach === 'far') this.usesPc = true;
    this.flow = { kind: 'branch', reach, branch };
  }
  branchIf(_condition: I32, reach: Reach): void {
    if (reach === 'far') this.usesPc = true;
    this.flow = { kind: 'branch if', reach, branch: 'jump' };
  }
  jump(_target: I64, branch: BranchKind): void {
    this.flow = { kind: 'jump', branch };
  }
  refetch(): void {
    this.usesPc = true;
    this.flow = { kind: 'jump', branch: 'jump' };
  }
  undefined(): void {
    this.#interpret();
  }
  raise(_exceptionClass: number, _iss: I32, _after: boolean): void {
    this.#interpret();
  }
  requireEl1(): void {
    this.exitsBefore = true;
  }
  requireFp(): void {
    this.usesFp = true;
    this.exitsBefore = true;
  }
  hypercall(_conduit: 'hvc' | 'smc'): void {
    this.#interpret('port');
  }
  systemRegister(): void {
    this.#interpret('port');
  }
  systemInstruction(): void {
    this.#interpret();
  }
  wait(_kind: 'wfi' | 'wfe'): void {
    this.#interpret();
  }
  exceptionReturn(): void {
    this.#interpret();
  }
  checkInterrupts(): void {
    this.exitsAfter = true;
  }
}

/**
 * Control goes elsewhere and is meant to come back behind the instruction: to a port, or by a branch that is a call. All
 * registers are in memory meanwhile.
 */
export const comesBack = ({ flow }: Footprint): boolean =>
  flow.kind === 'port' || ('branch' in flow && flow.branch === 'call');

/** Emits for nothing. @param emit - one instruction */
export function footprintOf(emit: (c: Emitter) => void): Footprint {
  const e = new FootprintEmitter(new Code(0));
  emit(e);
  const { readsFlags, writesFlags, killsFlags, exitsBefore, exitsAfter, flow } = e;
  const { usesPc, usesMemory, loads, usesFp } = e;
  return {
    reads: [...e.reads.values()],
    writes: [...e.writes.values()],
    kills: [...e.kills.values()],
    readsFlags,
    writesFlags,
    killsFlags,
    exitsBefore,
    exitsAfter,
    usesPc,
    usesMemory,
    loads: usesMemory && loads,
    usesFp,
    fpNeeds: [...e.fpNeeds],
    flow,
  };
}
