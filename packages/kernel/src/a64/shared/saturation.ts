/** Saturation of lanes, and FPSR.QC that remembers it. Source: Arm DDI 0487, C5.2.9 FPSR; shared pseudocode SatQ. */
import { FPSR } from '../../state/vcpu-state.ts';
import type { Emitter, Size, V128, Var } from '../emitter.ts';
import { exceedsUnsigned, type LaneBinary } from './lane-arithmetic.ts';
import { laneBits, lanes, signBits, splat, zeros } from './lanes.ts';

/** FPSR.QC is bit 27. */
const QC_SHIFT = 27;

/** Sets FPSR.QC if any bit of `saturated` is set; never clears it. */
export const rememberSaturation = (c: Emitter, saturated: V128): void =>
  c.setState32(FPSR, c.i32.or(c.i32.shl(c.v128.any_true(saturated), c.i32.const(QC_SHIFT)), c.state32(FPSR)));

/** The greatest signed value where a lane is not negative, the least where it is. */
export function signedLimit(c: Emitter, size: Size, value: Var<V128>): V128 {
  const negative = lanes(c, size).lt_s(value.get(), zeros(c));
  return c.v128.xor(negative, splat(c, size, (1n << BigInt(laneBits(size) - 1)) - 1n));
}

/** `result`, or the limit on the side of `towards` where the sign bit of `overflow` is set. */
function limitSigned(
  c: Emitter,
  size: Size,
  towards: Var<V128>,
  result: Var<V128>,
  overflow: Var<V128>,
): V128 {
  const saturated = c.letV128(lanes(c, size).lt_s(overflow.get(), zeros(c)));
  rememberSaturation(c, saturated.get());
  return c.v128.bitselect(signedLimit(c, size, towards), result.get(), saturated.get());
}

/** SQADD. */
export const addSigned: LaneBinary = (c, size, a, b) => {
  const sum = c.letV128(lanes(c, size).add(a.get(), b.get()));
  if (size < 2) {
    const limited = c.letV128((size === 0 ? c.i8x16 : c.i16x8).add_sat_s(a.get(), b.get()));
    rememberSaturation(c, c.v128.xor(sum.get(), limited.get()));
    return limited.get();
  }
  const overflow = c.letV128(c.v128.and(c.v128.xor(a.get(), sum.get()), c.v128.xor(b.get(), sum.get())));
  return limitSigned(c, size, a, sum, overflow);
};

/** SQSUB. */
export const subtractSigned: LaneBinary = (c, size, a, b) => {
  const difference = c.letV128(lanes(c, size).sub(a.get(), b.get()));
  if (size < 2) {
    const limited = c.letV128((size === 0 ? c.i8x16 : c.i16x8).sub_sat_s(a.get(), b.get()));
    rememberSaturation(c, c.v128.xor(difference.get(), limited.get()));
    return limited.get();
  }
  const overflow = c.letV128(c.v128.and(c.v128.xor(a.get(), difference.get()), c.v128.xor(a.get(), b.get())));
  return limitSigned(c, size, a, difference, overflow);
};

/** UQADD. */
export const addUnsigned: LaneBinary = (c, size, a, b) => {
  const sum = c.letV128(lanes(c, size).add(a.get(), b.get()));
  const saturated = c.letV128(exceedsUnsigned(c, size, a, sum));
  rememberSaturation(c, saturated.get());
  return c.v128.or(sum.get(), saturated.get());
};

/** UQSUB. */
export const subtractUnsigned: LaneBinary = (c, size, a, b) => {
  const saturated = c.letV128(exceedsUnsigned(c, size, b, a));
  rememberSaturation(c, saturated.get());
  return c.v128.andnot(lanes(c, size).sub(a.get(), b.get()), saturated.get());
};

/** SUQADD: unsigned `a` to signed `b`. Both are moved by half of the range, where the sum is an unsigned one. */
export const addUnsignedToSigned: LaneBinary = (c, size, a, b) => {
  const moved = c.letV128(c.v128.xor(b.get(), signBits(c, size)));
  return c.v128.xor(addUnsigned(c, size, moved, a), signBits(c, size));
};

/** USQADD: signed `a` to unsigned `b`. */
export const addSignedToUnsigned: LaneBinary = (c, size, a, b) => {
  const moved = c.letV128(c.v128.xor(b.get(), signBits(c, size)));
  return c.v128.xor(addSigned(c, size, moved, a), signBits(c, size));
};

/** SQABS: only the least value has no counterpart. */
export function absolute(c: Emitter, size: Size, value: Var<V128>): V128 {
  const result = c.letV128(lanes(c, size).abs(value.get()));
  const saturated = c.letV128(lanes(c, size).lt_s(result.get(), zeros(c)));
  rememberSaturation(c, saturated.get());
  return c.v128.xor(result.get(), saturated.get());
}

/** SQNEG. */
export function negated(c: Emitter, size: Size, value: Var<V128>): V128 {
  const saturated = c.letV128(lanes(c, size).eq(value.get(), signBits(c, size)));
  rememberSaturation(c, saturated.get());
  return c.v128.xor(lanes(c, size).neg(value.get()), saturated.get());
}

/** How a lane is narrowed to half of its bits: from and to signed or unsigned. */
export type Narrowing = 'truncate' | 'signed' | 'unsigned' | 'signedToUnsigned';

/**
 * Lanes of `size` as the nearest values that lanes of half the bits can hold, not yet narrowed. The upper halves of
 * the result mean nothing.
 */
export function saturateToHalf(c: Emitter, size: Size, value: Var<V128>, narrowing: Narrowing): V128 {
  if (narrowing === 'truncate') return value.get();
  const ops = lanes(c, size);
  const half = laneBits(size) / 2;
  const sign = (): V128 => ops.lt_s(value.get(), zeros(c));
  if (narrowing === 'signed') {
    const saturated = c.letV128(ops.ne(ops.shr_s(value.get(), c.i32.const(half - 1)), sign()));
    rememberSaturation(c, saturated.get());
    const greatest = splat(c, size, (1n << BigInt(half - 1)) - 1n);
    return c.v128.bitselect(c.v128.xor(greatest, sign()), value.get(), saturated.get());
  }
  const saturated = c.letV128(ops.ne(ops.shr_u(value.get(), c.i32.const(half)), zeros(c)));
  rememberSaturation(c, saturated.get());
  if (narrowing === 'unsigned') return c.v128.or(value.get(), saturated.get());
  return c.v128.andnot(c.v128.or(value.get(), saturated.get()), sign());
}
