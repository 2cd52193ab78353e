/**
 * Where binutils and the decode table disagree, with the reason. Each was looked at in the manual, and QEMU was asked:
 * `reference` is what its user mode makes of the words.
 */
import { insn } from '../../packages/kernel/src/a64/pattern.ts';

export interface Disagreement {
  readonly diagram: string;
  /** What the diagram cannot say. */
  readonly when?: (word: number) => boolean;
  readonly binutils: 'admits' | 'refuses';
  /** `SIGILL` = UNDEF. */
  readonly reference: 'executes' | 'SIGILL' | 'not asked';
  readonly why: string;
}

const field = (word: number, shift: number, bits: number): number => (word >>> shift) & (2 ** bits - 1);

export const DISAGREEMENTS: readonly Disagreement[] = [
  {
    diagram: '11010100 101 imm16:16 000 LL:2',
    when: (word) => field(word, 0, 2) !== 0,
    binutils: 'admits',
    reference: 'SIGILL',
    why: 'DCPS1 to DCPS3 are UNDEFINED outside of Debug state, which vkvm does not have',
  },
  {
    diagram: '11010100 010 imm16:16 00000',
    binutils: 'admits',
    reference: 'not asked',
    why: 'HLT is UNDEFINED where halting is not allowed; QEMU takes some for semihosting',
  },
  {
    diagram: '1101010100 L:1 00 op1:3 CRn:4 CRm:4 op2:3 Rt:5',
    binutils: 'admits',
    reference: 'SIGILL',
    why: 'with op0 = 0 there are hints, barriers and PSTATE, and no registers: the rest is unallocated',
  },
  {
    diagram: 'size:2 001000 1 1 0 Rs:5 1 Rt2:5 Rn:5 Rt:5',
    // binutils itself does not look at the top bit of Rs.
    when: (word) => field(word, 16, 4) !== 15 || field(word, 10, 5) !== 31,
    binutils: 'refuses',
    reference: 'executes',
    why: 'Rs and Rt2 of LDAR should be ones: they are ignored, as hardware does; for STLR binutils agrees',
  },
  {
    diagram: '01 101 0 0 idx:2 1 imm7:7 Rt2:5 Rn:5 Rt:5',
    when: (word) => {
      const [Rt, Rn, Rt2, idx] = [
        field(word, 0, 5),
        field(word, 5, 5),
        field(word, 10, 5),
        field(word, 23, 2),
      ];
      const writesBack = idx === 1 || idx === 3;
      return idx !== 0 && (Rt === Rt2 || (writesBack && Rn !== 31 && (Rt === Rn || Rt2 === Rn)));
    },
    binutils: 'refuses',
    reference: 'executes',
    why: 'LDPSW with one register twice is CONSTRAINED UNPREDICTABLE; it loads, as LDP does, where binutils agrees',
  },
  {
    diagram: '0 Q:1 0 01110 S:1 1 1 Rm:5 111011 Rn:5 Rd:5',
    binutils: 'admits',
    reference: 'SIGILL',
    why: 'FMLAL and FMLSL (vector) have sz = 0; binutils does not look',
  },
  {
    diagram: '0 Q:1 1 01110 S:1 1 1 Rm:5 110011 Rn:5 Rd:5',
    binutils: 'admits',
    reference: 'SIGILL',
    why: 'so do FMLAL2 and FMLSL2',
  },
];

const COMPILED = DISAGREEMENTS.map((each) => ({ each, ...insn(each.why, each.diagram, { emit: () => {} }) }));

/** The reviewed disagreement that a word falls under. */
export const disagreementOf = (word: number): Disagreement | undefined =>
  COMPILED.find(({ each, mask, value }) => (word & mask) >>> 0 === value && (each.when?.(word) ?? true))
    ?.each;
