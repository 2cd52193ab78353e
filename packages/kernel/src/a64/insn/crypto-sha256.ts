/**
 * SHA256H, SHA256H2, SHA256SU0, SHA256SU1. Source: Arm DDI 0487, C4.1.96 "Cryptographic three-register SHA",
 * "two-register SHA"; C7.2 by name; FIPS 180-4, section 4.1.2.
 */
import type { Emitter, I32, V128, Var } from '../emitter.ts';
import { type Insn, insn } from '../pattern.ts';
import { oneSource, twoSources } from '../shared/vector-operands.ts';
import {
  choose,
  majority,
  nextWords,
  rotateLanes,
  rotations,
  vectorOf,
  type Words4,
  wordsOf,
} from '../shared/sha.ts';

/** Four rounds: the new a, b, c, d and e, f, g, h from the old ones and the schedule with its constants. */
function fourRounds(c: Emitter, low: Words4, high: Words4, schedule: Words4): [low: Words4, high: Words4] {
  let [a, b, cc, d] = low;
  let [e, f, g, h] = high;
  for (const word of schedule) {
    h.set(
      c.i32.add(
        c.i32.add(h.get(), rotations(c, e, [6, 11, 25])),
        c.i32.add(choose(c, [e, f, g]), word.get()),
      ),
    );
    d.set(c.i32.add(d.get(), h.get()));
    h.set(c.i32.add(c.i32.add(h.get(), rotations(c, a, [2, 13, 22])), majority(c, [a, b, cc])));
    // The words change places by name alone.
    [a, b, cc, d, e, f, g, h] = [h, a, b, cc, d, e, f, g];
  }
  return [
    [a, b, cc, d],
    [e, f, g, h],
  ];
}

const hash = (name: string, opcode: string, part: 'low' | 'high'): Insn =>
  insn(name, `0101 1110 00 0 Rm:5 0 ${opcode} 00 Rn:5 Rd:5`, {
    operands: twoSources,
    emit: (c) => {
      c.requireFp();
      const read = (field: 'a' | 'b' | 'c'): Words4 => wordsOf(c, c.letV128(c.vec(field)));
      // The destination is the half that comes out.
      const low = read(part === 'low' ? 'a' : 'b');
      const high = read(part === 'low' ? 'b' : 'a');
      const [newLow, newHigh] = fourRounds(c, low, high, read('c'));
      c.setVec('a', vectorOf(c, part === 'low' ? newLow : newHigh));
    },
  });

/** σ₀ in each lane. */
const smallSigma0 = (c: Emitter, words: Var<V128>): V128 =>
  c.v128.xor(
    c.v128.xor(rotateLanes(c, words, 32 - 7), rotateLanes(c, words, 32 - 18)),
    c.i32x4.shr_u(words.get(), c.i32.const(3)),
  );

/** σ₁ of a word. */
const smallSigma1 = (c: Emitter, word: Var<I32>): I32 =>
  c.i32.xor(
    c.i32.xor(c.i32.rotr(word.get(), c.i32.const(17)), c.i32.rotr(word.get(), c.i32.const(19))),
    c.i32.shr_u(word.get(), c.i32.const(10)),
  );

const SHA256SU0 = insn('SHA256SU0', '0101 1110 00 10100 00010 10 Rn:5 Rd:5', {
  operands: oneSource,
  emit: (c) => {
    c.requireFp();
    const next = c.letV128(nextWords(c, c.vec('a'), c.vec('b')));
    c.setVec('a', c.i32x4.add(smallSigma0(c, next), c.vec('a')));
  },
});

const SHA256SU1 = insn('SHA256SU1', '0101 1110 00 0 Rm:5 0 110 00 Rn:5 Rd:5', {
  operands: twoSources,
  emit: (c) => {
    c.requireFp();
    const [, , third, fourth] = wordsOf(c, c.letV128(c.vec('c')));
    const [p, q, r, s] = wordsOf(c, c.letV128(c.i32x4.add(c.vec('a'), nextWords(c, c.vec('b'), c.vec('c')))));
    p.set(c.i32.add(p.get(), smallSigma1(c, third)));
    q.set(c.i32.add(q.get(), smallSigma1(c, fourth)));
    // The upper two words need the lower two.
    r.set(c.i32.add(r.get(), smallSigma1(c, p)));
    s.set(c.i32.add(s.get(), smallSigma1(c, q)));
    c.setVec('a', vectorOf(c, [p, q, r, s]));
  },
});

export const CRYPTO_SHA256: readonly Insn[] = [
  hash('SHA256H', '100', 'low'),
  hash('SHA256H2', '101', 'high'),
  SHA256SU0,
  SHA256SU1,
];
