/** One function body: locals, structured control, pure operations. Emission is eager, in evaluation order. */
import { ByteSink } from './leb128.ts';
import {
  ATOMIC_OPS,
  F32_TYPE,
  F64_TYPE,
  I32_TYPE,
  I64_TYPE,
  MEMORY_OPS,
  OP,
  V128_TYPE,
  type AtomicOpName,
  type MemoryOpName,
} from './opcode.ts';
import {
  emittingOps,
  type F32,
  type F64,
  type I32,
  type I64,
  type PureOps,
  type V128,
  type Value,
} from './pure.ts';

export type ValueType =
  | typeof I32_TYPE
  | typeof I64_TYPE
  | typeof F32_TYPE
  | typeof F64_TYPE
  | typeof V128_TYPE;

// An emitted value is on the operand stack: there is nothing for JavaScript to hold.
const onStack = null as never;

/** Block type of a block without result. Source: section 5.3.3. */
const EMPTY = 0x40;

/** A local variable. */
export interface Local<T extends Value> {
  readonly index: number;
  get(): T;
  /** Takes the value on top of the stack. */
  set(value: T): void;
  /** Sets and leaves the value on the stack. */
  tee(value: T): T;
}

class LocalVariable<T extends Value> implements Local<T> {
  readonly index: number;
  readonly #sink: ByteSink;

  constructor(sink: ByteSink, index: number) {
    this.#sink = sink;
    this.index = index;
  }

  #emit(opcode: number): void {
    this.#sink.byte(opcode);
    this.#sink.u32(this.index);
  }

  get(): T {
    this.#emit(OP.local_get);
    return onStack;
  }

  set(_value: T): void {
    this.#emit(OP.local_set);
  }

  tee(_value: T): T {
    this.#emit(OP.local_tee);
    return onStack;
  }
}

/** A branch target: the nesting depth at which its block was opened. */
export type Label = number & { readonly __label: true };

export class Code {
  readonly sink = new ByteSink(256);
  readonly ops: PureOps;
  #params: number;
  /** By index; nothing in them depends on the function. */
  readonly #variables: LocalVariable<never>[] = [];
  readonly #locals: ValueType[] = [];
  /** Indices of scoped locals that can be used again, by type. */
  readonly #free = new Map<ValueType, number[]>();
  /** Indices of the scoped locals in use. */
  readonly #scoped: number[] = [];
  #depth = 0;
  /** Where conditions stand that are seldom true. */
  #unlikely: number[] = [];

  /** @param params - how many */
  constructor(params: number) {
    this.#params = params;
    const { sink } = this;
    this.ops = emittingOps({
      emit: (opcode) => this.#opcode(opcode),
      emitLane: (opcode, lane) => {
        this.#opcode(opcode);
        sink.byte(lane);
      },
      constI32: (value) => {
        sink.byte(OP.i32_const);
        sink.s32(typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value);
        return onStack;
      },
      constI64: (value) => {
        sink.byte(OP.i64_const);
        if (typeof value === 'number' && value === (value | 0)) sink.s32(value);
        else sink.s64(BigInt(value));
        return onStack;
      },
      constF32: (value) => {
        sink.byte(OP.f32_const);
        sink.bytes(new Uint8Array(Float32Array.of(value).buffer));
        return onStack;
      },
      constF64: (value) => {
        sink.byte(OP.f64_const);
        sink.bytes(new Uint8Array(Float64Array.of(value).buffer));
        return onStack;
      },
      constV128: (low, high) => {
        this.#opcode(0xfd00c);
        sink.bytes(new Uint8Array(BigInt64Array.of(BigInt.asIntN(64, low), BigInt.asIntN(64, high)).buffer));
        return onStack;
      },
      shuffle: (_a, _b, lanes) => {
        this.#opcode(0xfd00d);
        sink.bytes(lanes);
        return onStack;
      },
    });
  }

  /** Starts another body; what the first one was is gone. It keeps its buffers: there are thousands of functions. */
  restart(params: number): void {
    this.#params = params;
    this.sink.reset();
    this.#locals.length = 0;
    this.#free.clear();
    this.#scoped.length = 0;
    this.#depth = 0;
    this.#unlikely = [];
  }

  #opcode(opcode: number): void {
    if (opcode < 0x100) {
      this.sink.byte(opcode);
    } else if (opcode >= 0xfd000) {
      this.sink.byte(0xfd);
      this.sink.u32(opcode - 0xfd000);
    } else {
      this.sink.byte(0xfc);
      this.sink.u32(opcode - 0xfc00);
    }
  }

  // ---- locals

  #local<T extends Value>(index: number): Local<T> {
    const known = this.#variables[index] ?? new LocalVariable<never>(this.sink, index);
    this.#variables[index] = known;
    return known as unknown as Local<T>;
  }

  /** The function's parameter number `index`. */
  param<T extends Value>(index: number): Local<T> {
    return this.#local<T>(index);
  }

  /** A local that lives to the end of the function. */
  local<T extends Value>(type: ValueType): Local<T> {
    this.#locals.push(type);
    return this.#local<T>(this.#params + this.#locals.length - 1);
  }

  /** A local that lives until {@link endScope}; its contents are undefined at first. */
  scoped<T extends Value>(type: ValueType): Local<T> {
    const index = this.#free.get(type)?.pop() ?? this.local(type).index;
    this.#scoped.push(index);
    return this.#local<T>(index);
  }

  /** Gives the scoped locals back for reuse. */
  endScope(): void {
    for (const index of this.#scoped) {
      const type = this.#locals[index - this.#params]!;
      const free = this.#free.get(type);
      if (free) free.push(index);
      else this.#free.set(type, [index]);
    }
    this.#scoped.length = 0;
  }

  letI32(_value: I32): Local<I32> {
    const local = this.scoped<I32>(I32_TYPE);
    local.set(onStack);
    return local;
  }

  letI64(_value: I64): Local<I64> {
    const local = this.scoped<I64>(I64_TYPE);
    local.set(onStack);
    return local;
  }

  letF32(_value: F32): Local<F32> {
    const local = this.scoped<F32>(F32_TYPE);
    local.set(onStack);
    return local;
  }

  letF64(_value: F64): Local<F64> {
    const local = this.scoped<F64>(F64_TYPE);
    local.set(onStack);
    return local;
  }

  letV128(_value: V128): Local<V128> {
    const local = this.scoped<V128>(V128_TYPE);
    local.set(onStack);
    return local;
  }

  // ---- control

  select<T extends Value>(_ifTrue: T, _ifFalse: T, _condition: I32): T {
    this.sink.byte(OP.select);
    return onStack;
  }

  /** `select` of vectors, which must name its type. */
  selectV128(_ifTrue: V128, _ifFalse: V128, _condition: I32): V128 {
    this.sink.bytes([OP.select_t, 1, V128_TYPE]);
    return onStack;
  }

  #open(opcode: number): Label {
    this.sink.byte(opcode);
    this.sink.byte(EMPTY);
    return ++this.#depth as Label;
  }

  block(): Label {
    return this.#open(OP.block);
  }

  loop(): Label {
    return this.#open(OP.loop);
  }

  end(): void {
    this.sink.byte(OP.end);
    this.#depth--;
  }

  if(_condition: I32, then: () => void, otherwise?: () => void): void {
    this.#open(OP.if);
    then();
    if (otherwise) {
      this.sink.byte(OP.else);
      otherwise();
    }
    this.end();
  }

  /** {@link if} for what is seldom done: the engine keeps it apart, if it takes hints. */
  ifUnlikely(_condition: I32, then: () => void): void {
    this.#unlikely.push(this.sink.length);
    this.if(onStack, then);
  }

  br(label: Label): void {
    this.sink.byte(OP.br);
    this.sink.u32(this.#depth - label);
  }

  brIf(_condition: I32, label: Label): void {
    this.sink.byte(OP.br_if);
    this.sink.u32(this.#depth - label);
  }

  /** {@link brIf} for what is seldom done. */
  brIfUnlikely(_condition: I32, label: Label): void {
    this.#unlikely.push(this.sink.length);
    this.brIf(onStack, label);
  }

  brTable(_index: I32, labels: readonly Label[], otherwise: Label): void {
    this.sink.byte(OP.br_table);
    this.sink.u32(labels.length);
    for (const label of labels) this.sink.u32(this.#depth - label);
    this.sink.u32(this.#depth - otherwise);
  }

  return(): void {
    this.sink.byte(OP.return);
  }

  unreachable(): void {
    this.sink.byte(OP.unreachable);
  }

  drop(_value: Value): void {
    this.sink.byte(OP.drop);
  }

  /** @param _operands - on the stack, in order */
  call<T = void>(functionIndex: number, ..._operands: Value[]): T {
    this.sink.byte(OP.call);
    this.sink.u32(functionIndex);
    return onStack;
  }

  /** Calls through table 0; the table index is on top of the stack. */
  callIndirect<T = void>(typeIndex: number, _operands: readonly Value[], _tableIndex: I32): T {
    this.sink.byte(OP.call_indirect);
    this.sink.u32(typeIndex);
    this.sink.byte(0);
    return onStack;
  }

  /** A call whose result is this function's; the frame is gone before it. */
  returnCall(functionIndex: number, ..._operands: Value[]): void {
    this.sink.byte(OP.return_call);
    this.sink.u32(functionIndex);
  }

  /** {@link callIndirect} as {@link returnCall}. */
  returnCallIndirect(typeIndex: number, _operands: readonly Value[], _tableIndex: I32): void {
    this.sink.byte(OP.return_call_indirect);
    this.sink.u32(typeIndex);
    this.sink.byte(0);
  }

  globalGet<T extends Value>(index: number): T {
    this.sink.byte(OP.global_get);
    this.sink.u32(index);
    return onStack;
  }

  // ---- memory

  /** @param alignment - log2 of what is known of the address; 0 promises nothing */
  #memory(opcode: number, alignment: number, offset: number): void {
    this.#opcode(opcode);
    this.sink.u32(alignment);
    this.sink.u32(offset);
  }

  /** A plain load. Alignment is only a hint, so none is promised. */
  load<T extends Value>(name: MemoryOpName, _address: I32, offset = 0): T {
    this.#memory(MEMORY_OPS[name][0], 0, offset);
    return onStack;
  }

  store(name: MemoryOpName, _address: I32, _value: Value, offset = 0): void {
    this.#memory(MEMORY_OPS[name][0], 0, offset);
  }

  #atomic(name: AtomicOpName, offset: number): void {
    const [opcode, alignment] = ATOMIC_OPS[name];
    this.sink.byte(0xfe);
    this.sink.u32(opcode);
    this.sink.u32(alignment);
    this.sink.u32(offset);
  }

  /** An atomic load or read-modify-write; the address must be naturally aligned. */
  atomic<T extends Value>(name: AtomicOpName, _address: I32, _operands: readonly Value[], offset = 0): T {
    this.#atomic(name, offset);
    return onStack;
  }

  atomicStore(name: AtomicOpName, _address: I32, _value: Value, offset = 0): void {
    this.#atomic(name, offset);
  }

  atomicFence(): void {
    this.sink.bytes([0xfe, 0x03, 0x00]);
  }

  /** `memory.fill` of the only memory. */
  memoryFill(_address: I32, _byte: I32, _length: I32): void {
    this.sink.bytes([0xfc, 0x0b, 0x00]);
  }

  /**
   * Appends the body as the code section holds it: local declarations, instructions, `end`.
   *
   * @returns where the branches stand, in the body, that are seldom taken
   */
  encode(out: ByteSink): readonly number[] {
    const begin = out.length;
    const locals = this.#locals;
    const starts = locals.flatMap((type, i) => (type === locals[i - 1] ? [] : [i]));
    out.u32(starts.length);
    for (const [n, start] of starts.entries()) {
      out.u32((starts[n + 1] ?? locals.length) - start);
      out.byte(locals[start]!);
    }
    const header = out.length - begin;
    out.sink(this.sink);
    out.byte(OP.end);
    return this.#unlikely.map((at) => header + at);
  }
}
