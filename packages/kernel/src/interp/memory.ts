/** Memory accesses of a handler that the TLB does not settle: calls of slow-path.ts. */
import type { AccessForm, Float, I32, I64, Size, V128, Var } from '../a64/emitter.ts';
import { ACCESS_SYNDROME, ACCESS_WRITE } from '../mmu/access.ts';
import { OP } from '../state/vcpu-state.ts';
import { I32_TYPE } from '../wasm/opcode.ts';
import { formOf, quadForm, STORES } from './memory-emitter.ts';
import { OperandEmitter } from './operands.ts';
import { FORM_QUAD, FORM_SLOT_SHIFT, FORM_ZERO_BLOCK, STORED_AND_LEAVE } from './slow-path.ts';
import { OP_SIZE } from './uop.ts';

export abstract class SlowMemoryEmitter extends OperandEmitter {
  /** Leaves guest code. @param why - written to LEAVE unless the callee has done so */
  protected abstract leave(why?: number): void;

  /** The form word for the slow path: with the slot of the register if a device may be meant. */
  #formWord(form: number): I32 {
    const { i32 } = this;
    if ((form & ACCESS_SYNDROME) === 0) return i32.const(form);
    return i32.or(i32.shl(this.field('a'), i32.const(FORM_SLOT_SHIFT)), i32.const(form));
  }

  protected readable(address: Var<I64>, form: number, bytes: number, single: boolean): Var<I32> {
    const { i32 } = this;
    const sum = this.lookup(address, form);
    const host = this.code.scoped<I32>(I32_TYPE);
    this.code.if(
      single ? this.hitAligned(sum, bytes) : this.hitInPage(sum, bytes),
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

  store(address: I64, value: I64, form: AccessForm): void {
    const { i32 } = this;
    const stored = this.code.letI64(value);
    const at = this.code.letI64(address);
    const flags = formOf(form, true, true);
    const sum = this.lookup(at, flags);
    this.code.if(
      this.hitAligned(sum, 1 << form.size),
      () => this.code.store(STORES[form.size], i32.wrap_i64(sum.get()), stored.get()),
      () => {
        this.setState32(OP, this.op.get());
        this.#slowStore(at.get(), stored.get(), flags, 1 << form.size);
      },
    );
  }

  storeFloat(address: I64, bits: 32 | 64, value: Float): void {
    const { i32, i64 } = this;
    if (bits === 64) this.store(address, i64.reinterpret_f64(value), { size: 3 });
    else this.store(address, i64.extend_i32_u(i32.reinterpret_f32(value)), { size: 2 });
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
    const sum = this.lookup(address, form);
    this.code.if(
      this.hitInPage(sum, bytes),
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
      formOf(form, true, false),
      [
        { value: () => first.get(), offset: 0, size: form.size },
        { value: () => second.get(), offset: bytes, size: form.size },
      ],
      (host) => this.storePairAt(host, first, second, form.size),
      2 * bytes,
    );
  }

  protected storeVectors(address: I64, values: readonly Var<V128>[], loose: boolean): void {
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
      (host) => this.storeVectorsAt(host, values),
      16 * values.length,
    );
  }

  protected located(at: Var<I64>, bytes: number, alignment: number, form: number): Var<I32> {
    const { i32 } = this;
    const sum = this.lookup(at, form);
    const host = this.code.scoped<I32>(I32_TYPE);
    this.code.if(
      (form & FORM_ZERO_BLOCK) === 0 ? this.hitAligned(sum, alignment) : this.hitInPage(sum, alignment),
      () => host.set(i32.wrap_i64(sum.get())),
      () => {
        this.setState32(OP, this.op.get());
        host.set(this.code.call<I32>(this.imports.locate, at.get(), i32.const(form), i32.const(bytes)));
        this.code.if(i32.eqz(host.get()), () => this.leave());
      },
    );
    return host;
  }
}
