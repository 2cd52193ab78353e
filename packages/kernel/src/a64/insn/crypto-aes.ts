/** AESE, AESD, AESMC, AESIMC. Source: Arm DDI 0487, C4.1.96 "Cryptographic AES"; C7.2 by name. */
import type { Emitter, V128, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { inverseMixColumns, inverseSubstitute, mixColumns, substitute } from '../shared/aes.ts';
import { oneSource } from '../shared/vector-operands.ts';

interface Row {
  readonly name: string;
  readonly opcode: string;
  readonly of: (c: Emitter, state: Var<V128>) => V128;
  /** The state is the destination xor the source (the round key), not the source. */
  readonly addsKey: boolean;
}

const ROWS: readonly Row[] = [
  { name: 'AESE', opcode: '00100', of: substitute, addsKey: true },
  { name: 'AESD', opcode: '00101', of: inverseSubstitute, addsKey: true },
  { name: 'AESMC', opcode: '00110', of: mixColumns, addsKey: false },
  { name: 'AESIMC', opcode: '00111', of: inverseMixColumns, addsKey: false },
];

export const CRYPTO_AES: readonly Insn[] = ROWS.map(({ name, opcode, of, addsKey }) =>
  insn(name, `0100 1110 00 10100 ${opcode} 10 Rn:5 Rd:5`, {
    operands: oneSource,
    emit: (c) => {
      c.requireFp();
      const state = c.letV128(addsKey ? c.v128.xor(c.vec('a'), c.vec('b')) : c.vec('b'));
      c.setVec('a', of(c, state));
    },
  }),
);
