/**
 * Bitwise operations on whole registers. Source: Arm DDI 0487, C4.1.96 "Advanced SIMD three same", opcode 00011;
 * C7.2, AND, BIC, BIF, BIT, BSL, EOR, ORN, ORR (vector, register).
 */
import type { Emitter, V128 } from '../emitter.ts';
import { insn, type Insn } from '../pattern.ts';
import { setLanes } from '../shared/lanes.ts';
import { twoSources } from '../shared/vector-operands.ts';

interface Row {
  readonly name: string;
  readonly U: '0' | '1';
  readonly size: '00' | '01' | '10' | '11';
  /** Of operands `b` (Vn), `c` (Vm) and, where it is read, `a` (Vd). */
  readonly of: (c: Emitter) => V128;
}

const ROWS: readonly Row[] = [
  { name: 'AND', U: '0', size: '00', of: (c) => c.v128.and(c.vec('b'), c.vec('c')) },
  { name: 'BIC', U: '0', size: '01', of: (c) => c.v128.andnot(c.vec('b'), c.vec('c')) },
  { name: 'ORR', U: '0', size: '10', of: (c) => c.v128.or(c.vec('b'), c.vec('c')) },
  { name: 'ORN', U: '0', size: '11', of: (c) => c.v128.or(c.vec('b'), c.v128.not(c.vec('c'))) },
  { name: 'EOR', U: '1', size: '00', of: (c) => c.v128.xor(c.vec('b'), c.vec('c')) },
  { name: 'BSL', U: '1', size: '01', of: (c) => c.v128.bitselect(c.vec('b'), c.vec('c'), c.vec('a')) },
  { name: 'BIT', U: '1', size: '10', of: (c) => c.v128.bitselect(c.vec('b'), c.vec('a'), c.vec('c')) },
  { name: 'BIF', U: '1', size: '11', of: (c) => c.v128.bitselect(c.vec('a'), c.vec('b'), c.vec('c')) },
];

const logicalRow = ({ name, U, size, of }: Row): Insn =>
  insn(`${name}_vec`, `0 Q:1 ${U} 01110 ${size} 1 Rm:5 00011 1 Rn:5 Rd:5`, {
    statics: { bits: [64, 128] },
    select: ({ Q }) => ({ bits: Q ? 128 : 64 }),
    operands: twoSources,
    emit: (c, { bits }) => {
      c.requireFp();
      setLanes(c, 'a', of(c), { size: 0, bits });
    },
  });

export const SIMD_LOGICAL: readonly Insn[] = ROWS.map(logicalRow);
