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
