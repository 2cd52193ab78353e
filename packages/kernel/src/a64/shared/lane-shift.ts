/** Shifts whose amount differs from lane to lane: SSHL and its relatives. Source: Arm DDI 0487, C7.2, SSHL, SQRSHL. */
import type { Emitter, I32, Routine, Size, V128, Var } from '../emitter.ts';
import type { LaneBinary, Sign } from './lane-arithmetic.ts';
import { laneBits, lanes, splat, splatValue, zeros } from './lanes.ts';
import { rememberSaturation, signedLimit } from './saturation.ts';

/** Shifts each lane by its own amount (not negative); from the lane's width on, all bits are shifted out. */
function shiftEach(
  c: Emitter,
  size: Size,
  op: 'shl' | `shr_${Sign}`,
  value: Var<V128>,
  amount: Var<V128>,
): V128 {
  const ops = lanes(c, size);
  const bits = laneBits(size);
  const result = c.letV128(value.get());
  for (let step = 1; step < bits; step *= 2) {
    const shifted = ops[op](result.get(), c.i32.const(step));
    const old = result.get();
    const wanted = ops.ne(c.v128.and(amount.get(), splat(c, size, BigInt(step))), zeros(c));
    result.set(c.v128.bitselect(shifted, old, wanted));
  }
  const out = (): V128 => ops.gt_s(amount.get(), splat(c, size, BigInt(bits - 1)));
  if (op !== 'shr_s') return c.v128.andnot(result.get(), out());
  const sign = ops.lt_s(value.get(), zeros(c));
  return c.v128.bitselect(sign, result.get(), out());
}

/** Lanes of `value`, or 0 where they are negative. */
const notNegative = (c: Emitter, size: Size, value: Var<V128>): V128 =>
  c.v128.andnot(value.get(), lanes(c, size).lt_s(value.get(), zeros(c)));

/** To the right by `right`, 0 included, the last bit shifted out added. */
function roundEach(c: Emitter, size: Size, sign: Sign, value: Var<V128>, right: Var<V128>): V128 {
  const ops = lanes(c, size);
  const none = c.letV128(ops.eq(right.get(), zeros(c)));
  const allButOne = c.letV128(c.v128.andnot(ops.sub(right.get(), splat(c, size, 1n)), none.get()));
  const almost = c.letV128(shiftEach(c, size, `shr_${sign}`, value, allButOne));
  const rounded = ops.add(
    ops[`shr_${sign}`](almost.get(), c.i32.const(1)),
    c.v128.and(almost.get(), splat(c, size, 1n)),
  );
  const result = c.letV128(rounded);
  return c.v128.bitselect(value.get(), result.get(), none.get());
}

/** The signed low byte of each lane. */
function signedAmount(c: Emitter, size: Size, amounts: Var<V128>): Var<V128> {
  const ops = lanes(c, size);
  const above = laneBits(size) - 8;
  return c.letV128(ops.shr_s(ops.shl(amounts.get(), c.i32.const(above)), c.i32.const(above)));
}

/** Left by the signed low byte of each lane of the amounts; a lane where that is negative stays. */
const shiftLeft: LaneBinary = (c, size, value, amounts) => {
  const left = c.letV128(notNegative(c, size, signedAmount(c, size, amounts)));
  return shiftEach(c, size, 'shl', value, left);
};

/** As {@link shiftLeft}; where the shift loses bits, the limit, and FPSR.QC. */
const shiftLeftSaturating =
  (sign: Sign): LaneBinary =>
  (c, size, value, amounts) => {
    const left = c.letV128(notNegative(c, size, signedAmount(c, size, amounts)));
    const shifted = c.letV128(shiftEach(c, size, 'shl', value, left));
    const back = shiftEach(c, size, `shr_${sign}`, shifted, left);
    const lost = c.letV128(lanes(c, size).ne(back, value.get()));
    rememberSaturation(c, lost.get());
    if (sign === 'u') return c.v128.or(shifted.get(), lost.get());
    return c.v128.bitselect(signedLimit(c, size, value), shifted.get(), lost.get());
  };

/** Right where the signed low byte of a lane of the amounts is negative; the other lanes stay. */
const shiftRight =
  (sign: Sign, rounding: boolean): LaneBinary =>
  (c, size, value, amounts) => {
    const amount = signedAmount(c, size, amounts);
    // -128 has no counterpart in a byte, and -127 shifts everything out as well.
    if (size === 0) amount.set(c.i8x16.max_s(amount.get(), splat(c, 0, -127n)));
    amount.set(lanes(c, size).neg(amount.get()));
    const right = c.letV128(notNegative(c, size, amount));
    return rounding
      ? roundEach(c, size, sign, value, right)
      : shiftEach(c, size, `shr_${sign}`, value, right);
  };

/** One routine for each lane size: value and amounts to value. */
const bySize = (name: string, of: LaneBinary): readonly Routine<['v128', 'v128'], 'v128'>[] =>
  ([0, 1, 2, 3] as const).map((size) => ({
    name: `${name}_${laneBits(size)}`,
    params: ['v128', 'v128'],
    result: 'v128',
    emit: (c, value, amounts) => of(c, size, value, amounts),
  }));

const LEFT = {
  plain: bySize('shift_left', shiftLeft),
  s: bySize('shift_left_saturating_s', shiftLeftSaturating('s')),
  u: bySize('shift_left_saturating_u', shiftLeftSaturating('u')),
} as const;
const RIGHT = {
  s: bySize('shift_right_s', shiftRight('s', false)),
  u: bySize('shift_right_u', shiftRight('u', false)),
} as const;
const ROUND_RIGHT = {
  s: bySize('round_right_s', shiftRight('s', true)),
  u: bySize('round_right_u', shiftRight('u', true)),
} as const;

/** All lanes by one amount, as nearly all code has it; else one after the other. */
const shiftAlike =
  (sign: Sign): LaneBinary =>
  (c, size, value, amounts) => {
    const { i32, v128 } = c;
    const ops = lanes(c, size);
    const bits = laneBits(size);
    const first = c.letI32(i32.extend8_s(c.i8x16.extract_lane_u(amounts.get(), 0)));
    const each = signedAmount(c, size, amounts);
    const isOther = ops.ne(each.get(), splatValue(c, size, c.i64.extend_i32_s(first.get())));
    const result = c.letV128(value.get());
    /** @param by - less than 256 */
    const shift = (op: 'shl' | `shr_${Sign}`, by: Var<I32>): void => {
      const isOut = (): I32 => i32.gt_u(by.get(), i32.const(bits - 1));
      if (op === 'shr_s') by.set(c.select(i32.const(bits - 1), by.get(), isOut()));
      result.set(ops[op](value.get(), by.get()));
      if (op !== 'shr_s') result.set(c.selectV128(zeros(c), result.get(), isOut()));
    };
    c.if(
      v128.any_true(isOther),
      () => {
        const left = c.call(LEFT.plain[size]!, value.get(), amounts.get());
        result.set(c.call(RIGHT[sign][size]!, left, amounts.get()));
      },
      () =>
        c.if(
          i32.lt_s(first.get(), i32.const(0)),
          () => shift(`shr_${sign}`, c.letI32(i32.sub(i32.const(0), first.get()))),
          () => shift('shl', first),
        ),
    );
    return result.get();
  };

const PLAIN = { s: bySize('shift_s', shiftAlike('s')), u: bySize('shift_u', shiftAlike('u')) } as const;

interface ShiftForm {
  readonly rounding?: boolean;
  /** Sets FPSR.QC where a left shift loses bits. */
  readonly saturating?: boolean;
}

/** SSHL and relatives. A lane that goes right has been shifted left by 0, so the one after the other is each alone. */
export const shiftByLane =
  (sign: Sign, { rounding = false, saturating = false }: ShiftForm = {}): LaneBinary =>
  (c, size, value, amounts) => {
    if (!rounding && !saturating) return c.call(PLAIN[sign][size]!, value.get(), amounts.get());
    const left = LEFT[saturating ? sign : 'plain'][size]!;
    const right = (rounding ? ROUND_RIGHT : RIGHT)[sign][size]!;
    const shifted = c.call(left, value.get(), amounts.get());
    return c.call(right, shifted, amounts.get());
  };
