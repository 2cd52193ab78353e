/** Words of whole encoding spaces: any at all, and such as differ from an instruction in one of its fixed bits. */
import type { Random } from '../../packages/kernel/test/cpu-state.ts';
import { DecodeTable } from '../../packages/kernel/src/a64/decode.ts';
import type { Insn } from '../../packages/kernel/src/a64/pattern.ts';
import { INSNS } from '../../packages/kernel/src/a64/table.ts';
import { extensionOf } from '../encodings/unannounced.ts';

/** Whether a word belongs to SIMD and floating point, or to their loads and stores. Source: Arm DDI 0487, C4.1. */
const isVector = (word: number): boolean => {
  const op0 = (word >>> 25) & 15;
  return (op0 & 7) === 7 || ((op0 & 5) === 4 && ((word >>> 26) & 1) === 1);
};

/** Encodings that cannot be compared, and why. */
const UNSUITABLE: readonly { readonly mask: number; readonly value: number; readonly why: string }[] = [
  { mask: 0xff00_0000, value: 0xd400_0000, why: 'exceptions are for the reference’s kernel' },
  { mask: 0xffd0_0000, value: 0xd510_0000, why: 'so are system registers' },
  { mask: 0xffd8_0000, value: 0xd508_0000, why: 'and system instructions' },
  { mask: 0xffff_ffdf, value: 0xd503_205f, why: 'WFE and WFI wait' },
  { mask: 0x3b00_0000, value: 0x1800_0000, why: 'literals are not in the window' },
  {
    mask: 0x3fc0_0000,
    value: 0x0800_0000,
    why: 'whether a store-exclusive that must fail can fault is open',
  },
];
const integerRows = INSNS.filter(({ value }) => !isVector(value));
/** Whether a word belongs to data processing of SIMD and floating point. */
const isVectorData = (word: number): boolean => ((word >>> 25) & 7) === 7;
const vectorDataRows = INSNS.filter(({ value }) => isVectorData(value));

/** Direct branches to themselves would not end. */
const loops = (word: number): boolean =>
  (word & 0x7c00_0000) === 0x1400_0000
    ? (word & 0x3ff_ffff) === 0
    : ((word >>> 25) & 14) === 10 && ((word >>> 5) & 0x3fff) === 0;

const isSuitable = (word: number): boolean =>
  !isVector(word) &&
  !loops(word) &&
  UNSUITABLE.every(({ mask, value }) => (word & mask) >>> 0 !== value) &&
  extensionOf(word) === undefined;

const table = new DecodeTable(INSNS);
/** Operations on one register of half precision: the reference itself fails at those that are not allocated. */
const isFatal = (word: number): boolean =>
  (word & 0x8f7e_0c00) >>> 0 === 0x0e78_0800 && table.find(word) === undefined;

/** A word of a row with one of the row's fixed bits wrong. */
function nearMiss(rows: readonly Insn[], random: Random): number {
  const { mask, value } = random.pick(rows);
  let bit = 1 << random.below(32);
  while ((mask & bit) === 0) bit = 1 << random.below(32);
  return (value ^ bit ^ (random.next() & ~mask)) >>> 0;
}

/** A random word of the integer space that the reference can be asked about. */
export function chooseWord(random: Random): number {
  for (;;) {
    const word = random.below(2) ? nearMiss(integerRows, random) : random.next();
    if (isSuitable(word)) return word;
  }
}

/** A random word of SIMD and floating-point data processing. */
export function chooseVectorWord(random: Random): number {
  for (;;) {
    const word = random.below(4) ? nearMiss(vectorDataRows, random) : (random.next() | 0x0e00_0000) >>> 0;
    if (isVectorData(word) && extensionOf(word) === undefined && !isFatal(word)) return word;
  }
}
