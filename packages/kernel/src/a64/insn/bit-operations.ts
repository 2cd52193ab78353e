/**
 * Reversals and counts. Source: Arm DDI 0487, C4.1.94 "Data-processing (1 source)"; C6.2, CLS, CLZ, RBIT, REV, REV16,
 * REV32.
 */
import type { Emitter, Word, WordOps } from '../emitter.ts';
import { insn, source, target } from '../pattern.ts';

const PATTERN_WIDTHS = [32, 64] as const;
const OPERATIONS = ['rbit', 'rev16', 'rev', 'clz', 'cls'] as const;
type Operation = (typeof OPERATIONS)[number];

/** By `opcode`. REV of a W register has the number of REV32. */
const BY_OPCODE_32 = ['rbit', 'rev16', 'rev', null, 'clz', 'cls'] as const;
const BY_OPCODE_64 = ['rbit', 'rev16', null, 'rev', 'clz', 'cls'] as const;

/** Exchanges neighbouring groups of `distance` bits; `mask` has the lower group of each pair set. */
function exchange(w: WordOps<Word>, value: Word, distance: number, mask: bigint): Word {
  const v = w.let(value);
  return w.or(
    w.and(w.shr_u(v.get(), w.const(distance)), w.const(mask)),
    w.shl(w.and(v.get(), w.const(mask)), w.const(distance)),
  );
}

const reverse16 = (w: WordOps<Word>, value: Word): Word => exchange(w, value, 8, 0x00ff_00ff_00ff_00ffn);
const reverse32 = (w: WordOps<Word>, value: Word): Word =>
  exchange(w, reverse16(w, value), 16, 0x0000_ffff_0000_ffffn);
const reverseAll = (w: WordOps<Word>, value: Word): Word => {
  const words = reverse32(w, value);
  return w.bits === 64 ? w.rotl(words, w.const(32)) : words;
};

function compute(w: WordOps<Word>, operation: Operation, value: Word): Word {
  switch (operation) {
    case 'rbit': {
      const pairs = exchange(w, value, 1, 0x5555_5555_5555_5555n);
      const nibbles = exchange(w, pairs, 2, 0x3333_3333_3333_3333n);
      return reverseAll(w, exchange(w, nibbles, 4, 0x0f0f_0f0f_0f0f_0f0fn));
    }
    case 'rev16':
      return reverse16(w, value);
    case 'rev':
      return reverseAll(w, value);
    case 'clz':
      return w.clz(value);
    case 'cls': {
      const v = w.let(value);
      const differs = w.xor(v.get(), w.shr_s(v.get(), w.const(w.bits - 1)));
      return w.sub(w.clz(differs), w.const(1));
    }
  }
}

const BIT_OPERATION = insn('BIT_OPERATION', 'sf:1 1 0 11010110 00000 000 opcode:3 Rn:5 Rd:5', {
  statics: { operation: OPERATIONS, width: PATTERN_WIDTHS },
  select: ({ sf, opcode }) => {
    const operation = (sf ? BY_OPCODE_64 : BY_OPCODE_32)[opcode];
    return operation ? { operation, width: sf ? 64 : 32 } : null;
  },
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: source(Rn) }),
  emit: (c: Emitter, { operation, width }) => {
    const w = c.word(width);
    w.setReg('a', compute(w, operation, w.reg('b')));
  },
  hot: ({ operation }) => operation === 'clz' || operation === 'rev',
});

const REV32 = insn('REV32_gen', '1 1 0 11010110 00000 000010 Rn:5 Rd:5', {
  operands: ({ Rn, Rd }) => ({ a: target(Rd), b: source(Rn) }),
  emit: (c) => {
    const w = c.word(64);
    w.setReg('a', reverse32(w, w.reg('b')));
  },
});

export const BIT_OPERATIONS = [BIT_OPERATION, REV32] as const;
