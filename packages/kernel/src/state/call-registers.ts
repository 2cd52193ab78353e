/** Registers of an SMCCC call: the function id and arguments in x0 to x3, results in the same. Source: Arm DEN 0028. */
import type { Block } from './block.ts';
import { X } from './vcpu-state.ts';

/** Low word of an argument; n is 0 to 3, and 0 gives the function id. */
export const argumentLow = (vcpu: Block, n: number): number => vcpu.get32(X + 8 * n);
export const argumentHigh = (vcpu: Block, n: number): number => vcpu.get32(X + 8 * n + 4);

/** What a call of the 32-bit convention sees of x1 to x3: upper halves are zero. */
export function narrowArguments(vcpu: Block): void {
  for (let n = 1; n <= 3; n++) vcpu.set32(X + 8 * n + 4, 0);
}

/** Puts a result into x0, as a signed number of 64 bits. @param value - −2³¹ to 2³² − 1 */
export function setResult(vcpu: Block, value: number): void {
  vcpu.set32(X, value);
  vcpu.set32(X + 4, value < 0 ? -1 : 0);
}

/** Puts results into x0 to x3; x1 to x3 are words. */
export function setResults(vcpu: Block, x0: number, x1 = 0, x2 = 0, x3 = 0): void {
  const { u32 } = vcpu.words;
  const at = (vcpu.base + X) >>> 2;
  u32[at] = x0;
  u32[at + 1] = x0 < 0 ? -1 : 0;
  u32[at + 2] = x1;
  u32[at + 3] = 0;
  u32[at + 4] = x2;
  u32[at + 5] = 0;
  u32[at + 6] = x3;
  u32[at + 7] = 0;
}
