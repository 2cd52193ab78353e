/** Rounding to an integral value by Wasm's operations. */
import { type Rounding, ROUNDING } from './fp-format.ts';
import type { Bits, Float, FpView } from './fp-view.ts';
import type { Var } from '../emitter.ts';

/** The rounding modes that a value can be made integral by. */
export type IntegralRounding = Exclude<Rounding, typeof ROUNDING.ODD>;

/**
 * The value made integral; of a NaN some NaN.
 *
 * Ties away: adding the largest value below ½ towards the value's own side carries a tie over, since the sum rounds to
 * even, and nothing below a tie.
 */
export function integralOf(k: FpView, rounding: IntegralRounding, x: Var<Bits>): Float {
  const { ops } = k;
  switch (rounding) {
    case ROUNDING.NEAREST:
      return ops.nearest(k.float(x));
    case ROUNDING.PLUS:
      return ops.ceil(k.float(x));
    case ROUNDING.MINUS:
      return ops.floor(k.float(x));
    case ROUNDING.ZERO:
      return ops.trunc(k.float(x));
    case ROUNDING.AWAY: {
      const { bias, fraction } = k.format;
      const belowHalf = (BigInt(bias - 1) << BigInt(fraction)) - 1n;
      const step = k.letBits(k.withSign(belowHalf, x.get()));
      return ops.trunc(ops.add(k.float(x), k.float(step)));
    }
  }
}
