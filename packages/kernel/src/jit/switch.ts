/**
 * Where a `switch` of the guest leads. Its branch goes through a register, so the code does not say; but a compiler adds
 * the table's entry to an address made by ADR, lays the cases out behind the branch, and nothing falls into them. Of
 * these, the ones that have been executed are decoded. What is not found here is reached as any other address.
 */
import { pageOf, startOf } from './pages.ts';
import type { RegionOp } from './region.ts';
import { registerBranch } from './targets.ts';

/** How far before its branch the address is made, and how far behind it the cases lie, at most: in instructions. */
const ADDRESS_REACH = 8;
const CASE_REACH = 512;
/** Functions begin at multiples of 16 bytes, behind a RET. */
const FUNCTION_ALIGNMENT = 4;

export interface Code {
  /** The op at an index, if it is decoded. */
  opAt(index: number): RegionOp | undefined;
  /** Control goes on behind it. */
  falls(op: RegionOp): boolean;
}

/** @returns indices of the cases, in order; none if the op is not the branch of a `switch` */
export function casesOf(branch: RegionOp, { opAt, falls }: Code): readonly number[] {
  if (registerBranch(branch) !== 'jump') return [];
  const { index } = branch;
  const isSwitch = Array.from({ length: ADDRESS_REACH }, (_, i) => opAt(index - 1 - i)).some(
    (op) => op?.handler?.insn.name === 'ADR',
  );
  if (!isSwitch) return [];
  const cases: number[] = [];
  let before = branch;
  const pageEnd = startOf(pageOf(index) + 1);
  for (let at = index + 1; at < Math.min(index + CASE_REACH, pageEnd); at++) {
    const op = opAt(at);
    if (!op) continue;
    if (registerBranch(before) === 'return' && at % FUNCTION_ALIGNMENT === 0) break;
    if (before.index !== at - 1 || !falls(before)) cases.push(at);
    before = op;
  }
  return cases;
}
