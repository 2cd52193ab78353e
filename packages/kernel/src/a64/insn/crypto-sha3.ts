/**
 * EOR3, BCAX, RAX1, XAR. Source: Arm DDI 0487, C4.1.96 "Cryptographic four-register", "three-register, imm6",
 * "three-register SHA 512"; C7.2 by name.
 */
import type { Emitter, I32, V128, Var } from '../emitter.ts';
import { type Insn, insn, vector } from '../pattern.ts';
import { twoSources } from '../shared/vector-operands.ts';

/** Both halves rotated right by 0 to 63. */
const rotateHalves = (c: Emitter, value: Var<V128>, count: () => I32): V128 =>
  c.v128.or(
    c.i64x2.shr_u(value.get(), count()),
    c.i64x2.shl(value.get(), c.i32.sub(c.i32.const(64), count())),
  );

const fourRegister = (name: string, opcode: string, emit: (c: Emitter) => void): Insn =>
  insn(name, `1100 1110 0 ${opcode} Rm:5 0 Ra:5 Rn:5 Rd:5`, {
    operands: ({ Rm, Ra, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), c: vector(Rm), imm: vector(Ra) }),
    emit: (c) => {
      c.requireFp();
      emit(c);
    },
  });

const EOR3 = fourRegister('EOR3', '00', (c) =>
  c.setVec('a', c.v128.xor(c.v128.xor(c.vec('b'), c.vec('c')), c.vec('d'))),
);

const BCAX = fourRegister('BCAX', '01', (c) =>
  c.setVec('a', c.v128.xor(c.vec('b'), c.v128.andnot(c.vec('c'), c.vec('d')))),
);

const RAX1 = insn('RAX1', '1100 1110 011 Rm:5 1000 11 Rn:5 Rd:5', {
  operands: twoSources,
  emit: (c) => {
    c.requireFp();
    const rotated = c.letV128(c.vec('c'));
    c.setVec(
      'a',
      c.v128.xor(
        c.vec('b'),
        rotateHalves(c, rotated, () => c.i32.const(63)),
      ),
    );
  },
});

const XAR = insn('XAR', '1100 1110 100 Rm:5 imm6:6 Rn:5 Rd:5', {
  operands: ({ Rm, imm6, Rn, Rd }) => ({ a: vector(Rd), b: vector(Rn), c: vector(Rm), imm: imm6 }),
  emit: (c) => {
    c.requireFp();
    const sum = c.letV128(c.v128.xor(c.vec('b'), c.vec('c')));
    c.setVec(
      'a',
      rotateHalves(c, sum, () => c.imm32()),
    );
  },
});

export const CRYPTO_SHA3: readonly Insn[] = [EOR3, BCAX, RAX1, XAR];
