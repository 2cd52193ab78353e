/** How an instruction divides a vector register into lanes. Source: Arm DDI 0487, C1.2.7 and "Shared decode". */
import type { Size } from '../emitter.ts';

/** log2 of the lane size in bytes, and how many bits of the register count; those above are cleared. */
export interface Shape {
  readonly size: Size;
  readonly bits: 8 | 16 | 32 | 64 | 128;
}

/** By the manual's name: vectors first, then the one-lane registers of scalar instructions. */
export const SHAPES = {
  '8b': { size: 0, bits: 64 },
  '16b': { size: 0, bits: 128 },
  '4h': { size: 1, bits: 64 },
  '8h': { size: 1, bits: 128 },
  '2s': { size: 2, bits: 64 },
  '4s': { size: 2, bits: 128 },
  '1d': { size: 3, bits: 64 },
  '2d': { size: 3, bits: 128 },
  b: { size: 0, bits: 8 },
  h: { size: 1, bits: 16 },
  s: { size: 2, bits: 32 },
  d: { size: 3, bits: 64 },
} as const satisfies Record<string, Shape>;

export type Arrangement = keyof typeof SHAPES;

const VECTORS = ['8b', '16b', '4h', '8h', '2s', '4s', '1d', '2d'] as const;
const SCALARS = ['b', 'h', 's', 'd'] as const;

/** The vector arrangement that the fields `size` and `Q` encode. */
export const vectorArrangement = (size: number, q: number): Arrangement => VECTORS[(size << 1) | q]!;
/** The scalar register that the field `size` encodes. */
export const scalarArrangement = (size: number): Arrangement => SCALARS[size]!;

export const BYTES = ['8b', '16b'] as const;
export const BYTES_TO_WORDS = ['8b', '16b', '4h', '8h', '2s', '4s'] as const;
export const HALVES_AND_WORDS = ['4h', '8h', '2s', '4s'] as const;
/** Every vector but `1d`, which most instructions reserve. */
export const ALL_VECTORS = ['8b', '16b', '4h', '8h', '2s', '4s', '2d'] as const;
export const ALL_SCALARS = SCALARS;

/** The point `{ T }` if the row has that arrangement, or `null` for a reserved encoding. */
export const allocated = <T extends Arrangement>(
  arrangements: readonly T[],
  arrangement: Arrangement,
): { readonly T: T } | null => {
  const found = arrangements.find((one) => one === arrangement);
  return found === undefined ? null : { T: found };
};
