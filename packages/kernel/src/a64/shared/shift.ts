/** ShiftReg by an immediate amount. Source: Arm DDI 0487, aarch64/instrs/integer/shiftreg/ShiftReg. */
import type { Word, WordOps } from '../emitter.ts';

/** The shift types in encoding order, after the case that is none: most operands are not shifted. */
export const SHIFT_KINDS = ['plain', 'lsl', 'lsr', 'asr', 'ror'] as const;
export type ShiftKind = (typeof SHIFT_KINDS)[number];

/** `value` shifted by the immediate. */
export function shifted(w: WordOps<Word>, kind: ShiftKind, value: Word): Word {
  switch (kind) {
    case 'plain':
      return value;
    case 'lsl':
      return w.shl(value, w.imm());
    case 'lsr':
      return w.shr_u(value, w.imm());
    case 'asr':
      return w.shr_s(value, w.imm());
    case 'ror':
      return w.rotr(value, w.imm());
  }
}
