/**
 * An access that user space serves: guest code writes the exit, and the next KVM_RUN completes the access. Nothing is
 * committed in between. Both are generated code because a guest may do a million of them a second.
 */
import { KVM_EXIT_MMIO, kvmRun, kvmRunMmio } from '@vkvm/uapi';

import type { I32, I64 } from '../a64/emitter.ts';
import {
  ACCESS_REGISTER_SHIFT,
  ACCESS_SIGNED,
  ACCESS_SIZE,
  ACCESS_WIDE,
  ACCESS_WRITE,
} from '../mmu/access.ts';
import { PROFILE } from '../state/arena.ts';
import { MMIO_ACCESS, MMIO_NEEDED } from '../state/control.ts';
import { releases } from '../state/profile.ts';
import { MMIO_EXITS_USER } from '../state/stats.ts';
import { STORE_BUS_COUNT } from '../state/store-bus.ts';
import { FAULT_PA, PC, RUN_PAGE, SCRATCH, X } from '../state/vcpu-state.ts';
import { IPA_BITS, UNBACKED_COUNT, WRITE_PROTECTED_COUNT } from '../state/vm-control.ts';
import { FRAMES_END, FRAMES_START } from '../state/vm-state.ts';
import type { Code, Local } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE } from '../wasm/opcode.ts';

const { exit_reason: EXIT_REASON } = kvmRun.offsets;
const { phys_addr: PHYS_ADDR, data: DATA, len: LEN, is_write: IS_WRITE } = kvmRunMmio.offsets;

const XZR = 31;
const INSTRUCTION = 4;
/** LDRSB, LDRSH and LDRSW of what user space serves are what they say. Before, they zero-extend. */
const EXTENDS_SIGN = releases({ since: '7.3' }).from;

/** Functions of the module. `access` is an ACCESS word of mmu/access.ts. */
export interface UserAccess {
  /** `(access: i32) → i32`: 1 = nobody but user space can serve the access to FAULT_PA. */
  readonly isUsers: number;
  /** `(access: i32)`: writes the exit for the access to FAULT_PA; a store's value is in SCRATCH. */
  readonly exit: number;
  /**
   * `() → i32`: finishes the access that the last exit has asked for; 1 if there was one. If user space has overwritten
   * `exit_reason`, nothing happens and the guest executes the instruction again.
   */
  readonly complete: number;
}

interface Globals {
  readonly vcpu: number;
  readonly vm: number;
}

export function emitUserAccess(module: ModuleBuilder, globals: Globals): UserAccess {
  return {
    isUsers: emitIsUsers(module, globals),
    exit: emitExit(module, globals.vcpu),
    complete: emitComplete(module, globals.vcpu),
  };
}

/** What is in the way of user space: vcpu/traps.ts asks the same in full. */
function emitIsUsers(module: ModuleBuilder, globals: Globals): number {
  const { index, code } = module.function([I32_TYPE], [I32_TYPE]);
  const { i32, i64 } = code.ops;
  const access = code.param<I32>(0);
  const vm = code.letI32(code.globalGet<I32>(globals.vm));
  const gpa = code.letI64(code.load<I64>('i64.load', code.globalGet<I32>(globals.vcpu), FAULT_PA));
  const word = (offset: number): I32 => code.load('i32.load', vm.get(), offset);
  const word64 = (offset: number): I64 => code.load('i64.load', vm.get(), offset);
  const frame = i32.and(i64.ge_u(gpa.get(), word64(FRAMES_START)), i64.lt_u(gpa.get(), word64(FRAMES_END)));
  const beyond = i64.ne(i64.shr_u(gpa.get(), i64.extend_i32_u(word(IPA_BITS))), i64.const(0));
  const ofLoads = code.letI32(i32.or(i32.or(frame, beyond), word(UNBACKED_COUNT)));
  const ofStores = code.letI32(i32.or(word(WRITE_PROTECTED_COUNT), word(STORE_BUS_COUNT)));
  const isWrite = (): I32 => i32.and(access.get(), i32.const(ACCESS_WRITE));
  i32.eqz(i32.or(ofLoads.get(), code.select(ofStores.get(), i32.const(0), isWrite())));
  return index;
}

/** Stores 1, 2, 4 or 8 bytes. */
export function storeBytes(
  code: Code,
  address: Local<I32>,
  value: Local<I64>,
  bytes: Local<I32>,
  offset = 0,
): void {
  const { i32 } = code.ops;
  const are = (count: number): I32 => i32.eq(bytes.get(), i32.const(count));
  const store = (name: 'i64.store' | 'i64.store32' | 'i64.store16' | 'i64.store8') => (): void =>
    code.store(name, address.get(), value.get(), offset);
  code.if(are(8), store('i64.store'), () =>
    code.if(are(4), store('i64.store32'), () => code.if(are(2), store('i64.store16'), store('i64.store8'))),
  );
}

function emitExit(module: ModuleBuilder, vcpuGlobal: number): number {
  const { index, code } = module.function([I32_TYPE], []);
  const { i32, i64 } = code.ops;
  const access = code.param<I32>(0);
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const run = code.letI32(code.load<I32>('i32.load', vcpu.get(), RUN_PAGE));
  const isWrite = code.letI32(i32.ne(i32.and(access.get(), i32.const(ACCESS_WRITE)), i32.const(0)));
  code.store('i32.store', vcpu.get(), i32.const(1), MMIO_NEEDED);
  code.store('i32.store', vcpu.get(), access.get(), MMIO_ACCESS);
  code.store('i32.store', run.get(), i32.const(KVM_EXIT_MMIO), EXIT_REASON);
  const gpa = code.letI64(code.load<I64>('i64.load', vcpu.get(), FAULT_PA));
  code.store('i64.store', run.get(), gpa.get(), PHYS_ADDR);
  const length = code.letI32(i32.shl(i32.const(1), i32.and(access.get(), i32.const(ACCESS_SIZE))));
  code.store('i32.store', run.get(), length.get(), LEN);
  code.store('i32.store8', run.get(), isWrite.get(), IS_WRITE);
  code.if(isWrite.get(), () => {
    const value = code.letI64(code.load<I64>('i64.load', vcpu.get(), SCRATCH));
    storeBytes(code, run, value, length, DATA);
  });
  const { offset } = MMIO_EXITS_USER;
  const count = code.letI64(i64.add(code.load<I64>('i64.load', vcpu.get(), offset), i64.const(1)));
  code.store('i64.store', vcpu.get(), count.get(), offset);
  return index;
}

function emitComplete(module: ModuleBuilder, vcpuGlobal: number): number {
  const { index, code } = module.function([], [I32_TYPE], 'complete');
  const { i32, i64 } = code.ops;
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const run = code.letI32(code.load<I32>('i32.load', vcpu.get(), RUN_PAGE));
  const isNeeded = (): I32 => code.load('i32.load', vcpu.get(), MMIO_NEEDED);
  const reason = (): I32 => code.load('i32.load', run.get(), EXIT_REASON);
  code.if(i32.or(i32.eqz(isNeeded()), i32.ne(reason(), i32.const(KVM_EXIT_MMIO))), () => {
    i32.const(0);
    code.return();
  });
  code.store('i32.store', vcpu.get(), i32.const(0), MMIO_NEEDED);
  const access = code.letI32(code.load<I32>('i32.load', vcpu.get(), MMIO_ACCESS));
  const has = (flag: number): I32 => i32.and(access.get(), i32.const(flag));
  const register = code.letI32(
    i32.and(i32.shr_u(access.get(), i32.const(ACCESS_REGISTER_SHIFT)), i32.const(31)),
  );
  const isLoad = i32.eqz(has(ACCESS_WRITE));
  code.if(i32.and(isLoad, i32.ne(register.get(), i32.const(XZR))), () => {
    const bits = code.letI32(i32.shl(i32.const(8), has(ACCESS_SIZE)));
    const unused = code.letI64(i64.extend_i32_u(i32.sub(i32.const(64), bits.get())));
    const data = code.load<I64>('i64.load', run.get(), DATA);
    const value = code.letI64(i64.shl(data, unused.get()));
    const release = (): I32 => code.load('i32.load', i32.const(0), PROFILE);
    code.if(
      i32.and(i32.ne(has(ACCESS_SIGNED), i32.const(0)), i32.ge_u(release(), i32.const(EXTENDS_SIGN))),
      () => {
        value.set(i64.shr_s(value.get(), unused.get()));
        code.if(i32.eqz(has(ACCESS_WIDE)), () => value.set(i64.and(value.get(), i64.const(0xffff_ffffn))));
      },
      () => value.set(i64.shr_u(value.get(), unused.get())),
    );
    const slot = i32.add(vcpu.get(), i32.shl(register.get(), i32.const(3)));
    code.store('i64.store', slot, value.get(), X);
  });
  const pc = code.letI64(i64.add(code.load<I64>('i64.load', vcpu.get(), PC), i64.const(INSTRUCTION)));
  code.store('i64.store', vcpu.get(), pc.get(), PC);
  i32.const(1);
  return index;
}
