/** Memslots in generated code: which one holds an address, and the log of what is stored to. */
import { KVM_DIRTY_GFN_F_DIRTY, kvmDirtyGfn } from '@vkvm/uapi';
import type { I32, I64 } from '../a64/emitter.ts';
import { DIRTY_INDEX, DIRTY_RESET_INDEX, DIRTY_RING, DIRTY_RING_ENTRIES } from '../state/control.ts';
import { RESERVED_ENTRIES } from '../state/dirty.ts';
import {
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_DIRTY_BITMAP,
  MEMSLOT_GPA,
  MEMSLOT_ID,
  MEMSLOT_LENGTH,
  MEMSLOT_SIZE,
  MEMSLOT_USER_ADDRESS,
} from '../state/vm-state.ts';
import type { Local } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';

/** `(vm: i32, gpa: i64) → i32`: address of the memslot entry, 0 = none. Binary search in the sorted memslots. */
export function emitFindSlot(module: ModuleBuilder): number {
  const { index, code } = module.function([I32_TYPE, I64_TYPE], [I32_TYPE]);
  const { i32, i64 } = code.ops;
  const vm = code.param<I32>(0);
  const gpa = code.param<I64>(1);
  const low = code.local<I32>(I32_TYPE);
  const high = code.local<I32>(I32_TYPE);
  const middle = code.local<I32>(I32_TYPE);
  high.set(code.load<I32>('i32.load', vm.get(), MEMSLOT_COUNT));
  const done = code.block();
  const again = code.loop();
  code.brIf(i32.ge_u(low.get(), high.get()), done);
  const half = code.letI32(i32.shr_u(i32.add(low.get(), high.get()), i32.const(1)));
  middle.set(i32.add(vm.get(), i32.mul(half.get(), i32.const(MEMSLOT_SIZE))));
  const start = (): I64 => code.load<I64>('i64.load', middle.get(), MEMSLOTS + MEMSLOT_GPA);
  code.if(
    i64.lt_u(gpa.get(), start()),
    () => high.set(half.get()),
    () => {
      const length = code.load<I64>('i64.load', middle.get(), MEMSLOTS + MEMSLOT_LENGTH);
      code.if(i64.gt_u(length, i64.sub(gpa.get(), start())), () => {
        i32.add(middle.get(), i32.const(MEMSLOTS));
        code.return();
      });
      low.set(i32.add(half.get(), i32.const(1)));
    },
  );
  code.br(again);
  code.end();
  code.end();
  i32.const(0);
  return index;
}

/**
 * `(slot: i32, guest: i32, pa: i64) → i32`: of a memslot of a secure runtime, the logged memslot of the guest's VM that has
 * the same memory at the same address; 0 = none.
 */
export function emitSharedSlot(module: ModuleBuilder, findSlot: number): number {
  const { index, code } = module.function([I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE]);
  const { i32 } = code.ops;
  const slot = code.param<I32>(0);
  const guest = code.param<I32>(1);
  const pa = code.param<I64>(2);
  const distance = (each: Local<I32>): I32 =>
    i32.sub(
      code.load<I32>('i32.load', each.get(), MEMSLOT_USER_ADDRESS),
      i32.wrap_i64(code.load<I64>('i64.load', each.get(), MEMSLOT_GPA)),
    );
  const shared = code.letI32(code.call<I32>(findSlot, guest.get(), pa.get()));
  code.if(i32.ne(shared.get(), i32.const(0)), () => {
    const isLogged = i32.ne(code.load<I32>('i32.load', shared.get(), MEMSLOT_DIRTY_BITMAP), i32.const(0));
    code.if(i32.and(isLogged, i32.eq(distance(shared), distance(slot))), () => {
      shared.get();
      code.return();
    });
  });
  i32.const(0);
  return index;
}

/**
 * `(slot: i32, pa: i64) → i32`: what state/dirty.ts does for the kernel's own writes. Answers whether the ring became
 * full, so that guest code must be left.
 */
export function emitMarkDirty(module: ModuleBuilder, vcpuGlobal: number): number {
  const { index, code } = module.function([I32_TYPE, I64_TYPE], [I32_TYPE]);
  const { i32, i64 } = code.ops;
  const slot = code.param<I32>(0);
  const pa = code.param<I64>(1);
  const offset = i64.sub(pa.get(), code.load<I64>('i64.load', slot.get(), MEMSLOT_GPA));
  const page = code.letI32(i32.wrap_i64(i64.shr_u(offset, i64.const(12))));
  const bit = code.letI64(i64.shl(i64.const(1), i64.extend_i32_u(page.get())));
  const word = i32.add(
    code.load<I32>('i32.load', slot.get(), MEMSLOT_DIRTY_BITMAP),
    i32.shl(i32.shr_u(page.get(), i32.const(6)), i32.const(3)),
  );
  const before = code.letI64(code.atomic<I64>('i64.rmw.or', word, [bit.get()]));
  const answer = (value: number): void => {
    i32.const(value);
    code.return();
  };
  code.if(i64.ne(i64.and(before.get(), bit.get()), i64.const(0)), () => answer(0));
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const ring = code.letI32(code.load<I32>('i32.load', vcpu.get(), DIRTY_RING));
  code.if(i32.eqz(ring.get()), () => answer(0));
  const entries = code.letI32(code.load<I32>('i32.load', vcpu.get(), DIRTY_RING_ENTRIES));
  const count = code.letI32(code.load<I32>('i32.load', vcpu.get(), DIRTY_INDEX));
  const place = code.letI32(i32.and(count.get(), i32.sub(entries.get(), i32.const(1))));
  const entry = code.letI32(i32.add(ring.get(), i32.shl(place.get(), i32.const(4))));
  const id = code.letI32(code.load<I32>('i32.load', slot.get(), MEMSLOT_ID));
  code.store('i32.store', entry.get(), id.get(), kvmDirtyGfn.offsets.slot);
  code.store('i64.store', entry.get(), i64.extend_i32_u(page.get()), kvmDirtyGfn.offsets.offset);
  // The entry is whole before it is seen. Pairs with user space's load of `flags`.
  code.atomicStore('i32.store', entry.get(), i32.const(KVM_DIRTY_GFN_F_DIRTY), kvmDirtyGfn.offsets.flags);
  count.set(i32.add(count.get(), i32.const(1)));
  code.store('i32.store', vcpu.get(), count.get(), DIRTY_INDEX);
  const used = i32.sub(count.get(), code.load<I32>('i32.load', vcpu.get(), DIRTY_RESET_INDEX));
  i32.ge_u(used, i32.sub(entries.get(), i32.const(RESERVED_ENTRIES)));
  return index;
}
