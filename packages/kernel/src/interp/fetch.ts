/** Branches in generated code: from a virtual address to its decoded op, by the fetch TLB. */
import type { I32, I64, Known, Var } from '../a64/emitter.ts';
import { FETCH_BASE, PC_DELTA } from '../state/vcpu-state.ts';
import type { Code } from '../wasm/code.ts';
import { I32_TYPE } from '../wasm/opcode.ts';

/** Address of the entry of the fetch TLB for a virtual address. @param target - emits it */
export function fetchEntry(code: Code, vcpu: Known<I32>, target: () => I64): Var<I32> {
  const { i32, i64 } = code.ops;
  return code.letI32(
    i32.add(
      code.load<I32>('i32.load', vcpu.get(), FETCH_BASE),
      i32.and(
        i32.wrap_i64(i64.shr_u(target(), i64.const(8))),
        i32.const(0x3ff0), // 1024 entries of 16 bytes
      ),
    ),
  );
}

/**
 * Goes to the page of `target`: PC_DELTA becomes that page's.
 *
 * @param miss - emits what finds the decoded page where the fetch TLB has no entry, and leaves if there is none. It may
 *   write the target anew
 * @returns the address of the target's op
 */
export function enterTarget(
  code: Code,
  vcpu: Known<I32>,
  target: Var<I64>,
  miss: (page: Var<I32>) => void,
): Var<I32> {
  const { i32, i64 } = code.ops;
  const page = code.scoped<I32>(I32_TYPE);
  const entry = fetchEntry(code, vcpu, () => target.get());
  // Bits 1:0 of the target take part in the compare, so that an unaligned pc never hits.
  const tag = i64.and(target.get(), i64.const(-4093));
  code.if(
    i64.eq(tag, code.load<I64>('i64.load', entry.get())),
    () => page.set(code.load<I32>('i32.load', entry.get(), 8)),
    () => miss(page),
  );
  const pcDelta = code.letI64(
    i64.sub(i64.and(target.get(), i64.const(-4096)), i64.extend_i32_u(i32.shr_u(page.get(), i32.const(2)))),
  );
  code.store('i64.store', vcpu.get(), pcDelta.get(), PC_DELTA);
  return code.letI32(
    i32.add(page.get(), i32.shl(i32.and(i32.wrap_i64(target.get()), i32.const(0xfff)), i32.const(2))),
  );
}
