/**
 * Functions in other pages that code around a hot op calls. Short ones are inlined (inline.ts), so a request has a copy
 * of how they begin: whole pages would be too much.
 */
import type { HandlerPlan } from '../interp/build.ts';
import { OPS_PER_PAGE, OP_IMM, OP_SIZE, SPECIAL_HANDLERS } from '../interp/uop.ts';
import type { Words } from '../state/words.ts';
import { isFar, pageOf } from './pages.ts';
import { notedTargets } from './targets.ts';

/** Ops before and behind the hot one that are looked at. */
const REACH = 256;
/** Functions, at most; the nearest calls count. */
const MAX_CALLEES = 4;
/** Pages to a function, at most: so that numbers of ops, in bytes of ops, are small beside those that are counted. */
const MAX_PAGES = 4096;

const DIRECT = 1;
const INDIRECT = 2;

function kindOf({ insn, point }: HandlerPlan['handlers'][number]): number {
  if (insn.name !== 'B_BL' && insn.name !== 'BR_BLR_RET') return 0;
  const { link, reach, kind } = insn.point(point) as Readonly<Record<string, unknown>>;
  if (kind === 'call') return INDIRECT;
  return link === true && reach === 'far' ? DIRECT : 0;
}

export class Callees {
  /** What calls out of its page, by handler number. */
  readonly #kinds: Uint8Array;

  constructor({ handlers }: HandlerPlan) {
    this.#kinds = Uint8Array.from({ length: SPECIAL_HANDLERS + handlers.length }, (_, number) =>
      number < SPECIAL_HANDLERS ? 0 : kindOf(handlers[number - SPECIAL_HANDLERS]!),
    );
  }

  /**
   * @param page - address of a decoded page
   * @param index - of the hot op in it
   * @returns indices of the functions' first ops; none that lies in this page or in one beside it
   */
  around({ u16, u32 }: Words, page: number, index: number): readonly number[] {
    const found: { readonly target: number; readonly distance: number }[] = [];
    const end = Math.min(index + REACH, OPS_PER_PAGE);
    for (let at = Math.max(index - REACH, 0); at < end; at++) {
      const op = page + at * OP_SIZE;
      const kind = this.#kinds[u16[op >>> 1]!];
      if (!kind) continue;
      const [low, high] = [u32[(op + OP_IMM) >>> 2]!, u32[(op + OP_IMM + 4) >>> 2]!];
      for (const target of kind === DIRECT ? [at + ((low | 0) >> 2)] : notedTargets(at, low, high)) {
        if (isFar(at, target) && Math.abs(pageOf(target)) <= MAX_PAGES)
          found.push({ target, distance: Math.abs(at - index) });
      }
    }
    const targets = found.toSorted((a, b) => a.distance - b.distance).map(({ target }) => target);
    return [...new Set(targets)].slice(0, MAX_CALLEES);
  }
}
