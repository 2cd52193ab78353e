/** Memory accesses of a handler: one TLB entry tested in line, the rest in slow-path.ts. */
import type { AccessForm, AtomicOp, I32, I64, Size, V128, Var } from '../a64/emitter.ts';
import { ACCESS_ORDERED, ACCESS_SIGNED, ACCESS_SYNDROME, ACCESS_WIDE, ACCESS_WRITE } from '../mmu/access.ts';
import { HIT_LIMIT } from '../mmu/tlb.ts';
import { OP, TLB, TLB_BASE, TLB_TABLE_SIZE } from '../state/vcpu-state.ts';
import type { AtomicOpName, MemoryOpName } from '../wasm/opcode.ts';
import { I32_TYPE } from '../wasm/opcode.ts';
import {
  FORM_QUAD,
  FORM_SLOT_SHIFT,
  FORM_UNPRIVILEGED,
  FORM_UPDATE,
  FORM_ZERO_BLOCK,
  STORED_AND_LEAVE,
} from './slow-path.ts';
import { OperandEmitter } from './operands.ts';
import { OP_SIZE } from './uop.ts';

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
/** Form of a whole vector; loose ones are aligned to nothing. */
const quadForm = (loose: boolean): number => (loose ? 0 : 3 | FORM_QUAD);
const ATOMIC_LOADS = {
  0: 'i64.load8_u',
  1: 'i64.load16_u',
  2: 'i64.load32_u',
  3: 'i64.load',
} as const satisfies Record<Size, AtomicOpName>;

const atomicName = (op: AtomicOp | 'cmpxchg', size: Size): AtomicOpName =>
  size === 3 ? `i64.rmw.${op}` : `i64.rmw${[8, 16, 32][size] as 8 | 16 | 32}.${op}_u`;

export abstract class MemoryEmitter extends OperandEmitter {
  /** Leaves guest code. @param why - written to LEAVE unless the callee has done so */
  protected abstract leave(why?: number): void;

  #form(form: AccessForm, write: boolean, single: boolean): number {
    return (
      (form.loose === true ? 0 : form.size) |
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
      if ((form & FORM_UNPRIVILEGED) !== 0) return i32.add(this.vcpu.get(), i32.const(TLB));
      return this.frame ? this.frame.tlb.get() : this.state32(TLB_BASE);
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
        this.setState32(OP, this.op.get());
        host.set(
          this.code.call<I32>(this.imports.read, address.get(), this.#formWord(form), i32.const(bytes)),
        );
        this.code.if(i32.eqz(host.get()), () => this.leave());
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

  loadVec(address: I64, loose = false): V128 {
    const at = this.code.letI64(address);
    const host = this.#readable(at, quadForm(loose), 16, false);
    return this.code.load('v128.load', host.get());
  }

  loadVecPair(address: I64, loose = false): [Var<V128>, Var<V128>] {
    const at = this.code.letI64(address);
    const host = this.#readable(at, quadForm(loose), 32, false);
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
        this.setState32(OP, this.op.get());
        this.#slowStore(at.get(), stored.get(), flags, 1 << form.size);
      },
    );
  }

  #slowStore(address: I64, value: I64, form: number, bytes: number): void {
    const stored = this.code.letI64(value);
    const at = this.code.letI64(address);
    const answer = this.code.call<I32>(
      this.imports.write,
      at.get(),
      this.#formWord(form),
      this.i32.const(bytes),
      stored.get(),
    );
    const left = this.code.letI32(answer);
    this.code.if(left.get(), () => {
      // Only a device store can be made and leave, and such a store is a whole instruction.
      const done = this.i32.eq(left.get(), this.i32.const(STORED_AND_LEAVE));
      this.op.set(this.i32.add(this.i32.mul(done, this.i32.const(OP_SIZE)), this.op.get()));
      this.leave();
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
        this.setState32(OP, this.op.get());
        const answer = this.code.call<I32>(
          this.imports.probe,
          address.get(),
          i32.const(form),
          i32.const(bytes),
        );
        this.code.if(answer, () => this.leave());
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

  storeVec(address: I64, value: V128, loose = false): void {
    const stored = this.code.letV128(value);
    this.#storeVectors(address, [stored], loose);
  }

  storeVecPair(address: I64, first: Var<V128>, second: Var<V128>, loose = false): void {
    this.#storeVectors(address, [first, second], loose);
  }

  #storeVectors(address: I64, values: readonly Var<V128>[], loose: boolean): void {
    const at = this.code.letI64(address);
    this.#storePieces(
      at,
      quadForm(loose) | ACCESS_WRITE,
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

  locate(address: I64, bytes: number, access: 'read' | 'write' | 'update'): Var<I32> {
    const size = Math.min(Math.log2(bytes), 3) as Size;
    const update = access === 'update' ? FORM_UPDATE : 0;
    const form = this.#form({ size }, access !== 'read', false) | update;
    return this.#locate(this.code.letI64(address), bytes, bytes, form);
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
        this.setState32(OP, this.op.get());
        host.set(this.code.call<I32>(this.imports.locate, at.get(), i32.const(form), i32.const(bytes)));
        this.code.if(i32.eqz(host.get()), () => this.leave());
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
