/** Comparisons as rows use them: Wasm's for numbers, soft float for NaNs and under FZ. */
import type { I32, Var, Word } from '../emitter.ts';
import { FPCR_FZ, type FpFormat, perBits } from './fp-format.ts';
import { controlAllows } from './fp-operation.ts';
import { absolute, type Bits, type FpView, type Mask, type Soft, soft } from './fp-view.ts';
import { NZCV_EQUAL, NZCV_GREATER, NZCV_LESS, SOFT_COMPARE } from './soft-float-compare.ts';
import type { BinaryRoutine } from './soft-float.ts';

const WITHOUT_FZ = { clear: FPCR_FZ, inexact: false } as const;

/** FPCompare of two scalars by soft float: NZCV in bits 3:0. @param signalling - quiet NaNs raise IOC too */
export function compareCall(k: FpView, x: Var<Bits>, y: Var<Bits>, signalling: boolean): I32 {
  const { c } = k;
  const word = c.word(k.wordBits);
  return c.call(
    SOFT_COMPARE[k.format.bits],
    word.toI64(x.get()),
    word.toI64(y.get()),
    c.i32.const(signalling ? 1 : 0),
  );
}

/**
 * Compares two scalars and sets the flags: FPCompare. Numbers set them as the integers x > y and x < y do when
 * subtracted: so a condition costs what it does after an integer comparison.
 *
 * @param signalling - quiet NaNs raise IOC too
 */
export function compareFlags(k: FpView, x: Var<Bits>, y: Var<Bits>, signalling: boolean): void {
  const { c } = k;
  if (k.isHalf) return c.setNzcv(compareCall(k, x, y, signalling));
  const { ops } = k;
  const greater = c.letI32(ops.gt(k.float(x), k.float(y)));
  const less = c.letI32(ops.lt(k.float(x), k.float(y)));
  const ordered = (): I32 => c.i32.or(c.i32.or(greater.get(), less.get()), ops.eq(k.float(x), k.float(y)));
  c.rarely(
    c.i32.eqz(c.i32.and(controlAllows(c, WITHOUT_FZ), ordered())),
    () => c.setNzcv(compareCall(k, x, y, signalling)),
    () => {
      const difference = c.letI32(c.i32.sub(greater.get(), less.get()));
      c.flagsFromSub(c.word(32), greater as Var<Word>, less as Var<Word>, difference as Var<Word>);
    },
  );
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
    x.set(absolute(k, x.get()));
    y.set(absolute(k, y.get()));
  }
  const slow = (): Bits => k.call(SOFT_MASK[comparison.op], [x, y]);
  if (!k.isVector || k.isHalf) return slow();
  const { ops } = k;
  const ordered = (value: Var<Bits>): Mask => ops.eq(k.float(value), k.float(value));
  const result = k.letBits(ops[comparison.op](k.float(x), k.float(y)) as unknown as Bits);
  c.rarely(c.i32.eqz(c.i32.and(controlAllows(c, WITHOUT_FZ), k.all(k.both(ordered(x), ordered(y))))), () =>
    result.set(slow()),
  );
  return result.get();
}
