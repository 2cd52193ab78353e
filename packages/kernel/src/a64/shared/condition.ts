/** Condition codes. Source: Arm DDI 0487, C1.2.4. */

/** AL; NV means the same. */
export const ALWAYS = 14;

/** All conditions, with NV under AL. */
export const CONDITIONS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, ALWAYS] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Each of the others is the opposite of the one before it. */
export const EVEN_CONDITIONS = [0, 2, 4, 6, 8, 10, 12, ALWAYS] as const;

/** The condition that a `cond` field means. */
export const conditionOf = (cond: number): Condition => CONDITIONS[Math.min(cond, ALWAYS)]!;

/** Whether a condition holds, by NZCV in bits 3:0. Source: Arm DDI 0487, J1.3.3, ConditionHolds. */
function holds(condition: number, nzcv: number): boolean {
  const [n, z, c, v] = [8, 4, 2, 1].map((bit) => (nzcv & bit) !== 0) as [boolean, boolean, boolean, boolean];
  const plain = [z, c, n, v, c && !z, n === v, n === v && !z, true][condition >> 1]!;
  return condition < ALWAYS && condition & 1 ? !plain : plain;
}

const FLAGS_THAT_HOLD = Array.from({ length: 16 }, (_, condition) =>
  Array.from({ length: 16 }, (_unused, nzcv) => (holds(condition, nzcv) ? 1 << nzcv : 0)).reduce(
    (mask, bit) => mask | bit,
  ),
);

/** A mask with bit n set if the condition holds where NZCV is n. */
export const flagsThatHold = (condition: number): number => FLAGS_THAT_HOLD[condition]!;
