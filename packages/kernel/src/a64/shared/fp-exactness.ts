/**
 * Whether a result that Wasm rounded is exact: asked where an inexact one would have to set FPSR.IXC. The error of a sum
 * is itself a value of the format, so is that of a product, and what is left over by a quotient or a root.
 * Source: J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2nd edition, sections 4.3 and 4.4.
 */
import type { Var } from '../emitter.ts';
import type { Float, FpView, Mask } from './fp-view.ts';

/** Products above it in magnitude have no bit below the smallest subnormal value. */
const leastProduct = ({ format }: FpView): number => 2 ** (2 * format.fraction + 2 - format.bias);

export const isLarge = (k: FpView, value: Float): Mask =>
  k.ops.gt(k.ops.abs(value), k.constFloat(leastProduct(k)));
export const isZero = (k: FpView, value: Float): Mask => k.ops.eq(value, k.constFloat(0));

/** Of `sum` = x + y. */
export function isExactSum(k: FpView, sum: Var<Float>, x: Var<Float>, y: Var<Float>): Mask {
  const { ops } = k;
  const other = k.letFloat(ops.sub(sum.get(), x.get()));
  const lost = ops.sub(x.get(), ops.sub(sum.get(), other.get()));
  return isZero(k, ops.add(lost, ops.sub(y.get(), other.get())));
}

/** Of `difference` = x − y. */
export function isExactDifference(k: FpView, difference: Var<Float>, x: Var<Float>, y: Var<Float>): Mask {
  const negated = k.letFloat(k.ops.neg(y.get()));
  return isExactSum(k, difference, x, negated);
}

/** Of `product` = x × y. Needs a fused multiply-add. */
export function isExactProduct(k: FpView, product: Var<Float>, x: Var<Float>, y: Var<Float>): Mask {
  const negated = k.letFloat(k.ops.neg(product.get()));
  const noError = isZero(k, k.multiplyAdd(negated, x, y));
  return k.both(
    noError,
    k.either(isLarge(k, product.get()), k.either(isZero(k, x.get()), isZero(k, y.get()))),
  );
}

/** Of `quotient` = x ÷ y, or of a root: `x` = y × y. Needs a fused multiply-add. */
export function isExactQuotient(k: FpView, quotient: Var<Float>, x: Var<Float>, y: Var<Float>): Mask {
  const negated = k.letFloat(k.ops.neg(x.get()));
  const noRest = isZero(k, k.multiplyAdd(negated, quotient, y));
  return k.both(noRest, k.either(isLarge(k, x.get()), isZero(k, x.get())));
}

/** Of `sum` = addend + x × y, rounded once. Needs a fused multiply-add. */
export function isExactFused(
  k: FpView,
  sum: Var<Float>,
  addend: Var<Float>,
  x: Var<Float>,
  y: Var<Float>,
): Mask {
  const product = k.letFloat(k.ops.mul(x.get(), y.get()));
  return k.both(isExactProduct(k, product, x, y), isExactSum(k, sum, product, addend));
}
