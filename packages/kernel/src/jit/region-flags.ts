/**
 * The flags of a region. Mostly an instruction sets them for the next one, which asks for one condition: so what they
 * are set by is kept, a condition is one comparison of that, and the three words of flags.ts are computed only where
 * somebody needs them: at a way out, or where ways meet and the flags are still read.
 */
import type { FlagIndex, Sum } from '../a64/code-emitter.ts';
import type { Field, Float, I32, I64, Value, Var, Word, WordOps } from '../a64/emitter.ts';
import { packFlags } from '../a64/flags.ts';
import { flagsThatHold } from '../a64/shared/condition.ts';
import { MemoryEmitter } from '../interp/memory-emitter.ts';
import { FLAG_OFFSET } from '../interp/operands.ts';
import type { Local, ValueType } from '../wasm/code.ts';
import { F32_TYPE, F64_TYPE, I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import type { OpFacts } from './data-flow.ts';
import { fieldOf, type RegisterSet } from './registers.ts';

interface Difference {
  readonly kind: 'difference';
  readonly bits: 32 | 64;
  readonly x: Local<Word>;
  readonly y: Local<Word>;
}
interface Summed extends Sum<Word> {
  readonly kind: 'sum';
  readonly bits: 32 | 64;
}
interface Logic {
  readonly kind: 'logic';
  readonly bits: 32 | 64;
  readonly result: Var<Word>;
}
/** Neither is a NaN. */
interface Floats {
  readonly kind: 'floats';
  readonly bits: 32 | 64;
  readonly x: Local<Float>;
  readonly y: Local<Float>;
}
/** As `source` sets them if `holds` is 1, else the constant. */
interface Chosen {
  readonly kind: 'chosen';
  readonly holds: Local<I32>;
  readonly source: Difference | Summed;
  readonly nzcv: number;
}

/** What the flags were set by. */
export type FlagSource = Difference | Summed | Logic | Floats | Chosen;

const FLOAT_TYPE = { 32: F32_TYPE, 64: F64_TYPE } as const;

/** By code of the condition: what holds of x and y after x − y. N and V alone have none. */
const OF_DIFFERENCE = [
  'eq',
  'ne',
  'ge_u',
  'lt_u',
  undefined,
  undefined,
  undefined,
  undefined,
  'gt_u',
  'le_u',
  'ge_s',
  'lt_s',
  'gt_s',
  'le_s',
] as const;

/** What holds of a result and 0 where C = V = 0; a number is the answer itself. */
const OF_LOGIC = ['eq', 'ne', 0, 1, 'lt_s', 'ge_s', 0, 1, 0, 1, 'ge_s', 'lt_s', 'gt_s', 'le_s'] as const;

/** What a condition means after a comparison of two floats of which none is a NaN. */
const OF_FLOATS = [
  'eq',
  'ne',
  'ge',
  'lt',
  'lt',
  'ge',
  undefined,
  undefined,
  'gt',
  'le',
  'ge',
  'lt',
  'gt',
  'le',
] as const;

const CS = 2;
const CC = 3;
const MI = 4;
const PL = 5;

export abstract class RegionFlags extends MemoryEmitter {
  /** Stale words in memory, at this point of the code. */
  abstract dirty: RegisterSet;
  protected abstract get facts(): OpFacts;

  /** `undefined` = the words are in their locals. */
  protected flagSource: FlagSource | undefined;
  readonly #words: Local<I64>[] = [];
  /** Locals of sources, by what they hold. */
  readonly #locals = new Map<string, Local<never>>();

  #wordLocal(index: FlagIndex): Local<I64> {
    return (this.#words[index] ??= this.code.local<I64>(I64_TYPE));
  }

  protected reloadFlags(): void {
    this.flagSource = undefined;
    for (const index of [0, 1, 2] as const) this.#wordLocal(index).set(this.state64(FLAG_OFFSET[index]));
  }

  protected storeFlags(): void {
    for (const index of [0, 1, 2] as const) {
      this.code.store('i64.store', this.vcpu.get(), this.flag(index), FLAG_OFFSET[index]);
    }
  }

  /** Puts the words into their locals, if somebody reads them. */
  protected settleFlags(isRead: boolean): void {
    if (!this.flagSource) return;
    if (isRead) for (const index of [2, 1, 0] as const) this.#wordLocal(index).set(this.flag(index));
    this.flagSource = undefined;
  }

  // ---- setting

  /** A copy of the value that outlives the instruction, in the local of that name. */
  #kept<T extends Value>(name: string, type: ValueType, value: Var<T>): Local<T> {
    const key = `${name} ${type}`;
    const local = this.#locals.get(key) ?? this.code.local<never>(type);
    this.#locals.set(key, local);
    local.set(value.get() as never);
    return local as unknown as Local<T>;
  }

  #word<T extends Value>(name: string, { bits }: WordOps<T>, value: Var<T>): Local<Word> {
    return this.#kept(name, bits === 64 ? I64_TYPE : I32_TYPE, value as unknown as Var<Word>);
  }

  /** Whether anybody reads the flags that the instruction at hand sets. */
  #areRead(): boolean {
    const { flagsAfter } = this.facts;
    if (flagsAfter) this.dirty.flags = true;
    return flagsAfter;
  }

  override flagsFromSub<T extends Value>(w: WordOps<T>, a: Var<T>, b: Var<T>, _result: Var<T>): void {
    if (!this.#areRead()) return;
    const { bits } = w;
    this.flagSource = { kind: 'difference', bits, x: this.#word('x', w, a), y: this.#word('y', w, b) };
  }

  protected override flagsFromSum<T extends Value>(w: WordOps<T>, sum: Sum<T>): void {
    if (!this.#areRead()) return;
    this.flagSource = {
      kind: 'sum',
      bits: w.bits,
      x: this.#word('x', w, sum.x),
      y: this.#word('y', w, sum.y),
      result: this.#word('result', w, sum.result),
      carry: this.#kept('carry', I32_TYPE, sum.carry),
    };
  }

  override flagsFromLogic<T extends Value>(w: WordOps<T>, result: Var<T>): void {
    if (!this.#areRead()) return;
    this.flagSource = { kind: 'logic', bits: w.bits, result: this.#word('result', w, result) };
  }

  override flagsFromFloats(bits: 32 | 64, first: Var<Float>, second: Var<Float>): void {
    if (!this.#areRead()) return;
    const type = FLOAT_TYPE[bits];
    this.flagSource = {
      kind: 'floats',
      bits,
      x: this.#kept('x', type, first),
      y: this.#kept('y', type, second),
    };
  }

  override flagsIf(condition: I32, compare: () => void, nzcv: Field): void {
    const holds = this.letI32(condition);
    compare();
    const source = this.flagSource;
    if (!this.#areRead() || (source?.kind !== 'difference' && source?.kind !== 'sum')) return;
    this.flagSource = {
      kind: 'chosen',
      holds: this.#kept('holds', I32_TYPE, holds),
      source,
      nzcv: fieldOf(this.facts.op, nzcv),
    };
  }

  setFlags(nz: I64, a: I64, b: I64): void {
    if (!this.#areRead()) {
      for (const dead of [b, a, nz]) this.code.drop(dead);
      return;
    }
    this.flagSource = undefined;
    this.#wordLocal(2).set(b);
    this.#wordLocal(1).set(a);
    this.#wordLocal(0).set(nz);
  }

  // ---- reading

  flag(index: FlagIndex): I64 {
    return this.flagSource ? this.#wordOf(this.flagSource, index) : this.#wordLocal(index).get();
  }

  #wordOf(source: FlagSource, index: FlagIndex): I64 {
    const { i32, i64 } = this;
    switch (source.kind) {
      case 'difference': {
        const w = this.word(source.bits);
        const { x, y } = source;
        if (index > 0) return w.signed((index === 1 ? x : y).get());
        // Not x − y: V8 would find it equal to the result, and compute that on the hot way though nobody keeps it.
        return w.signed(w.sub(w.const(0), w.sub(y.get(), x.get())));
      }
      case 'sum':
        return this.flagOfSum(this.word(source.bits), index, source);
      case 'logic':
        return this.flagOfLogic(this.word(source.bits), index, source.result);
      case 'floats': {
        // As CodeEmitter.flagsFromFloats leaves it.
        const { bits, x, y } = source;
        const greater = (): I32 => this.floatIsGreater(bits, x, y);
        const less = (): I32 => this.floatIsGreater(bits, y, x);
        if (index === 0) return i64.extend_i32_s(i32.sub(greater(), less()));
        return i64.extend_i32_u(index === 1 ? greater() : less());
      }
      case 'chosen': {
        const { nz, a, b } = packFlags(source.nzcv);
        return this.select(
          this.#wordOf(source.source, index),
          i64.const([nz, a, b][index]!),
          source.holds.get(),
        );
      }
    }
  }

  override carry(): I32 {
    const direct = this.flagSource && this.#directly(this.flagSource, CS);
    return direct ? direct() : super.carry();
  }

  override condition(code: number): I32 {
    const direct = this.flagSource && this.#directly(this.flagSource, code);
    return direct ? direct() : super.condition(code);
  }

  /** What emits a condition without the words of the flags. */
  #directly(source: FlagSource, code: number): (() => I32) | undefined {
    const { i32 } = this;
    switch (source.kind) {
      case 'difference': {
        const { bits, x, y } = source;
        const w = this.word(bits);
        const op = OF_DIFFERENCE[code];
        if (op) return () => w[op](x.get(), y.get());
        if (code !== MI && code !== PL) return undefined;
        return () => w[code === MI ? 'lt_s' : 'ge_s'](w.sub(x.get(), y.get()), w.const(0));
      }
      case 'sum': {
        const { bits, result, carry } = source;
        if (code === CS) return () => carry.get();
        if (code === CC) return () => i32.eqz(carry.get());
        return code <= PL ? this.#againstZero(bits, result, OF_LOGIC[code]!) : undefined;
      }
      case 'logic': {
        const op = OF_LOGIC[code];
        return op === undefined ? undefined : this.#againstZero(source.bits, source.result, op);
      }
      case 'floats': {
        const { bits, x, y } = source;
        const op = OF_FLOATS[code];
        if (op === undefined) return undefined;
        return () => (bits === 64 ? this.f64[op](x.get(), y.get()) : this.f32[op](x.get(), y.get()));
      }
      case 'chosen': {
        const { holds, nzcv } = source;
        const compared = this.#directly(source.source, code);
        if (!compared) return undefined;
        const otherwise = (flagsThatHold(code) >>> nzcv) & 1;
        return otherwise
          ? () => i32.or(i32.eqz(holds.get()), compared())
          : () => i32.and(holds.get(), compared());
      }
    }
  }

  #againstZero(bits: 32 | 64, result: Var<Word>, op: (typeof OF_LOGIC)[number]): () => I32 {
    const w = this.word(bits);
    return typeof op === 'number' ? () => this.i32.const(op) : () => w[op](result.get(), w.const(0));
  }
}
