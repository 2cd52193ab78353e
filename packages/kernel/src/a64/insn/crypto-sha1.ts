/**
 * SHA1C, SHA1P, SHA1M, SHA1H, SHA1SU0, SHA1SU1. Source: Arm DDI 0487, C4.1.96 "Cryptographic three-register SHA",
 * "two-register SHA"; C7.2 by name.
 */
import type { Emitter } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { oneSource, twoSources } from '../shared/vector-operands.ts';
import {
  choose,
  majority,
  middleWords,
  type Mix,
  parity,
  rotateLanes,
  vectorOf,
  wordsOf,
} from '../shared/sha.ts';

/** Four rounds on a, b, c, d in `a` and e in `b`, with the schedule and constants already summed in `c`. */
function fourRounds(c: Emitter, mix: Mix): void {
  const schedule = wordsOf(c, c.letV128(c.vec('c')));
  let [p, q, r, s] = wordsOf(c, c.letV128(c.vec('a')));
  let t = c.letI32(c.vecLow32('b'));
  for (const word of schedule) {
    t.set(
      c.i32.add(
        c.i32.add(c.i32.add(t.get(), c.i32.rotl(p.get(), c.i32.const(5))), mix(c, [q, r, s])),
        word.get(),
      ),
    );
    q.set(c.i32.rotl(q.get(), c.i32.const(30)));
    // The words change places by name alone.
    [p, q, r, s, t] = [t, p, q, r, s];
  }
  c.setVec('a', vectorOf(c, [p, q, r, s]));
}

const hash = (name: string, opcode: string, mix: Mix): Insn =>
  insn(name, `0101 1110 00 0 Rm:5 0 ${opcode} 00 Rn:5 Rd:5`, {
    operands: twoSources,
    emit: (c) => {
      c.requireFp();
      fourRounds(c, mix);
    },
  });

const SHA1H = insn('SHA1H', '0101 1110 00 10100 00000 10 Rn:5 Rd:5', {
  operands: oneSource,
  emit: (c) => {
    c.requireFp();
    c.setVecLow32('a', c.i32.rotl(c.vecLow32('b'), c.i32.const(30)));
  },
});

const SHA1SU0 = insn('SHA1SU0', '0101 1110 00 0 Rm:5 0 011 00 Rn:5 Rd:5', {
  operands: twoSources,
  emit: (c) => {
    c.requireFp();
    c.setVec('a', c.v128.xor(middleWords(c, c.vec('a'), c.vec('b')), c.v128.xor(c.vec('a'), c.vec('c'))));
  },
});

const SHA1SU1 = insn('SHA1SU1', '0101 1110 00 10100 00001 10 Rn:5 Rd:5', {
  operands: oneSource,
  emit: (c) => {
    c.requireFp();
    // Lane 3 has no neighbour above it; it takes the new lane 0 in turn.
    const sum = c.letV128(
      c.v128.xor(
        c.vec('a'),
        c.i8x16.shuffle(
          c.vec('b'),
          c.v128.const(0n, 0n),
          [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16],
        ),
      ),
    );
    const result = c.letV128(rotateLanes(c, sum, 1));
    c.setVec(
      'a',
      c.i32x4.replace_lane(
        result.get(),
        3,
        c.i32.xor(
          c.i32x4.extract_lane(result.get(), 3),
          c.i32.rotl(c.i32x4.extract_lane(sum.get(), 0), c.i32.const(2)),
        ),
      ),
    );
  },
});

export const CRYPTO_SHA1: readonly Insn[] = [
  hash('SHA1C', '000', choose),
  hash('SHA1P', '001', parity),
  hash('SHA1M', '010', majority),
  SHA1H,
  SHA1SU0,
  SHA1SU1,
];
