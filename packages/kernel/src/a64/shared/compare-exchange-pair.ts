/**
 * A 128-bit compare and exchange as two of 64 bits: the second undoes the first if it fails.
 *
 * Between the two, another vCPU can see one half exchanged.
 */
import type { Emitter, I32, I64, Var } from '../emitter.ts';

/** The two halves of sixteen bytes, lower address first. */
export type Pair = readonly [low: Var<I64>, high: Var<I64>];

/** @returns what the memory held; it now holds `replacement` if that equals `expected` */
export function compareExchangePair(c: Emitter, host: Var<I32>, expected: Pair, replacement: Pair): Pair {
  const { i32, i64 } = c;
  const upper = (): I32 => i32.add(host.get(), i32.const(8));
  const low = c.letI64(c.atomicCompareExchange(host.get(), expected[0].get(), replacement[0].get(), 3));
  const high = c.letI64(i64.const(0));
  c.if(
    i64.eq(low.get(), expected[0].get()),
    () => {
      high.set(c.atomicCompareExchange(upper(), expected[1].get(), replacement[1].get(), 3));
      c.if(i64.ne(high.get(), expected[1].get()), () => {
        // If that fails, another vCPU has written since, and its value stays.
        c.letI64(c.atomicCompareExchange(host.get(), replacement[0].get(), expected[0].get(), 3));
      });
    },
    () => high.set(c.atomicLoad(upper(), 3)),
  );
  return [low, high];
}
