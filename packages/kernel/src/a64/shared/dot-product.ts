/** SDOT, UDOT. Source: Arm DDI 0487, C7.2. */
import type { LaneBinary, Sign } from './lane-arithmetic.ts';
import { everySecond } from './lanes.ts';

/** The destination plus, in each word, the sum of the products of its four bytes. */
export const dotProduct =
  (sign: Sign): LaneBinary =>
  (c, _size, a, b) => {
    const { i16x8, i32x4 } = c;
    const low = c.letV128(
      i32x4[`extadd_pairwise_i16x8_${sign}`](i16x8[`extmul_low_i8x16_${sign}`](a.get(), b.get())),
    );
    const high = c.letV128(
      i32x4[`extadd_pairwise_i16x8_${sign}`](i16x8[`extmul_high_i8x16_${sign}`](a.get(), b.get())),
    );
    const even = c.letV128(everySecond(c, 2, low.get(), high.get(), 0));
    return i32x4.add(c.vec('a'), i32x4.add(even.get(), everySecond(c, 2, low.get(), high.get(), 1)));
  };
