/** DecodeBitMasks for logical immediates. Source: Arm DDI 0487, aarch64/instrs/integer/bitmasks/DecodeBitMasks. */

/** The low `count` bits (0 to 32) set. */
const ones = (count: number): number => (count >= 32 ? 0xffff_ffff : 2 ** count - 1);

/** The two halves of a 64-bit mask, unsigned. */
export interface BitMask {
  readonly low: number;
  readonly high: number;
}

/** log2 of the element size, or -1 for a reserved encoding. */
export const elementLog = (N: number, imms: number): number => {
  const log = 31 - Math.clz32((N << 6) | (~imms & 0x3f));
  return log < 1 || (imms & (2 ** log - 1)) === 2 ** log - 1 ? -1 : log;
};

/**
 * The mask: elements of `imms` + 1 ones, rotated right by `immr`, repeated over 64 bits.
 *
 * The encoding must not be reserved: see {@link elementLog}.
 */
export function decodeBitMask(N: number, imms: number, immr: number): BitMask {
  const size = 1 << elementLog(N, imms);
  const count = (imms & (size - 1)) + 1;
  const rotate = immr & (size - 1);
  if (size === 64) {
    let low = ones(Math.min(count, 32));
    let high = ones(Math.max(count - 32, 0));
    if (rotate >= 32) [low, high] = [high, low];
    const by = rotate & 31;
    if (by === 0) return { low, high };
    return {
      low: ((low >>> by) | (high << (32 - by))) >>> 0,
      high: ((high >>> by) | (low << (32 - by))) >>> 0,
    };
  }
  const element = ones(count);
  let half = rotate === 0 ? element : ((element >>> rotate) | (element << (size - rotate))) & ones(size);
  for (let filled = size; filled < 32; filled *= 2) half |= half << filled;
  return { low: half >>> 0, high: half >>> 0 };
}
