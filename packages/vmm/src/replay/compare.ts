/** What was seen against what a trace has. */
import { isObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';

/** A place where the two are not equal. */
export interface Difference {
  /** From the top of the observations down: `['regs', '0x603000000013c100']`. */
  readonly path: readonly string[];
  /** Undefined: the trace has nothing there. */
  readonly expected: Json | undefined;
  /** Undefined: nothing was seen there. */
  readonly got: Json | undefined;
}

/** Matches anything of any shape. */
const ANYTHING = '~';

/** Every difference, in the trace's order; then what was seen beyond it. */
export function compare(
  expected: Json | undefined,
  got: Json | undefined,
  path: readonly string[] = [],
): Difference[] {
  if (expected === ANYTHING || expected === got) return [];
  if (Array.isArray(expected) && Array.isArray(got) && expected.length === got.length) {
    return expected.flatMap((item: Json, index) => compare(item, got[index] as Json, [...path, `${index}`]));
  }
  if (isObject(expected) && isObject(got)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(got)]);
    return [...keys].flatMap((key) => compare(expected[key], got[key], [...path, key]));
  }
  return [{ path, expected, got }];
}

/** Exception classes of watchpoints, for which alone `far` is said. Source: Arm DDI 0487, ESR_ELx.EC. */
const WATCHPOINT_CLASSES: readonly number[] = [0x34, 0x35];
const CLASS_SHIFT = 26;

/** The kernel that leaves `far` as it was with a watchpoint, too. */
const STALE_FAR = /^5\.10\./;

/**
 * What of a trace's step has a meaning: `far` of a debug exit that is no watchpoint is what an earlier exit left.
 *
 * @param kernel - the release that answered, as the trace has it
 */
export function meaningful(out: JsonObject, kernel: string): JsonObject {
  const { hsr } = out;
  if (typeof hsr !== 'string') return out;
  if (!STALE_FAR.test(kernel) && WATCHPOINT_CLASSES.includes(Number(hsr) >>> CLASS_SHIFT)) return out;
  return { ...out, far: ANYTHING };
}
