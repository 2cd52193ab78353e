/** Encoding classes, in the manual's order. Source: Arm DDI 0487, C4.1 "A64 instruction set encoding". */
import { insn, type Insn } from '../../packages/kernel/src/a64/pattern.ts';

/** Section, class, diagram of what its words have in common. The first that a row lies in is the row's. */
const ROWS = [
  ['Reserved', 'UDF', '0 x:2 0000 y:25'],
  ['SME', 'SME', '1 x:2 0000 y:25'],
  ['SVE', 'SVE', 'x:3 0010 y:25'],
  ['Data processing, immediate', 'PC-relative addressing', 'x:3 10000 y:24'],
  ['Data processing, immediate', 'Add/subtract (immediate)', 'x:3 100010 y:23'],
  [
    'Data processing, immediate',
    'Add/subtract (immediate, with tags), min/max (immediate)',
    'x:3 100011 y:23',
  ],
  ['Data processing, immediate', 'Logical (immediate)', 'x:3 100100 y:23'],
  ['Data processing, immediate', 'Move wide (immediate)', 'x:3 100101 y:23'],
  ['Data processing, immediate', 'Bitfield', 'x:3 100110 y:23'],
  ['Data processing, immediate', 'Extract', 'x:3 100111 y:23'],
  ['Branches, exceptions, system', 'Conditional branch', '0101010 y:25'],
  ['Branches, exceptions, system', 'Exception generation', '11010100 y:24'],
  ['Branches, exceptions, system', 'Hints, barriers, PSTATE, system registers', '1101010100 y:22'],
  ['Branches, exceptions, system', 'Unconditional branch (register)', '1101011 y:25'],
  ['Branches, exceptions, system', 'Unconditional branch (immediate)', 'x:1 00101 y:26'],
  ['Branches, exceptions, system', 'Compare and branch, test and branch', 'x:1 01101 y:26'],
  ['Loads and stores', 'Advanced SIMD structures', '0 x:1 00110 y:25'],
  ['Loads and stores', 'Exclusive, ordered, compare and swap', 'x:2 001000 y:24'],
  ['Loads and stores', 'LDAPR/STLR (unscaled), tags, memory copy and set', 'x:2 011 V:1 01 y:24'],
  ['Loads and stores', 'Literal', 'x:2 011 V:1 00 y:24'],
  ['Loads and stores', 'Pair', 'x:2 101 V:1 0 y:25'],
  ['Loads and stores', 'Atomic memory operations', 'x:2 111 V:1 00 y:2 1 z:9 00 w:10'],
  ['Loads and stores', 'Single register', 'x:2 111 V:1 0 y:25'],
  ['Data processing, register', 'Two and one source', 'x:3 11010110 y:21'],
  ['Data processing, register', 'Logical (shifted register)', 'x:3 01010 y:24'],
  ['Data processing, register', 'Add/subtract (shifted, extended register)', 'x:3 01011 y:24'],
  ['Data processing, register', 'Add/subtract (with carry), flags', 'x:3 11010000 y:21'],
  ['Data processing, register', 'Conditional compare', 'x:3 11010010 y:21'],
  ['Data processing, register', 'Conditional select', 'x:3 11010100 y:21'],
  ['Data processing, register', 'Three source', 'x:3 11011 y:24'],
  ['SIMD and floating point', 'Cryptographic AES', '01001110 y:2 10100 z:5 10 w:10'],
  ['SIMD and floating point', 'Cryptographic SHA', '01011110 y:2 0 z:5 0 v:3 00 w:10'],
  ['SIMD and floating point', 'Cryptographic two-register SHA', '01011110 y:2 10100 z:5 10 w:10'],
  ['SIMD and floating point', 'Cryptographic, three and four registers', '11001110 y:24'],
  ['SIMD and floating point', 'Scalar copy', '01 x:1 11110000 y:5 0 z:4 1 w:10'],
  ['SIMD and floating point', 'Scalar three same (half precision)', '01 x:1 11110 y:1 10 z:5 00 v:3 1 w:10'],
  [
    'SIMD and floating point',
    'Scalar two-register miscellaneous (half precision)',
    '01 x:1 11110 y:1 111100 z:5 10 w:10',
  ],
  ['SIMD and floating point', 'Scalar three same extra', '01 x:1 11110 y:2 0 z:5 1 v:4 1 w:10'],
  ['SIMD and floating point', 'Scalar two-register miscellaneous', '01 x:1 11110 y:2 10000 z:5 10 w:10'],
  ['SIMD and floating point', 'Scalar pairwise', '01 x:1 11110 y:2 11000 z:5 10 w:10'],
  ['SIMD and floating point', 'Scalar three different', '01 x:1 11110 y:2 1 z:5 v:4 00 w:10'],
  ['SIMD and floating point', 'Scalar three same', '01 x:1 11110 y:2 1 z:5 v:5 1 w:10'],
  ['SIMD and floating point', 'Scalar shift by immediate', '01 x:1 111110 y:12 1 w:10'],
  ['SIMD and floating point', 'Scalar by element', '01 x:1 11111 y:13 0 w:10'],
  ['SIMD and floating point', 'Table lookup', '0 x:1 0 01110 y:2 0 z:5 0 v:3 00 w:10'],
  ['SIMD and floating point', 'Permute', '0 x:1 0 01110 y:2 0 z:5 0 v:3 10 w:10'],
  ['SIMD and floating point', 'Extract', '0 x:1 1 01110 y:2 0 z:5 0 v:4 0 w:10'],
  ['SIMD and floating point', 'Copy', '0 x:2 01110000 y:5 0 z:4 1 w:10'],
  ['SIMD and floating point', 'Three same (half precision)', '0 x:2 01110 y:1 10 z:5 00 v:3 1 w:10'],
  [
    'SIMD and floating point',
    'Two-register miscellaneous (half precision)',
    '0 x:2 01110 y:1 111100 z:5 10 w:10',
  ],
  ['SIMD and floating point', 'Three same extra', '0 x:2 01110 y:2 0 z:5 1 v:4 1 w:10'],
  ['SIMD and floating point', 'Two-register miscellaneous', '0 x:2 01110 y:2 10000 z:5 10 w:10'],
  ['SIMD and floating point', 'Across lanes', '0 x:2 01110 y:2 11000 z:5 10 w:10'],
  ['SIMD and floating point', 'Three different', '0 x:2 01110 y:2 1 z:9 00 w:10'],
  ['SIMD and floating point', 'Three same', '0 x:2 01110 y:2 1 z:10 1 w:10'],
  ['SIMD and floating point', 'Modified immediate', '0 x:2 0111100000 y:8 1 w:10'],
  ['SIMD and floating point', 'Shift by immediate', '0 x:2 011110 y:12 1 w:10'],
  ['SIMD and floating point', 'By element', '0 x:2 01111 y:13 0 w:10'],
  ['SIMD and floating point', 'Conversion, floating point and fixed point', 'x:1 0 y:1 11110 z:2 0 w:21'],
  [
    'SIMD and floating point',
    'Conversion, floating point and integer',
    'x:1 0 y:1 11110 z:2 1 w:5 000000 v:10',
  ],
  ['SIMD and floating point', 'Floating point, one source', 'x:1 0 y:1 11110 z:2 1 w:6 10000 v:10'],
  ['SIMD and floating point', 'Floating point, compare', 'x:1 0 y:1 11110 z:2 1 w:7 1000 v:10'],
  ['SIMD and floating point', 'Floating point, immediate', 'x:1 0 y:1 11110 z:2 1 w:8 100 v:10'],
  ['SIMD and floating point', 'Floating point, conditional compare', 'x:1 0 y:1 11110 z:2 1 w:9 01 v:10'],
  ['SIMD and floating point', 'Floating point, two source', 'x:1 0 y:1 11110 z:2 1 w:9 10 v:10'],
  ['SIMD and floating point', 'Floating point, conditional select', 'x:1 0 y:1 11110 z:2 1 w:9 11 v:10'],
  ['SIMD and floating point', 'Floating point, three source', 'x:1 0 y:1 11111 z:24'],
] as const;

export interface EncodingClass {
  readonly section: string;
  readonly name: string;
  readonly diagram: string;
}

const CLASSES = ROWS.map(([section, name, diagram]) => ({
  section,
  ...insn(name, diagram, { emit: () => {} }),
}));

export const ENCODING_CLASSES: readonly EncodingClass[] = CLASSES;

/** The class that all words of a row lie in. @throws RangeError there is none */
export function classOf({ name, mask, value }: Pick<Insn, 'name' | 'mask' | 'value'>): EncodingClass {
  const found = CLASSES.find((each) => (each.mask & ~mask) === 0 && (value & each.mask) >>> 0 === each.value);
  if (!found) throw new RangeError(`${name} lies in no encoding class`);
  return found;
}
