/**
 * The condition flags as three 64-bit words, so that an instruction stores what it has at hand and a condition costs
 * one or two compares.
 *
 * Z is NZ = 0, C is FA ≥ FB unsigned, and N ≠ V is FA < FB signed. N is NZ < 0, or the *mark*: NZ = 0 with FA ≠ FB
 * and both multiples of 4, which no arithmetic leaves behind and which stands for N and Z both set (possible only by
 * MSR NZCV, CCMP, SPSR and KVM_SET_ONE_REG).
 */

export interface FlagWords {
  readonly nz: bigint;
  readonly a: bigint;
  readonly b: bigint;
}

/** FA and FB by C (bit 1) and N ≠ V (bit 0). */
export const FLAG_PAIRS: readonly { readonly a: number; readonly b: number }[] = [
  { a: 0, b: -1 },
  { a: 0, b: 1 },
  { a: 0, b: 0 },
  { a: -1, b: 0 },
];
/** The same where the mark must stand: C ∧ N = V has no equal pair then. */
export const MARKED_PAIRS: readonly { readonly a: number; readonly b: number }[] = [
  { a: 0, b: -4 },
  { a: 0, b: 4 },
  { a: 4, b: 0 },
  { a: -4, b: 0 },
];

/** @param nzcv - NZCV in bits 3:0 */
export function packFlags(nzcv: number): FlagWords {
  const [n, z, c, v] = [(nzcv >> 3) & 1, (nzcv >> 2) & 1, (nzcv >> 1) & 1, nzcv & 1] as const;
  const pairs = n && z ? MARKED_PAIRS : FLAG_PAIRS;
  const { a, b } = pairs[(c << 1) | (n ^ v)]!;
  return { nz: z ? 0n : n ? -1n : 1n, a: BigInt(a), b: BigInt(b) };
}

/** @returns NZCV in bits 3:0 */
export function unpackFlags({ nz, a, b }: FlagWords): number {
  const result = BigInt.asIntN(64, nz);
  const left = BigInt.asIntN(64, a);
  const right = BigInt.asIntN(64, b);
  const mark = result === 0n && left !== right && ((left | right) & 3n) === 0n;
  const n = result < 0n || mark ? 1 : 0;
  const z = result === 0n ? 1 : 0;
  const c = BigInt.asUintN(64, a) >= BigInt.asUintN(64, b) ? 1 : 0;
  const v = n ^ (left < right ? 1 : 0);
  return (n << 3) | (z << 2) | (c << 1) | v;
}
