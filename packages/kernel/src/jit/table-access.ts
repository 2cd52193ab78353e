/**
 * Loads from small tables: a base, and an index that was cut to a few bits before. If such a table lies in one page, its
 * entry of the TLB is the base's, which mostly is known long before the index: where each look into the table waits for
 * the one before, as in a CRC, that halves the time.
 */
import { comesBack } from './footprint.ts';
import type { RegionOp } from './region.ts';
import { fieldOf, generalOf, registersOf, SP_INDEX } from './registers.ts';

/** A table of a page or more gains nothing. */
const MAX_REACH = 4095;

const pointOf = ({ handler }: RegionOp): Readonly<Record<string, unknown>> =>
  handler ? handler.insn.point(handler.point) : {};

/** What the result of an instruction is at most, if that is little. */
function boundOf(op: RegionOp): number | undefined {
  const { operation, kind, width, transfer } = pointOf(op);
  switch (op.handler?.insn.name) {
    case 'LOGICAL_imm':
      return operation === 'and' || operation === 'ands' ? smallMask(op, width) : undefined;
    case 'BFM':
      if (kind === 'ubfx') return smallMask(op, width);
      return kind === 'lsr' ? atMost(2 ** (Number(width) - op.c) - 1) : undefined;
    case 'LDR_STR':
      // Where the base is the target too, the base is written last.
      return transfer === 'ldrb' && op.a !== op.b ? 255 : undefined;
    default:
      return undefined;
  }
}

const atMost = (bound: number): number | undefined => (bound <= MAX_REACH ? bound : undefined);
/** Of 32 bits only the lower half counts. */
const smallMask = ({ immLow, immHigh }: RegionOp, width: unknown): number | undefined =>
  immLow >= 0 && (width === 32 || immHigh === 0) ? atMost(immLow) : undefined;

/** Follows the bounds of registers through the instructions of a block. */
export class TableAccesses {
  readonly #bounds = new Map<number, number>();

  /**
   * Of each instruction, in order.
   *
   * @returns if it is such an access: where it begins at most, in bytes from the base
   */
  reachOf(op: RegionOp): number | undefined {
    const reach = this.#reachOf(op);
    if (comesBack(op.footprint)) this.#bounds.clear();
    const { general } = registersOf(op, op.footprint.writes, false);
    for (const index of this.#bounds.keys()) if ((general >>> index) & 1) this.#bounds.delete(index);
    const bound = boundOf(op);
    const target = generalOf(fieldOf(op, 'a'));
    if (bound !== undefined && target >= 0) this.#bounds.set(target, bound);
    return reach;
  }

  #reachOf(op: RegionOp): number | undefined {
    if (op.handler?.insn.name !== 'LDR_STR') return undefined;
    const { mode, transfer } = pointOf(op);
    if (mode !== 'lsl' && mode !== 'uxtw' && mode !== 'sxtw') return undefined;
    // Nothing waits for a store, and what lies on the stack is no table.
    if (String(transfer).startsWith('st') || generalOf(op.b) === SP_INDEX) return undefined;
    const bound = this.#bounds.get(generalOf(op.c));
    return bound === undefined ? undefined : atMost(bound * 2 ** op.immLow);
  }
}
