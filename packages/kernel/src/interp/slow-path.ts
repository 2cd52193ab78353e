/**
 * Memory accesses that the handlers' one-load TLB test does not settle: misses, accesses across two pages, unaligned
 * ones that must be aligned, devices. A call answers 0 (or 1, for stores) when guest code must leave; `LEAVE` says why.
 */
import { EC, type I32, type I64 } from '../a64/emitter.ts';
import { ACCESS_ORDERED, ACCESS_REGISTER_SHIFT, ACCESS_SYNDROME, ACCESS_WRITE } from '../mmu/access.ts';
import { REGIME_ALIGN, REGIME_ALIGNED, REGIME_STACK_FAULTS } from '../mmu/regime.ts';
import { HIT_LIMIT, offsetOfEntry } from '../mmu/tlb.ts';
import {
  ALIGNMENT_FAULT,
  TRANSLATE_AGAIN,
  TRANSLATE_FAULT,
  TRANSLATE_NO_MEMORY,
  TRANSLATE_READ,
  TRANSLATE_UNALIGNED,
  TRANSLATE_UNPRIVILEGED,
  TRANSLATE_WRITE,
} from '../mmu/walk.ts';
import {
  ACCESS,
  EL,
  FAULT_PA,
  FAULT_VA,
  INTERRUPT_LINES,
  LEAVE,
  NO_MEMORY_KEY,
  NO_MEMORY_PAGE,
  OP,
  PC,
  PC_DELTA,
  SCRATCH,
  SP_SLOT,
  SYNDROME,
  TLB,
  TLB_BASE,
  TLB_TABLE_SIZE,
} from '../state/vcpu-state.ts';
import type { Code, Local, ValueType } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import {
  LEAVE_BUDGET,
  LEAVE_EXCEPTION,
  LEAVE_INTERRUPT,
  LEAVE_MMIO,
  LEAVE_NO_SYNDROME,
  LEAVE_PORT,
} from './leave.ts';
import { PORT_LEAVE, PORT_USER } from './traps.ts';
import { OP_B } from './uop.ts';
import { storeBytes, type UserAccess } from './user-access.ts';

/**
 * The form word that handlers pass: an access word (mmu/access.ts) whose register field is a slot offset, and the
 * flag that EL0's permissions apply.
 */
export const FORM_UNPRIVILEGED = 1 << 7;
/** The access is one of 16 bytes, and that is what it is aligned to. */
export const FORM_QUAD = 1 << 8;
/** DC ZVA: the address may be any in the block, but not in Device memory. */
export const FORM_ZERO_BLOCK = 1 << 9;
/** The access reads and writes. What a read would meet is reported as that of a read. */
export const FORM_UPDATE = 1 << 10;
export const FORM_SLOT_SHIFT = 16;

/** Answer of `write`: the store is made, and guest code must be left after the instruction. */
export const STORED_AND_LEAVE = 2;

const PAGE = 4096;
/** Place of the exception level in {@link NO_MEMORY_KEY}, above the purpose of the translation. */
const LEVEL_IN_KEY = 8;

export interface SlowPath {
  /** `(va: i64, form: i32, bytes: i32) → i32`: where the bytes are (memory, or SCRATCH); 0 = leave. */
  readonly read: number;
  /** `(va: i64, form: i32, bytes: i32, value: i64) → i32`: 1 = leave; {@link STORED_AND_LEAVE}. */
  readonly write: number;
  /** `(va: i64, form: i32, bytes: i32) → i32`: 1 = leave; 0 = a store of `bytes` there will not fault or leave. */
  readonly probe: number;
  /** `(va: i64, form: i32, bytes: i32) → i32`: place of an access that must be aligned and memory; 0 = leave. */
  readonly locate: number;
}

/** What the slow path calls. */
export interface SlowPathImports {
  readonly vcpu: number;
  readonly translate: number;
  readonly mmioRead: number;
  readonly mmioWrite: number;
  /** Global: not 0: a port hears of accesses that nobody but user space can serve, too. */
  readonly hearsAll: number;
  readonly userAccess: UserAccess;
}

/** One function with the variables and idioms that all of the slow path uses. */
class SlowFunction {
  readonly index: number;
  readonly code: Code;
  readonly va: Local<I64>;
  readonly form: Local<I32>;
  readonly bytes: Local<I32>;
  readonly vcpu: Local<I32>;
  /** TRANSLATE_UNALIGNED, or 0. */
  readonly unaligned: Local<I32>;
  readonly #imports: SlowPathImports;

  constructor(module: ModuleBuilder, imports: SlowPathImports, withValue: boolean) {
    const params: ValueType[] = [I64_TYPE, I32_TYPE, I32_TYPE];
    if (withValue) params.push(I64_TYPE);
    const { index, code } = module.function(params, [I32_TYPE]);
    this.index = index;
    this.code = code;
    this.#imports = imports;
    this.va = code.param<I64>(0);
    this.form = code.param<I32>(1);
    this.bytes = code.param<I32>(2);
    this.vcpu = code.local<I32>(I32_TYPE);
    this.unaligned = code.local<I32>(I32_TYPE);
    this.vcpu.set(code.globalGet<I32>(imports.vcpu));
  }

  has(flag: number): I32 {
    const { i32 } = this.code.ops;
    return i32.ne(i32.and(this.form.get(), i32.const(flag)), i32.const(0));
  }

  /** Bits 11:0 of the address. */
  pageOffset(): I32 {
    const { i32 } = this.code.ops;
    return i32.and(i32.wrap_i64(this.va.get()), i32.const(PAGE - 1));
  }

  crosses(): I32 {
    const { i32 } = this.code.ops;
    return i32.gt_u(i32.add(this.pageOffset(), this.bytes.get()), i32.const(PAGE));
  }

  /** Answers `result` after noting why guest code leaves. */
  leave(why: number, result: number): void {
    const { code } = this;
    const { i32 } = code.ops;
    code.store('i32.store', this.vcpu.get(), i32.const(why), LEAVE);
    i32.const(result);
    code.return();
  }

  /** Raises an alignment fault. */
  misaligned(result: number): void {
    const { code } = this;
    const { i32, i64 } = code.ops;
    const level = code.letI32(code.load<I32>('i32.load', this.vcpu.get(), EL));
    const fixed = (EC.DATA_ABORT_LOWER << 26) | (1 << 25) | ALIGNMENT_FAULT;
    const write = i32.shl(this.has(ACCESS_WRITE), i32.const(6));
    const syndrome = i32.or(i32.or(write, i32.shl(level.get(), i32.const(26))), i32.const(fixed));
    const full = code.letI32(syndrome);
    code.store('i64.store', this.vcpu.get(), i64.extend_i32_u(full.get()), SYNDROME);
    code.store('i64.store', this.vcpu.get(), this.va.get(), FAULT_VA);
    this.leave(LEAVE_EXCEPTION, result);
  }

  /** Where SP must be aligned and is not, no access by it is made. */
  checkStack(result: number): void {
    const { code } = this;
    const { i32, i64 } = code.ops;
    code.if(code.load<I32>('i32.load', this.vcpu.get(), REGIME_STACK_FAULTS), () => {
      // Operand b is the base register of every instruction that has one.
      const op = code.load<I32>('i32.load', this.vcpu.get(), OP);
      code.if(i32.eq(code.load<I32>('i32.load16_u', op, OP_B), i32.const(SP_SLOT)), () => {
        const syndrome = code.letI64(i64.const((BigInt(EC.SP_ALIGNMENT) << 26n) | (1n << 25n)));
        code.store('i64.store', this.vcpu.get(), syndrome.get(), SYNDROME);
        this.leave(LEAVE_EXCEPTION, result);
      });
    });
  }

  /** Alignment to the size of one access, where the access or SCTLR_EL1.A demands it. */
  checkAlignment(result: number): void {
    const { code } = this;
    const { i32 } = code.ops;
    const size = i32.shl(i32.shl(i32.const(1), i32.and(this.form.get(), i32.const(3))), this.has(FORM_QUAD));
    const low = i32.and(i32.sub(size, i32.const(1)), i32.wrap_i64(this.va.get()));
    code.if(low, () => {
      const demanded = i32.or(
        this.has(ACCESS_ORDERED),
        code.load<I32>('i32.load', this.vcpu.get(), REGIME_ALIGN),
      );
      code.if(demanded, () => this.misaligned(result));
      this.unaligned.set(i32.const(TRANSLATE_UNALIGNED));
    });
  }

  /** Translates, by the TLB or by a walk; a fault leaves. @returns the host address, or TRANSLATE_NO_MEMORY */
  translate(va: I64, kind: number, result: number): Local<I32> {
    const { code } = this;
    const { i32, i64 } = code.ops;
    const address = code.letI64(va);
    const unprivileged = i32.mul(this.has(FORM_UNPRIVILEGED), i32.const(TRANSLATE_UNPRIVILEGED));
    const purpose = code.letI32(i32.or(i32.or(unprivileged, i32.const(kind)), this.unaligned.get()));
    const host = code.letI32(i32.const(0));
    // The handler did not look at the TLB's answer for an unaligned address, nor for two pages. Where an address must be
    // aligned, a walk knows.
    const aligned = (): I32 => code.load<I32>('i32.load', this.vcpu.get(), REGIME_ALIGNED);
    const refused = i32.and(this.unaligned.get(), i32.mul(aligned(), i32.const(TRANSLATE_UNALIGNED)));
    code.if(i32.eqz(refused), () => {
      const sum = this.#lookup(address, kind);
      code.if(i64.lt_u(sum.get(), i64.const(HIT_LIMIT)), () => host.set(i32.wrap_i64(sum.get())));
    });
    code.if(i32.eqz(host.get()), () => {
      host.set(this.#walk(address, purpose).get());
      code.if(i32.eq(host.get(), i32.const(TRANSLATE_FAULT)), () => this.leave(LEAVE_EXCEPTION, result));
      if (kind === TRANSLATE_WRITE) {
        code.if(i32.eq(host.get(), i32.const(TRANSLATE_AGAIN)), () => this.leave(LEAVE_BUDGET, result));
      }
    });
    return host;
  }

  /** Translates by a walk, unless it is the last page again that led to no memory: drivers go to one for a while. */
  #walk(address: Local<I64>, purpose: Local<I32>): Local<I32> {
    const { code, vcpu } = this;
    const { i32, i64 } = code.ops;
    const load64 = (offset: number): I64 => code.load('i64.load', vcpu.get(), offset);
    const store64 = (offset: number, value: I64): void => {
      const local = code.letI64(value);
      code.store('i64.store', vcpu.get(), local.get(), offset);
    };
    const level = i32.shl(code.load<I32>('i32.load', vcpu.get(), EL), i32.const(LEVEL_IN_KEY));
    const low = code.letI64(i64.extend_i32_u(i32.or(level, purpose.get())));
    const key = code.letI64(i64.or(low.get(), i64.and(address.get(), i64.const(-PAGE))));
    const host = code.letI32(i32.const(TRANSLATE_NO_MEMORY));
    code.if(
      i64.eq(key.get(), load64(NO_MEMORY_KEY)),
      () => {
        store64(FAULT_PA, i64.or(load64(NO_MEMORY_PAGE), i64.and(address.get(), i64.const(PAGE - 1))));
        store64(FAULT_VA, address.get());
      },
      () => {
        host.set(code.call<I32>(this.#imports.translate, address.get(), purpose.get()));
        code.if(this.isDevice(host), () => {
          store64(NO_MEMORY_KEY, key.get());
          store64(NO_MEMORY_PAGE, i64.and(load64(FAULT_PA), i64.const(-PAGE)));
        });
      },
    );
    return host;
  }

  /** Address plus TLB entry: see mmu/tlb.ts. */
  #lookup(address: Local<I64>, kind: number): Local<I64> {
    const { code } = this;
    const { i32, i64 } = code.ops;
    const base = code.letI32(code.load<I32>('i32.load', this.vcpu.get(), TLB_BASE));
    code.if(this.has(FORM_UNPRIVILEGED), () => base.set(i32.add(this.vcpu.get(), i32.const(TLB))));
    const offset = offsetOfEntry(code.ops, i32.wrap_i64(address.get()));
    const table = kind === TRANSLATE_WRITE ? TLB_TABLE_SIZE : 0;
    const entry = code.load<I64>('i64.load', i32.add(offset, base.get()), table);
    return code.letI64(i64.add(entry, address.get()));
  }

  isDevice(host: Local<I32>): I32 {
    const { i32 } = this.code.ops;
    return i32.eq(host.get(), i32.const(TRANSLATE_NO_MEMORY));
  }

  /** The start of the second page of an access that crosses. */
  secondPage(): I64 {
    const { i64 } = this.code.ops;
    return i64.and(i64.add(this.va.get(), i64.const(PAGE)), i64.const(-PAGE));
  }

  /** Leaves: nothing can be made of an access to `FAULT_PA` that has no syndrome. */
  noSyndrome(result: number): void {
    const { code } = this;
    code.store('i32.store', this.vcpu.get(), this.accessWord(), ACCESS);
    this.leave(LEAVE_NO_SYNDROME, result);
  }

  /** The form word with its slot turned into a register number. */
  accessWord(): I32 {
    const { code } = this;
    const { i32 } = code.ops;
    // Slots 31 (zero) and 32 (sink) are both XZR.
    const slot = code.letI32(i32.shr_u(this.form.get(), i32.const(FORM_SLOT_SHIFT + 3)));
    const register = code.select(slot.get(), i32.const(31), i32.lt_u(slot.get(), i32.const(31)));
    const shifted = code.letI32(i32.shl(register, i32.const(ACCESS_REGISTER_SHIFT)));
    return i32.or(i32.and(this.form.get(), i32.const(0x7f)), shifted.get());
  }

  /** Calls a device port, unless the access is user space's in any case. The pc word is brought up to date first. */
  device(port: number, result: number): void {
    const { code } = this;
    const { i32, i64 } = code.ops;
    code.if(i32.eqz(this.has(ACCESS_SYNDROME)), () => this.noSyndrome(result));
    const op = code.load<I32>('i32.load', this.vcpu.get(), OP);
    const pc = code.letI64(i64.extend_i32_u(i32.shr_u(op, i32.const(2))));
    const delta = (): I64 => code.load<I64>('i64.load', this.vcpu.get(), PC_DELTA);
    code.store('i64.store', this.vcpu.get(), i64.add(pc.get(), delta()), PC);
    code.store('i64.store', this.vcpu.get(), this.va.get(), FAULT_VA);
    const access = code.letI32(this.accessWord());
    code.store('i32.store', this.vcpu.get(), access.get(), ACCESS);
    const { hearsAll, userAccess } = this.#imports;
    const answer = code.letI32(i32.const(PORT_USER));
    const isUsers = i32.eqz(code.globalGet<I32>(hearsAll));
    code.if(i32.eqz(i32.and(isUsers, code.call<I32>(userAccess.isUsers, access.get()))), () =>
      answer.set(code.call<I32>(port, access.get())),
    );
    code.if(i32.eq(answer.get(), i32.const(PORT_LEAVE)), () => this.leave(LEAVE_PORT, result));
    code.if(i32.eq(answer.get(), i32.const(PORT_USER)), () => {
      code.call(userAccess.exit, access.get());
      this.leave(LEAVE_MMIO, result);
    });
  }

  /** Copies `count` bytes. The variables are consumed. */
  copy(from: Local<I32>, to: Local<I32>, count: Local<I32>): void {
    const { code } = this;
    const { i32 } = code.ops;
    const done = code.block();
    const next = code.loop();
    code.brIf(i32.eqz(count.get()), done);
    code.store('i32.store8', to.get(), code.load<I32>('i32.load8_u', from.get()));
    from.set(i32.add(from.get(), i32.const(1)));
    to.set(i32.add(to.get(), i32.const(1)));
    count.set(i32.sub(count.get(), i32.const(1)));
    code.br(next);
    code.end();
    code.end();
  }

  /** Bytes of an access that lie in its first page. */
  firstPart(): Local<I32> {
    const { i32 } = this.code.ops;
    return this.code.letI32(i32.sub(i32.const(PAGE), this.pageOffset()));
  }

  scratch(): I32 {
    const { i32 } = this.code.ops;
    return i32.add(this.vcpu.get(), i32.const(SCRATCH));
  }
}

/** Adds the slow path to a module. */
export function emitSlowPath(module: ModuleBuilder, imports: SlowPathImports): SlowPath {
  return {
    read: emitRead(module, imports),
    write: emitWrite(module, imports),
    probe: emitProbe(module, imports),
    locate: emitLocate(module, imports),
  };
}

function emitRead(module: ModuleBuilder, imports: SlowPathImports): number {
  const f = new SlowFunction(module, imports, false);
  const { code } = f;
  const { i32 } = code.ops;
  f.checkStack(0);
  f.checkAlignment(0);
  const first = f.translate(f.va.get(), TRANSLATE_READ, 0);
  code.if(i32.eqz(f.crosses()), () => {
    code.if(f.isDevice(first), () => {
      f.device(imports.mmioRead, 0);
      f.scratch();
      code.return();
    });
    first.get();
    code.return();
  });
  code.if(f.isDevice(first), () => f.noSyndrome(0));
  const second = f.translate(f.secondPage(), TRANSLATE_READ, 0);
  code.if(f.isDevice(second), () => f.noSyndrome(0));
  const part = f.firstPart();
  const rest = code.letI32(i32.sub(f.bytes.get(), part.get()));
  const to = code.letI32(f.scratch());
  f.copy(first, to, part);
  f.copy(second, to, rest);
  f.scratch();
  return f.index;
}

function emitWrite(module: ModuleBuilder, imports: SlowPathImports): number {
  const f = new SlowFunction(module, imports, true);
  const { code } = f;
  const { i32 } = code.ops;
  const value = code.param<I64>(3);
  f.checkStack(1);
  f.checkAlignment(1);
  const first = f.translate(f.va.get(), TRANSLATE_WRITE, 1);
  code.if(i32.eqz(f.crosses()), () => {
    code.if(f.isDevice(first), () => {
      code.store('i64.store', f.vcpu.get(), value.get(), SCRATCH);
      f.device(imports.mmioWrite, 1);
      // A store to the GIC can raise an interrupt, which is taken right after it.
      code.if(code.load<I32>('i32.load', f.vcpu.get(), INTERRUPT_LINES), () =>
        f.leave(LEAVE_INTERRUPT, STORED_AND_LEAVE),
      );
      i32.const(0);
      code.return();
    });
    storeBytes(code, first, value, f.bytes);
    i32.const(0);
    code.return();
  });
  code.if(f.isDevice(first), () => f.noSyndrome(1));
  const second = f.translate(f.secondPage(), TRANSLATE_WRITE, 1);
  code.if(f.isDevice(second), () => f.noSyndrome(1));
  code.store('i64.store', f.vcpu.get(), value.get(), SCRATCH);
  const part = f.firstPart();
  const rest = code.letI32(i32.sub(f.bytes.get(), part.get()));
  const from = code.letI32(f.scratch());
  f.copy(from, first, part);
  f.copy(from, second, rest);
  i32.const(0);
  return f.index;
}

function emitProbe(module: ModuleBuilder, imports: SlowPathImports): number {
  const f = new SlowFunction(module, imports, false);
  const { code } = f;
  const { i32 } = code.ops;
  f.checkStack(1);
  f.checkAlignment(1);
  const first = f.translate(f.va.get(), TRANSLATE_WRITE, 1);
  code.if(f.isDevice(first), () => f.noSyndrome(1));
  code.if(f.crosses(), () => {
    const second = f.translate(f.secondPage(), TRANSLATE_WRITE, 1);
    code.if(f.isDevice(second), () => f.noSyndrome(1));
  });
  i32.const(0);
  return f.index;
}

function emitLocate(module: ModuleBuilder, imports: SlowPathImports): number {
  const f = new SlowFunction(module, imports, false);
  const { code } = f;
  const { i32 } = code.ops;
  const setForm = (value: I32): void => f.form.set(value);
  f.checkStack(0);
  code.if(f.has(FORM_UPDATE), () => setForm(i32.xor(f.form.get(), i32.const(ACCESS_WRITE))));
  code.if(
    f.has(FORM_ZERO_BLOCK),
    () => f.unaligned.set(i32.const(TRANSLATE_UNALIGNED)),
    () => {
      const low = i32.and(i32.sub(f.bytes.get(), i32.const(1)), i32.wrap_i64(f.va.get()));
      code.if(low, () => f.misaligned(0));
    },
  );
  const host = code.local<I32>(I32_TYPE);
  const place = (kind: number): void => {
    host.set(f.translate(f.va.get(), kind, 0).get());
    code.if(f.isDevice(host), () => f.noSyndrome(0));
  };
  code.if(i32.eqz(f.has(ACCESS_WRITE)), () => place(TRANSLATE_READ));
  code.if(f.has(FORM_UPDATE), () => setForm(i32.or(f.form.get(), i32.const(ACCESS_WRITE))));
  code.if(f.has(ACCESS_WRITE), () => place(TRANSLATE_WRITE));
  host.get();
  return f.index;
}
