/** FMOV (scalar, immediate). Source: Arm DDI 0487, C7.2; VFPExpandImm in J1.3.3. */
import { type Insn, insn, vector } from '../pattern.ts';
import { FORMATS, type FpBits } from '../shared/fp-format.ts';
import { ANY_SCALAR_STATICS, anyScalarPoint } from '../shared/fp-row.ts';

/** The bits of the value that eight bits stand for: a sign, three of exponent, four of fraction. */
function expandImmediate(imm8: number, bits: FpBits): bigint {
  const { fraction, bias, sign } = FORMATS[bits];
  const exponent = (imm8 & 0x40 ? -4 : 0) + ((imm8 >> 4) & 3) + 1;
  return (
    (imm8 & 0x80 ? sign : 0n) |
    (BigInt(exponent + bias) << BigInt(fraction)) |
    (BigInt(imm8 & 15) << BigInt(fraction - 4))
  );
}

/** By `ftype`. */
const WIDTHS = [32, 64, null, 16] as const;

const FMOV_imm = insn('FMOV_imm', '0 0 0 11110 ftype:2 1 imm8:8 100 00000 Rd:5', {
  statics: ANY_SCALAR_STATICS,
  select: anyScalarPoint,
  operands: ({ ftype, imm8, Rd }) => {
    const value = expandImmediate(imm8, WIDTHS[ftype]!);
    return { a: vector(Rd), immLow: Number(value & 0xffff_ffffn), immHigh: Number(value >> 32n) };
  },
  emit: (c) => {
    c.requireFp();
    c.setVecLow('a', c.imm());
  },
});

export const FP_IMMEDIATE: readonly Insn[] = [FMOV_imm];
