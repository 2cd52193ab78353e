/**
 * Bitfields, lowered when decoded to the one or two shifts they are. Source: Arm DDI 0487, C4.1.92 "Bitfield",
 * "Extract"; C6.2, BFM, EXTR, SBFM, UBFM.
 */
import type { Fields, Operands } from '../pattern.ts';
import { insn, source, target } from '../pattern.ts';

const WIDTHS = [32, 64] as const;
const PATTERN = 'sf:1 opc:2 100110 N:1 immr:6 imms:6 Rn:5 Rd:5';
type BitfieldFields = Fields<typeof PATTERN>;

/** What a bitfield instruction does, after its aliases. */
const KINDS = ['lsl', 'lsr', 'asr', 'ubfx', 'ubfiz', 'sbfm', 'bfxil', 'bfi'] as const;
type Kind = (typeof KINDS)[number];
/** The field starts at bit `immr` and goes to bit 0, or starts at bit 0 and goes to bit `width - immr`. */
const EXTRACTS = ['sbfm', 'bfxil', 'ubfx'] as const;
const INSERTS = ['sbfm', 'bfi', 'ubfiz'] as const;

function kindOf({ sf, opc, immr, imms }: BitfieldFields): Kind {
  const top = sf ? 63 : 31;
  if (opc === 2 && imms === top) return 'lsr';
  if (opc === 0 && imms === top) return 'asr';
  if (opc === 2 && imms + 1 === immr) return 'lsl';
  return imms >= immr ? EXTRACTS[opc]! : INSERTS[opc]!;
}

/** The low `count` bits, 1 to 64. */
const lowOnes = (count: number): Pick<Operands, 'immLow' | 'immHigh'> => ({
  immLow: count >= 32 ? -1 : (1 << count) - 1,
  immHigh: count >= 64 ? -1 : count > 32 ? (1 << (count - 32)) - 1 : 0,
});

/** `c` and the immediate of each kind. `length` is the length of the field. */
function amounts(kind: Kind, bits: number, immr: number, imms: number): Operands {
  switch (kind) {
    case 'lsl':
      return { c: bits - immr };
    case 'lsr':
    case 'asr':
      return { c: immr };
    case 'ubfx':
    case 'bfxil':
      return { c: immr, ...lowOnes(imms - immr + 1) };
    case 'ubfiz':
    case 'bfi':
      return { c: bits - immr, ...lowOnes(imms + 1) };
    case 'sbfm':
      return { c: bits - 1 - imms, imm: imms >= immr ? bits - 1 - imms + immr : immr - imms - 1 };
  }
}

const BITFIELD_MOVE = insn('BFM', PATTERN, {
  statics: { kind: KINDS, width: WIDTHS },
  select: (fields) => {
    const { sf, opc, N, immr, imms } = fields;
    if (opc === 3 || N !== sf || (!sf && (immr >= 32 || imms >= 32))) return null;
    return { kind: kindOf(fields), width: sf ? 64 : 32 };
  },
  operands: (fields) => {
    const { sf, immr, imms, Rn, Rd } = fields;
    return { a: target(Rd), b: source(Rn), ...amounts(kindOf(fields), sf ? 64 : 32, immr, imms) };
  },
  emit: (c, { kind, width }) => {
    const w = c.word(width);
    switch (kind) {
      case 'lsl':
        return w.setReg('a', w.shl(w.reg('b'), w.field('c')));
      case 'lsr':
        return w.setReg('a', w.shr_u(w.reg('b'), w.field('c')));
      case 'asr':
        return w.setReg('a', w.shr_s(w.reg('b'), w.field('c')));
      case 'ubfx':
        return w.setReg('a', w.and(w.shr_u(w.reg('b'), w.field('c')), w.imm()));
      case 'ubfiz':
        return w.setReg('a', w.shl(w.and(w.reg('b'), w.imm()), w.field('c')));
      case 'sbfm':
        // The field goes to the top, then down to its place.
        return w.setReg('a', w.shr_s(w.shl(w.reg('b'), w.field('c')), w.imm()));
      case 'bfxil': {
        const rest = w.and(w.reg('a'), w.xor(w.imm(), w.const(-1)));
        return w.setReg('a', w.or(rest, w.and(w.shr_u(w.reg('b'), w.field('c')), w.imm())));
      }
      case 'bfi': {
        const rest = w.and(w.reg('a'), w.xor(w.shl(w.imm(), w.field('c')), w.const(-1)));
        return w.setReg('a', w.or(rest, w.shl(w.and(w.reg('b'), w.imm()), w.field('c'))));
      }
    }
  },
  hot: true,
});

/** ROR is EXTR of one register; so is EXTR by 0, which is its second source alone. */
const EXTR = insn('EXTR', 'sf:1 00 100111 N:1 0 Rm:5 imms:6 Rn:5 Rd:5', {
  statics: { rotate: [false, true], width: WIDTHS },
  select: ({ sf, N, Rm, imms, Rn }) => {
    if (N !== sf || (!sf && imms >= 32)) return null;
    return { rotate: Rn === Rm || imms === 0, width: sf ? 64 : 32 };
  },
  operands: ({ Rm, imms, Rn, Rd }) => ({ a: target(Rd), b: source(Rm), c: source(Rn), imm: imms }),
  emit: (c, { rotate, width }) => {
    const w = c.word(width);
    if (rotate) {
      w.setReg('a', w.rotr(w.reg('b'), w.imm()));
    } else {
      const low = w.shr_u(w.reg('b'), w.imm());
      w.setReg('a', w.or(low, w.shl(w.reg('c'), w.sub(w.const(width), w.imm()))));
    }
  },
  hot: true,
});

export const BITFIELD = [BITFIELD_MOVE, EXTR] as const;
