/** Accesses to consecutive memory that are wider than one element, in as few pieces as the vocabulary has. */
import type { Emitter, I64, Size, V128, Var } from '../emitter.ts';
import { zeros } from './lanes.ts';

const after = (c: Emitter, base: Var<I64>, bytes: number): I64 =>
  bytes === 0 ? base.get() : c.i64.add(base.get(), c.i64.const(bytes));

/**
 * Loads a multiple of 8 bytes: 0 to 15, then 16 to 31, and so on; zeros after the end. The elements may be of any size,
 * so none of these accesses must be aligned (elements of over a byte should be, where alignment is demanded at all).
 */
export function loadBlocks(c: Emitter, base: Var<I64>, bytes: number): Var<V128>[] {
  const blocks: Var<V128>[] = [];
  let at = 0;
  for (; bytes - at >= 32; at += 32) blocks.push(...c.loadVecPair(after(c, base, at), true));
  for (; bytes - at >= 16; at += 16) blocks.push(c.letV128(c.loadVec(after(c, base, at), true)));
  if (at < bytes) {
    const rest = c.letI64(c.load(after(c, base, at), { size: 3, loose: true }));
    blocks.push(c.letV128(c.i64x2.replace_lane(zeros(c), 0, rest.get())));
  }
  return blocks;
}

/** Stores a multiple of 8 bytes. @param block - makes bytes 16 n to 16 n + 15 */
export function storeBlocks(c: Emitter, base: Var<I64>, bytes: number, block: (n: number) => V128): void {
  let at = 0;
  for (; bytes - at >= 32; at += 32) {
    const first = c.letV128(block(at / 16));
    const second = c.letV128(block(at / 16 + 1));
    c.storeVecPair(after(c, base, at), first, second, true);
  }
  for (; bytes - at >= 16; at += 16) {
    const address = after(c, base, at);
    c.storeVec(address, block(at / 16), true);
  }
  if (at < bytes) {
    const address = after(c, base, at);
    c.store(address, c.i64x2.extract_lane(block(at / 16), 0), { size: 3, loose: true });
  }
}

/** Loads `count` elements, zero-extended. */
export function loadElements(c: Emitter, base: Var<I64>, size: Size, count: number): Var<I64>[] {
  const elements: Var<I64>[] = [];
  let n = 0;
  for (; count - n >= 2; n += 2) elements.push(...c.loadPair(after(c, base, n << size), { size }));
  if (n < count) elements.push(c.letI64(c.load(after(c, base, n << size), { size })));
  return elements;
}

/** Stores the low bytes of each element. */
export function storeElements(c: Emitter, base: Var<I64>, size: Size, elements: readonly Var<I64>[]): void {
  for (let n = 0; n < elements.length; n += 2) {
    const address = after(c, base, n << size);
    const first = elements[n]!;
    const second = elements[n + 1];
    if (second) c.storePair(address, first, second, { size });
    else c.store(address, first.get(), { size });
  }
}
