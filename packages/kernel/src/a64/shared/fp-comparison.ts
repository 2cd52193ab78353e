/** Comparisons as rows use them: Wasm's for numbers, soft float for NaNs and under FZ. */
import type { I32, Var } from '../emitter.ts';
import { type FpFormat, perBits } from './fp-format.ts';
import { type Bits, type Float, type FpView, type Soft, soft } from './fp-view.ts';
import { NZCV_EQUAL, NZCV_GREATER, NZCV_LESS, SOFT_COMPARE } from './soft-float-compare.ts';
import type { BinaryRoutine } from './soft-float.ts';

/** FPCompare of two scalars by soft float: NZCV in bits 3:0. @param signalling - quiet NaNs raise IOC too */
export function compareCall(k: FpView, x: Var<Bits>, y: Var<Bits>, signalling: boolean): I32 {
  const { c } = k;
  const word = c.word(k.wordBits);
  return c.call(
    SOFT_COMPARE[k.format.bits],
    word.toI64(k.word(x.get())),
    word.toI64(k.word(y.get())),
    c.i32.const(signalling ? 1 : 0),
  );
}

/** 1 if one of two values is a NaN, or if they are infinities of opposite signs. */
function mayBeUnordered({ ops, letFloat, any }: FpView, x: Float, y: Float): I32 {
  const sum = letFloat(ops.add(x, y));
  return any(ops.ne(sum.get(), sum.get()));
}

/**
 * Compares two scalars and sets the flags: FPCompare.
 *
 * @param y - absent = 0
 * @param signalling - quiet NaNs raise IOC too
 */
export function compareFlags(k: FpView, x: Var<Bits>, y: Var<Bits> | undefined, signalling: boolean): void {
  const { c } = k;
  const other = y ?? k.letBits(k.constBits(0n));
  const slow = (): void => c.setNzcv(compareCall(k, x, other, signalling));
  if (k.format.bits === 16) return slow();
  const { bits } = k.format;
  const isUnordered = (): I32 =>
    y ? mayBeUnordered(k, k.float(x), k.float(y)) : k.any(k.ops.ne(k.float(x), k.float(x)));
  c.rarely([() => c.fpFails('exact'), isUnordered], slow, () => c.flagsFromFloats(bits, x, other));
}

/** A comparison that makes a mask of each lane. */
export interface LaneComparison {
  readonly op: 'eq' | 'ge' | 'gt' | 'le' | 'lt';
  /** Of magnitudes. */
  readonly absolute?: true;
}

/** NZCV values for which a comparison holds. Only equality is quiet about quiet NaNs. */
const HOLDS = {
  eq: [NZCV_EQUAL],
  ge: [NZCV_EQUAL, NZCV_GREATER],
  gt: [NZCV_GREATER],
  le: [NZCV_EQUAL, NZCV_LESS],
  lt: [NZCV_LESS],
} as const;

const maskRoutine = (op: keyof typeof HOLDS, f: FpFormat): BinaryRoutine => ({
  name: `fp${f.bits}_mask_${op}`,
  params: ['i64', 'i64'],
  result: 'i64',
  emit: (c, x, y) => {
    const held = HOLDS[op].reduce((mask, nzcv) => mask | (1 << nzcv), 0);
    return c.select(
      c.i64.const(f.sign | f.magnitude),
      c.i64.const(0),
      c.i32.and(
        c.i32.shr_u(
          c.i32.const(held),
          c.call(SOFT_COMPARE[f.bits], x.get(), y.get(), c.i32.const(op === 'eq' ? 0 : 1)),
        ),
        c.i32.const(1),
      ),
    );
  },
});

const maskOf = (op: keyof typeof HOLDS): Soft => soft(perBits((f) => maskRoutine(op, f)));
const SOFT_MASK: Readonly<Record<keyof typeof HOLDS, Soft>> = {
  eq: maskOf('eq'),
  ge: maskOf('ge'),
  gt: maskOf('gt'),
  le: maskOf('le'),
  lt: maskOf('lt'),
};

/** All ones in each lane where the comparison holds. */
export function compareLanes(k: FpView, comparison: LaneComparison, x: Var<Bits>, y: Var<Bits>): Bits {
  const { c } = k;
  if (comparison.absolute) {
    x.set(k.absolute(x.get()));
    y.set(k.absolute(y.get()));
  }
  const slow = (): Bits => k.call(SOFT_MASK[comparison.op], [x, y]);
  if (!k.isVector || k.isHalf) return slow();
  const result = k.letBits(k.ops[comparison.op](k.float(x), k.float(y)) as unknown as Bits);
  c.rarely([() => c.fpFails('exact'), () => mayBeUnordered(k, k.float(x), k.float(y))], () =>
    result.set(slow()),
  );
  return result.get();
}
