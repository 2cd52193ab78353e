/**
 * Branches. Source: Arm DDI 0487, C4.1.93 "Branches, Exception Generating and System instructions"; C6.2, B, B.cond,
 * BL, BLR, BR, CBNZ, CBZ, RET, TBNZ, TBZ.
 */
import type { I64, Emitter } from '../emitter.ts';
import { insn, reachOf, signExtend, source, target } from '../pattern.ts';
import { CONDITIONS, conditionOf } from '../shared/condition.ts';

const REACHES = ['back', 'ahead', 'far'] as const;
const LINK = 30;

/** Byte displacement of a word offset field. */
const displacement = (field: number, bits: number): number => signExtend(field, bits) * 4;

const returnAddress = (c: Emitter): I64 => c.i64.add(c.pc(), c.i64.const(4));

const B_BL = insn('B_BL', 'op:1 00101 imm26:26', {
  statics: { link: [false, true], reach: REACHES },
  select: ({ op, imm26 }, site) => ({ link: op === 1, reach: reachOf(site, displacement(imm26, 26)) }),
  operands: ({ imm26 }) => ({ a: target(LINK), imm: displacement(imm26, 26) }),
  emit: (c, { link, reach }) => {
    if (link) c.setReg('a', returnAddress(c));
    c.branch(reach, link ? 'call' : 'jump');
  },
  hot: true,
  ends: true,
});

/** BC.cond (FEAT_HBC) is not announced: bit 4 must be 0. */
const B_cond = insn('B_cond', '0101010 0 imm19:19 0 cond:4', {
  statics: { condition: CONDITIONS, reach: REACHES },
  select: ({ imm19, cond }, site) => ({
    condition: conditionOf(cond),
    reach: reachOf(site, displacement(imm19, 19)),
  }),
  operands: ({ imm19 }) => ({ imm: displacement(imm19, 19) }),
  emit: (c, { condition, reach }) => c.branchIf(c.condition(condition), reach),
  hot: ({ condition, reach }) => condition < 14 && reach !== 'far',
  // Not MI, PL, VS, VC: they are rare, and costlier than the dispatch that a pair saves.
  pair: ({ condition, reach }) =>
    (condition < 4 || (condition >= 8 && condition < 14)) && reach !== 'far' ? 'branch' : undefined,
});

const CBZ_CBNZ = insn('CBZ_CBNZ', 'sf:1 011010 op:1 imm19:19 Rt:5', {
  statics: { whenZero: [false, true], width: [32, 64], reach: REACHES },
  select: ({ sf, op, imm19 }, site) => ({
    whenZero: op === 0,
    width: sf ? 64 : 32,
    reach: reachOf(site, displacement(imm19, 19)),
  }),
  operands: ({ imm19, Rt }) => ({ a: source(Rt), imm: displacement(imm19, 19) }),
  emit: (c, { whenZero, width, reach }) => {
    const w = c.word(width);
    c.branchIf(whenZero ? w.eqz(w.reg('a')) : w.ne(w.reg('a'), w.const(0)), reach);
  },
  hot: true,
});

const TBZ_TBNZ = insn('TBZ_TBNZ', 'b5:1 011011 op:1 b40:5 imm14:14 Rt:5', {
  statics: { whenZero: [false, true], reach: REACHES },
  select: ({ op, imm14 }, site) => ({ whenZero: op === 0, reach: reachOf(site, displacement(imm14, 14)) }),
  operands: ({ b5, b40, imm14, Rt }) => ({
    a: source(Rt),
    c: (b5 << 5) | b40,
    imm: displacement(imm14, 14),
  }),
  emit: (c, { whenZero, reach }) => {
    const { i64 } = c;
    const bit = i64.and(c.reg('a'), i64.shl(i64.const(1), i64.extend_i32_u(c.field('c'))));
    c.branchIf(whenZero ? i64.eqz(bit) : i64.ne(bit, i64.const(0)), reach);
  },
  hot: true,
});

const KINDS = ['jump', 'call', 'return'] as const;

const BR_BLR_RET = insn('BR_BLR_RET', '1101011 00 op:2 11111 000000 Rn:5 00000', {
  statics: { kind: KINDS },
  select: ({ op }) => {
    const kind = KINDS[op];
    return kind ? { kind } : null;
  },
  operands: ({ Rn }) => ({ a: target(LINK), b: source(Rn) }),
  emit: (c, { kind }) => {
    if (kind === 'call') {
      const to = c.letI64(c.reg('b')); // which may be the link register
      c.setReg('a', returnAddress(c));
      c.jump(to.get(), kind);
    } else {
      c.jump(c.reg('b'), kind);
    }
  },
  hot: true,
  ends: true,
});

export const BRANCH = [B_BL, B_cond, CBZ_CBNZ, TBZ_TBNZ, BR_BLR_RET] as const;
