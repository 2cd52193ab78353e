/** Where the reference (QEMU 7.2) is wrong, and what is right instead. Source: Arm DDI 0487, C4.1.96, C7.2. */
import { type CpuState, copyState } from '../../packages/kernel/test/cpu-state.ts';
import type { Expected } from '../../packages/kernel/test/vectors.ts';

interface Erratum {
  readonly mask: number;
  readonly value: number;
  readonly why: string;
  /** Makes the state after the instruction what it ought to be; without it, the word is not allocated. */
  readonly repair?: (state: CpuState, word: number) => void;
}

/** FPCR.FZ. */
const FZ = 1 << 24;
/** The smallest normal double. */
const NORMAL = 1n << 52n;

const ERRATA: readonly Erratum[] = [
  {
    mask: 0xffff_fc00,
    value: 0x1e7e_0000,
    why: 'FJCVTZS sets Z for a positive subnormal that FZ makes zero',
    repair: (state, word) => {
      const operand = state.v[2 * ((word >>> 5) & 31)]!;
      if ((state.fpcr & FZ) !== 0 && operand > 0n && operand < NORMAL) state.nzcv = 0;
    },
  },
  {
    mask: 0xfff0_fc00,
    value: 0x5f10_fc00,
    why: 'FCVTZS (scalar, fixed-point) of half precision writes a negative result sign-extended to 32 bits',
    repair: ({ v }, word) => (v[2 * (word & 31)]! &= 0xffffn),
  },
  {
    mask: 0xbff8_fc00,
    value: 0x2f00_fc00,
    why: 'FMOV (vector, immediate) of half precision needs op = 0',
  },
  {
    mask: 0xbf7f_cc00,
    value: 0x0e70_c800,
    why: 'FMAXV and the like of half precision need sz = 0',
  },
  {
    mask: 0xff7f_cc00,
    value: 0x5e70_c800,
    why: 'FMAXP (scalar) and the like of half precision need sz = 0',
  },
];

const erratumOf = (word: number): Erratum | undefined =>
  ERRATA.find(({ mask, value }) => (word & mask) >>> 0 === value);

/** Whether the reference may be wrong about a word: it must be the last of a case then. */
export const hasErratum = (word: number): boolean => erratumOf(word) !== undefined;

/** What the reference ought to have answered. @param before - the state at the first word */
export function repaired(expected: Expected, words: readonly number[], before: CpuState): Expected {
  const word = words.at(-1)!;
  const erratum = erratumOf(word);
  if (!erratum || expected.stop !== 'done') return expected;
  if (!erratum.repair) return { stop: 'undefined', state: copyState(before), bytes: new Map() };
  erratum.repair(expected.state, word);
  return expected;
}
