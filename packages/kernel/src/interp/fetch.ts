/** The fetch TLB in generated code: where the decoded page of a branch target is. */
import type { I32, I64, Var } from '../a64/emitter.ts';
import { FETCH_BASE } from '../state/vcpu-state.ts';
import type { Code } from '../wasm/code.ts';

/**
 * Sets `page` to the decoded page of `target`.
 * @param miss - emits what does so where the fetch TLB has no entry
 */
export function findPage(
  code: Code,
  vcpu: Var<I32>,
  target: Var<I64>,
  page: Var<I32>,
  miss: () => void,
): void {
  const { i32, i64 } = code.ops;
  const entry = code.letI32(
    i32.add(
      code.load<I32>('i32.load', vcpu.get(), FETCH_BASE),
      i32.and(
        i32.wrap_i64(i64.shr_u(target.get(), i64.const(8))),
        i32.const(0x3ff0), // 1024 entries of 16 bytes
      ),
    ),
  );
  // Bits 1:0 of the target take part in the compare, so that an unaligned pc never hits.
  const tag = i64.and(target.get(), i64.const(-4093));
  code.if(
    i64.eq(tag, code.load<I64>('i64.load', entry.get())),
    () => page.set(code.load<I32>('i32.load', entry.get(), 8)),
    miss,
  );
}
