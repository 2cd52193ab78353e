/** Operands of rows that name vector registers in the usual places. */
import { type Operands, vector } from '../pattern.ts';

/** Destination `a`, source `b`. */
export const oneSource = ({ Rd, Rn }: { readonly Rd: number; readonly Rn: number }): Operands => ({
  a: vector(Rd),
  b: vector(Rn),
});

/** Destination `a`, sources `b` and `c`. */
export const twoSources = ({
  Rd,
  Rn,
  Rm,
}: {
  readonly Rd: number;
  readonly Rn: number;
  readonly Rm: number;
}): Operands => ({ a: vector(Rd), b: vector(Rn), c: vector(Rm) });
