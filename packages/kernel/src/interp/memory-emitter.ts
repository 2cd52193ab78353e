/**
 * Memory accesses of generated code: one TLB entry tested in line, and the bytes read or written in place. What a miss
 * leads to is left to the back end.
 */
import { CodeEmitter } from '../a64/code-emitter.ts';
import type {
  AccessForm,
  AtomicOp,
  Float,
  FpNeed,
  I32,
  I64,
  Known,
  Size,
  V128,
  Var,
} from '../a64/emitter.ts';
import { FPCR_FZ, FPCR_RMODE, FPSR_IXC } from '../a64/shared/fp-format.ts';
import { ACCESS_ORDERED, ACCESS_SIGNED, ACCESS_SYNDROME, ACCESS_WIDE, ACCESS_WRITE } from '../mmu/access.ts';
import { REGIME_ALIGNED } from '../mmu/regime.ts';
import { HIT_LIMIT, offsetOfEntry } from '../mmu/tlb.ts';
import { FPCR, FPSR, TLB, TLB_TABLE_SIZE } from '../state/vcpu-state.ts';
import type { Code } from '../wasm/code.ts';
import type { AtomicOpName, MemoryOpName } from '../wasm/opcode.ts';
import { FORM_QUAD, FORM_UNPRIVILEGED, FORM_UPDATE, FORM_ZERO_BLOCK } from './slow-path.ts';

const LOADS = {
  0: ['i64.load8_u', 'i64.load8_s'],
  1: ['i64.load16_u', 'i64.load16_s'],
  2: ['i64.load32_u', 'i64.load32_s'],
  3: ['i64.load', 'i64.load'],
} as const satisfies Record<Size, readonly [MemoryOpName, MemoryOpName]>;
export const STORES = {
  0: 'i64.store8',
  1: 'i64.store16',
  2: 'i64.store32',
  3: 'i64.store',
} as const satisfies Record<Size, MemoryOpName>;
const ATOMIC_LOADS = {
  0: 'i64.load8_u',
  1: 'i64.load16_u',
  2: 'i64.load32_u',
  3: 'i64.load',
} as const satisfies Record<Size, AtomicOpName>;

const atomicName = (op: AtomicOp | 'cmpxchg', size: Size): AtomicOpName =>
  size === 3 ? `i64.rmw.${op}` : `i64.rmw${[8, 16, 32][size] as 8 | 16 | 32}.${op}_u`;

/** Form of a whole vector; loose ones are aligned to nothing. */
export const quadForm = (loose: boolean): number => (loose ? 0 : 3 | FORM_QUAD);

/** The form word of an access: see slow-path.ts. @param single - it is one access of one register */
export const formOf = (form: AccessForm, write: boolean, single: boolean): number =>
  (form.loose === true ? 0 : form.size) |
  (form.signed === undefined ? 0 : ACCESS_SIGNED) |
  (form.syndrome === 64 ? ACCESS_WIDE : 0) |
  (single && form.syndrome !== undefined ? ACCESS_SYNDROME : 0) |
  (write ? ACCESS_WRITE : 0) |
  (form.ordered === true ? ACCESS_ORDERED : 0) |
  (form.unprivileged === true ? FORM_UNPRIVILEGED : 0);

/** Form of a float. */
const floatForm = (bits: 32 | 64): number => formOf({ size: bits === 64 ? 3 : 2 }, false, true);

/** Bytes of one element of an access, which is what it may have to be aligned to. */
export const elementSize = (form: number): number => (1 << (form & 3)) << ((form & FORM_QUAD) === 0 ? 0 : 1);

export abstract class MemoryEmitter extends CodeEmitter {
  protected readonly vcpu: Known<I32>;

  /** @param vcpu - address of the vCPU's block */
  constructor(code: Code, vcpu: Known<I32>) {
    super(code);
    this.vcpu = vcpu;
  }

  // ---- left to the back end

  /** Whether other threads see the memory. If not, nothing comes between two accesses, in whatever order they are. */
  protected abstract isShared(): boolean;
  /** Address of the soft TLB of the current exception level. */
  protected abstract tlb(): I32;
  /**
   * The place of `bytes` to read; guest code never goes on here if the access faults or leaves.
   * @param form - a form word
   * @param single - one element, which a hit may demand to be aligned; else only the page is looked at
   */
  protected abstract readable(address: Var<I64>, form: number, bytes: number, single: boolean): Var<I32>;
  /** The place of an access that must be memory. @param alignment - what the address must be a multiple of */
  protected abstract located(address: Var<I64>, bytes: number, alignment: number, form: number): Var<I32>;

  /** Stores whole vectors, one after the other. @param loose - as {@link AccessForm.loose} */
  protected abstract storeVectors(address: I64, values: readonly Var<V128>[], loose: boolean): void;

  // ---- state words

  state32(offset: number): I32 {
    return this.code.load('i32.load', this.vcpu.get(), offset);
  }

  setState32(offset: number, value: I32): void {
    const word = this.code.letI32(value);
    this.code.store('i32.store', this.vcpu.get(), word.get(), offset);
  }

  state64(offset: number): I64 {
    return this.code.load('i64.load', this.vcpu.get(), offset);
  }

  setState64(offset: number, value: I64): void {
    const word = this.code.letI64(value);
    this.code.store('i64.store', this.vcpu.get(), word.get(), offset);
  }

  fpFails(need: FpNeed): I32 {
    const { i32 } = this;
    const unusual = i32.and(this.state32(FPCR), i32.const(FPCR_FZ | FPCR_RMODE));
    if (need === 'exact') return unusual;
    const more = need === 'fused' ? this.#fuses() : i32.and(this.state32(FPSR), i32.const(FPSR_IXC));
    return i32.or(unusual, i32.eqz(more));
  }

  /** 1 if the fused sum of (1 + ε)(1 − ε) − 1 is not 0, as the separately rounded one is. */
  #fuses(): I32 {
    const { f64, f64x2, v128 } = this;
    const probe = (value: number): V128 => f64x2.splat(f64.const(value));
    const epsilon = 2 ** -30;
    return v128.any_true(f64x2.relaxed_madd(probe(1 + epsilon), probe(1 - epsilon), probe(-1)));
  }

  // ---- the TLB

  /**
   * `address + TLB entry`: the place in process memory, if it is below {@link HIT_LIMIT}.
   *
   * @param near - an address of the same page
   */
  protected lookup(address: Var<I64>, form: number, near = address): Var<I64> {
    const { i32, i64 } = this;
    const unprivileged = (form & FORM_UNPRIVILEGED) !== 0;
    const offset = offsetOfEntry(this.code.ops, i32.wrap_i64(near.get()));
    const base = unprivileged ? i32.add(this.vcpu.get(), i32.const(TLB)) : this.tlb();
    const table = (form & ACCESS_WRITE) === 0 ? 0 : TLB_TABLE_SIZE;
    const entry = this.code.load<I64>('i64.load', i32.add(offset, base), table);
    return this.code.letI64(i64.add(this.guessed(entry), address.get()));
  }

  /** The entry, from wherever it is known first. @param entry - as it is in the TLB */
  protected guessed(entry: I64): I64 {
    return entry;
  }

  /** 1 if there was no entry for the address. */
  protected missed(sum: Var<I64>): I32 {
    return this.i64.ge_u(sum.get(), this.i64.const(HIT_LIMIT));
  }

  /** 1 if the lookup hit and the address is aligned to `bytes` (a power of two). */
  protected hitAligned(sum: Var<I64>, bytes: number): I32 {
    const { i64 } = this;
    // The bits that must be 0 become the most significant, so that one comparison does.
    const zeros = Math.log2(bytes);
    const rotated = zeros === 0 ? sum.get() : i64.rotr(sum.get(), i64.const(zeros));
    return i64.lt_u(rotated, i64.const(HIT_LIMIT / bytes));
  }

  /** 1 if the lookup hit, `bytes` from the address lie in one page, and no alignment is demanded. */
  protected hitInPage(sum: Var<I64>, bytes: number): I32 {
    const { i32, i64 } = this;
    const inPage = i32.le_u(i32.and(i32.wrap_i64(sum.get()), i32.const(4095)), i32.const(4096 - bytes));
    const hit = i32.and(inPage, i64.lt_u(sum.get(), i64.const(HIT_LIMIT)));
    return i32.gt_u(hit, this.state32(REGIME_ALIGNED));
  }

  // ---- loads

  load(address: I64, form: AccessForm): I64 {
    const at = this.code.letI64(address);
    const host = this.readable(at, formOf(form, false, true), 1 << form.size, true);
    return this.#loadAt(host.get(), form);
  }

  #loadAt(host: I32, form: AccessForm, offset = 0): I64 {
    const [unsigned, signed] = LOADS[form.size];
    if (form.signed === undefined) return this.code.load(unsigned, host, offset);
    const value = this.code.load<I64>(signed, host, offset);
    return form.signed === 64 ? value : this.i64.and(value, this.i64.const(0xffff_ffffn));
  }

  loadFloat(address: I64, bits: 32 | 64): Float {
    const at = this.code.letI64(address);
    const host = this.readable(at, floatForm(bits), bits / 8, true);
    return this.code.load(`f${bits}.load`, host.get());
  }

  loadPair(address: I64, form: AccessForm): [Var<I64>, Var<I64>] {
    const bytes = 1 << form.size;
    const at = this.code.letI64(address);
    const host = this.readable(at, formOf(form, false, false), 2 * bytes, false);
    return [
      this.code.letI64(this.#loadAt(host.get(), form)),
      this.code.letI64(this.#loadAt(host.get(), form, bytes)),
    ];
  }

  loadVec(address: I64, loose = false): V128 {
    const at = this.code.letI64(address);
    const host = this.readable(at, quadForm(loose), 16, false);
    return this.code.load('v128.load', host.get());
  }

  loadVecPair(address: I64, loose = false): [Var<V128>, Var<V128>] {
    const at = this.code.letI64(address);
    const host = this.readable(at, quadForm(loose), 32, false);
    return [
      this.code.letV128(this.code.load('v128.load', host.get())),
      this.code.letV128(this.code.load('v128.load', host.get(), 16)),
    ];
  }

  // ---- stores

  storeVec(address: I64, value: V128, loose = false): void {
    const stored = this.code.letV128(value);
    this.storeVectors(address, [stored], loose);
  }

  storeVecPair(address: I64, first: Var<V128>, second: Var<V128>, loose = false): void {
    this.storeVectors(address, [first, second], loose);
  }

  /** Both elements of a pair at `host`. */
  protected storePairAt(host: Var<I32>, first: Var<I64>, second: Var<I64>, size: Size): void {
    this.code.store(STORES[size], host.get(), first.get());
    this.code.store(STORES[size], host.get(), second.get(), 1 << size);
  }

  /** Whole vectors at `host`, one after the other. */
  protected storeVectorsAt(host: Var<I32>, values: readonly Var<V128>[]): void {
    for (const [i, value] of values.entries()) {
      this.code.store('v128.store', host.get(), value.get(), 16 * i);
    }
  }

  // ---- exclusives, atomics, DC ZVA

  locate(address: I64, bytes: number, access: 'read' | 'write' | 'update'): Var<I32> {
    const size = Math.min(Math.log2(bytes), 3) as Size;
    const update = access === 'update' ? FORM_UPDATE : 0;
    const form = formOf({ size }, access !== 'read', false) | update;
    return this.located(this.code.letI64(address), bytes, bytes, form);
  }

  atomicLoad(host: I32, size: Size): I64 {
    if (!this.isShared()) return this.code.load(LOADS[size][0], host);
    return this.code.atomic(ATOMIC_LOADS[size], host, []);
  }

  atomicStore(host: I32, value: I64, size: Size): void {
    if (this.isShared()) this.code.atomicStore(STORES[size], host, value);
    else this.code.store(STORES[size], host, value);
  }

  atomicUpdate(op: AtomicOp, host: I32, value: I64, size: Size): I64 {
    const { code, i64 } = this;
    if (this.isShared()) return code.atomic(atomicName(op, size), host, [value]);
    const operand = code.letI64(value);
    const at = code.letI32(host);
    const old = code.letI64(code.load(LOADS[size][0], at.get()));
    const updated = (): I64 => (op === 'xchg' ? operand.get() : i64[op](old.get(), operand.get()));
    code.store(STORES[size], at.get(), updated());
    return old.get();
  }

  atomicCompareExchange(host: I32, expected: I64, replacement: I64, size: Size): I64 {
    const { code, i64 } = this;
    if (this.isShared()) return code.atomic(atomicName('cmpxchg', size), host, [expected, replacement]);
    const value = code.letI64(replacement);
    const wanted = code.letI64(expected);
    const at = code.letI32(host);
    const old = code.letI64(code.load(LOADS[size][0], at.get()));
    code.if(i64.eq(old.get(), wanted.get()), () => code.store(STORES[size], at.get(), value.get()));
    return old.get();
  }

  zeroBlock(address: I64): void {
    // Not the block's address is looked up: a fault reports the one given.
    const { i32 } = this;
    const given = this.code.letI64(address);
    const host = this.located(given, 64, 1, FORM_ZERO_BLOCK | ACCESS_WRITE);
    host.set(i32.and(host.get(), i32.const(-64)));
    for (const offset of [0, 16, 32, 48]) {
      this.code.store('v128.store', host.get(), this.v128.const(0n, 0n), offset);
    }
  }

  fence(): void {
    if (this.isShared()) this.code.atomicFence();
  }
}
