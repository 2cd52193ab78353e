/**
 * What every back end that emits Wasm shares: pure operations, variables, structure, flags. How operands, flags,
 * memory and control are reached is left to the interpreter's handlers and to the JIT.
 */
import type { Code, Local } from '../wasm/code.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import { extendOps, type PureOps } from '../wasm/pure.ts';
import type {
  F32,
  F64,
  Field,
  Float,
  FpNeed,
  I32,
  I64,
  Routine,
  RoutineType,
  V128,
  Value,
  ValueOf,
  Var,
  Word,
  WordOps,
} from './emitter.ts';

/** The three flag words, in this order: see flags.ts. */
export type FlagIndex = 0 | 1 | 2;

/** Two integers, perhaps a carry, and what they sum up to. */
export interface Sum<T extends Value> {
  readonly x: Var<T>;
  readonly y: Var<T>;
  readonly result: Var<T>;
  /** Out of the sum. */
  readonly carry: Var<I32>;
}

export abstract class CodeEmitter {
  readonly code: Code;
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
  #word32: WordOps<Word> | undefined;
  #word64: WordOps<Word> | undefined;

  constructor(code: Code) {
    this.code = code;
    const { ops } = code;
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
  }

  // ---- left to the back end

  abstract reg(field: Field): I64;
  abstract setReg(field: Field, value: I64): void;
  abstract reg32(field: Field): I32;
  abstract setReg32(field: Field, value: I32): void;
  abstract imm(): I64;
  abstract imm32(): I32;
  abstract field(field: Field): I32;
  abstract flag(index: FlagIndex): I64;
  /** Takes three values from the stack: NZ, FA, FB. */
  abstract setFlags(nz: I64, a: I64, b: I64): void;
  /** The index of the function that holds a routine's body. */
  abstract routineIndex(routine: Routine): number;

  // ---- values

  // A Word is whichever width the definition asked for; nothing outside this class can tell. Made when first asked for.
  word(bits: 32 | 64): WordOps<Word> {
    if (bits === 64) return (this.#word64 ??= this.#makeWord64() as unknown as WordOps<Word>);
    return (this.#word32 ??= this.#makeWord32() as unknown as WordOps<Word>);
  }

  /** A scoped local may hold what an earlier scope left. */
  #zeroed<T extends Value>(type: typeof I32_TYPE | typeof I64_TYPE, zero: () => T): Local<T> {
    const local = this.code.scoped<T>(type);
    local.set(zero());
    return local;
  }

  #makeWord32(): WordOps<I32> {
    const { code } = this;
    const { ops } = code;
    return extendOps<WordOps<I32>>(ops.i32, {
      bits: 32,
      reg: (field) => this.reg32(field),
      setReg: (field, value) => this.setReg32(field, value),
      imm: () => this.imm32(),
      field: (field) => this.field(field),
      let: (value) => code.letI32(value),
      variable: () => this.#zeroed(I32_TYPE, () => ops.i32.const(0)),
      toI64: (value) => ops.i64.extend_i32_u(value),
      signed: (value) => ops.i64.extend_i32_s(value),
      fromI64: (value) => ops.i32.wrap_i64(value),
      fromI32: (value) => value,
    });
  }

  #makeWord64(): WordOps<I64> {
    const { code } = this;
    const { ops } = code;
    return extendOps<WordOps<I64>>(ops.i64, {
      bits: 64,
      reg: (field) => this.reg(field),
      setReg: (field, value) => this.setReg(field, value),
      imm: () => this.imm(),
      field: (field) => ops.i64.extend_i32_u(this.field(field)),
      let: (value) => code.letI64(value),
      variable: () => this.#zeroed(I64_TYPE, () => ops.i64.const(0)),
      toI64: (value) => value,
      signed: (value) => value,
      fromI64: (value) => value,
      fromI32: (value) => ops.i64.extend_i32_u(value),
    });
  }

  letI32(value: I32): Var<I32> {
    return this.code.letI32(value);
  }

  letI64(value: I64): Var<I64> {
    return this.code.letI64(value);
  }

  letF32(value: F32): Var<F32> {
    return this.code.letF32(value);
  }

  letF64(value: F64): Var<F64> {
    return this.code.letF64(value);
  }

  letV128(value: V128): Var<V128> {
    return this.code.letV128(value);
  }

  select<T extends I32 | I64 | F32 | F64>(ifTrue: T, ifFalse: T, condition: I32): T {
    return this.code.select(ifTrue, ifFalse, condition);
  }

  selectV128(ifTrue: V128, ifFalse: V128, condition: I32): V128 {
    return this.code.selectV128(ifTrue, ifFalse, condition);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.code.if(condition, then, otherwise);
  }

  rarely(conditions: readonly (() => I32)[], then: () => void, otherwise?: () => void): void {
    const any = conditions.slice(1).reduce((holds, each) => this.i32.or(holds, each()), conditions[0]!());
    this.if(any, then, otherwise);
  }

  abstract fpFails(need: FpNeed): I32;

  unlessRounded(_isInexact: () => I32, then: () => void): void {
    this.rarely([() => this.fpFails('rounded')], then);
  }

  repeat(body: () => I32): void {
    const again = this.code.loop();
    this.code.brIf(body(), again);
    this.code.end();
  }

  call<P extends readonly RoutineType[], R extends RoutineType>(
    routine: Routine<P, R>,
    ...operands: { [K in keyof P]: ValueOf<P[K]> }
  ): ValueOf<R> {
    const index = this.routineIndex(routine as unknown as Routine);
    return this.code.call<ValueOf<R>>(index, ...(operands as unknown as Value[]));
  }

  // ---- flags

  flagsFromSub<T extends Value>(w: WordOps<T>, a: Var<T>, b: Var<T>, result: Var<T>): void {
    this.setFlags(w.signed(result.get()), w.signed(a.get()), w.signed(b.get()));
  }

  flagsFromAdd<T extends Value>(w: WordOps<T>, x: Var<T>, y: Var<T>, result: Var<T>): void {
    const carry = this.letI32(w.lt_u(result.get(), x.get()));
    this.flagsFromSum(w, { x, y, result, carry });
  }

  flagsFromAddCarry<T extends Value>(
    w: WordOps<T>,
    x: Var<T>,
    y: Var<T>,
    carryIn: Var<I32>,
    result: Var<T>,
  ): void {
    const { i32 } = this;
    const carry = this.letI32(
      i32.or(w.lt_u(result.get(), x.get()), i32.and(carryIn.get(), w.eq(result.get(), x.get()))),
    );
    this.flagsFromSum(w, { x, y, result, carry });
  }

  protected flagsFromSum<T extends Value>(w: WordOps<T>, sum: Sum<T>): void {
    this.setFlags(this.flagOfSum(w, 0, sum), this.flagOfSum(w, 1, sum), this.flagOfSum(w, 2, sum));
  }

  /** A word of the flags of a sum: the pairs of flags.ts, computed. */
  protected flagOfSum<T extends Value>(
    w: WordOps<T>,
    index: FlagIndex,
    { x, y, result, carry }: Sum<T>,
  ): I64 {
    const { i32, i64 } = this;
    if (index === 0) return w.signed(result.get());
    // The sign of the exact sum: the result's, unless both operands have the other one.
    const negative = this.letI32(
      w.lt_s(
        w.xor(result.get(), w.and(w.xor(x.get(), result.get()), w.xor(y.get(), result.get()))),
        w.const(0),
      ),
    );
    return i64.extend_i32_s(
      index === 1
        ? i32.sub(i32.const(0), i32.and(negative.get(), carry.get()))
        : i32.sub(negative.get(), i32.eq(carry.get(), negative.get())),
    );
  }

  /** 1 if the first float is greater than the second. */
  protected floatIsGreater(bits: 32 | 64, x: Var<Float>, y: Var<Float>): I32 {
    return bits === 64 ? this.f64.gt(x.get(), y.get()) : this.f32.gt(x.get(), y.get());
  }

  /** As the integers x > y and x < y set them when subtracted: so a condition costs what it does after those. */
  flagsFromFloats(bits: 32 | 64, x: Var<Float>, y: Var<Float>): void {
    const { i32, i64 } = this;
    const greater = this.letI32(this.floatIsGreater(bits, x, y));
    const less = this.letI32(this.floatIsGreater(bits, y, x));
    this.setFlags(
      i64.extend_i32_s(i32.sub(greater.get(), less.get())),
      i64.extend_i32_u(greater.get()),
      i64.extend_i32_u(less.get()),
    );
  }

  flagsFromLogic<T extends Value>(w: WordOps<T>, result: Var<T>): void {
    this.setFlags(
      this.flagOfLogic(w, 0, result),
      this.flagOfLogic(w, 1, result),
      this.flagOfLogic(w, 2, result),
    );
  }

  /** A word of the flags of a result where C = V = 0. */
  protected flagOfLogic<T extends Value>(w: WordOps<T>, index: FlagIndex, result: Var<T>): I64 {
    const { i64 } = this;
    // C = 0: FA < -1 unsigned; N ≠ V = N: FA is -2 or 0.
    if (index === 2) return i64.const(-1);
    const signed = w.signed(result.get());
    return index === 0 ? signed : i64.shl(i64.shr_s(signed, i64.const(63)), i64.const(1));
  }

  flagsIf(condition: I32, compare: () => void, nzcv: Field): void {
    this.if(condition, compare, () => this.setNzcv(this.field(nzcv)));
  }

  carry(): I32 {
    return this.i64.ge_u(this.flag(1), this.flag(2));
  }

  #negative(): I32 {
    const { i32, i64 } = this;
    const mark = i32.and(
      i32.and(i64.eqz(this.flag(0)), i64.ne(this.flag(1), this.flag(2))),
      i64.eqz(i64.and(i64.or(this.flag(1), this.flag(2)), i64.const(3))),
    );
    return i32.or(mark, i64.lt_s(this.flag(0), i64.const(0)));
  }

  condition(code: number): I32 {
    const { i32, i64 } = this;
    const invert = (code & 1) === 1 && code < 14;
    const plain = (): I32 => {
      switch (code >> 1) {
        case 0:
          return i64.eqz(this.flag(0));
        case 1:
          return this.carry();
        case 2:
          return this.#negative();
        case 3:
          return i32.xor(this.#negative(), i64.lt_s(this.flag(1), this.flag(2)));
        case 4:
          return i32.and(this.carry(), i64.ne(this.flag(0), i64.const(0)));
        case 5:
          return i64.ge_s(this.flag(1), this.flag(2));
        case 6:
          return i32.and(i64.ge_s(this.flag(1), this.flag(2)), i64.ne(this.flag(0), i64.const(0)));
        default:
          return i32.const(1);
      }
    };
    const holds = plain();
    return invert ? i32.eqz(holds) : holds;
  }

  nzcv(): I32 {
    const { i32, i64 } = this;
    const n = this.letI32(this.#negative());
    return i32.or(
      i32.or(i32.shl(n.get(), i32.const(3)), i32.shl(i64.eqz(this.flag(0)), i32.const(2))),
      i32.or(i32.shl(this.carry(), i32.const(1)), i32.xor(n.get(), i64.lt_s(this.flag(1), this.flag(2)))),
    );
  }

  setNzcv(value: I32): void {
    const { i32, i64 } = this;
    const nzcv = this.letI32(value);
    const bit = (n: number): I32 => i32.and(i32.shr_u(nzcv.get(), i32.const(n)), i32.const(1));
    const n = this.letI32(bit(3));
    const z = this.letI32(bit(2));
    const carry = this.letI32(bit(1));
    const differ = this.letI32(i32.xor(n.get(), bit(0)));
    // N and Z together need the mark: the pair times four, and (4, 0) for the pair whose members are equal.
    const marked = this.letI32(i32.and(n.get(), z.get()));
    const scale = (x: I32): I64 => i64.extend_i32_s(i32.shl(x, i32.shl(marked.get(), i32.const(1))));
    const only = (): I32 => i32.shl(i32.and(marked.get(), i32.gt_u(carry.get(), differ.get())), i32.const(2));
    this.setFlags(
      i64.extend_i32_s(
        this.select(i32.const(0), i32.sub(i32.const(1), i32.shl(n.get(), i32.const(1))), z.get()),
      ),
      i64.or(scale(i32.sub(i32.const(0), i32.and(differ.get(), carry.get()))), i64.extend_i32_u(only())),
      scale(i32.sub(differ.get(), i32.eq(carry.get(), differ.get()))),
    );
  }
}
