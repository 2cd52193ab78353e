/** CRC32 and CRC32C. Source: Arm DDI 0487, C4.1.94 "Data-processing (2 source)"; C6.2, CRC32B to CRC32X, CRC32CB to CRC32CX. */
import type { Emitter, I32, I64, V128, Var } from '../emitter.ts';
import { insn, source, target } from '../pattern.ts';

/** The polynomials, bit-reversed. */
const POLYNOMIALS = { crc32: 0xedb8_8320, crc32c: 0x82f6_3b78 } as const;

/** What bit `bit` of a message of `bits` bits adds to the checksum: the division of that bit alone. */
function remainder(polynomial: number, bit: number, bits: number): bigint {
  let rest = 1n << BigInt(bit);
  for (let step = 0; step < bits; step++) rest = rest & 1n ? (rest >> 1n) ^ BigInt(polynomial) : rest >> 1n;
  return rest;
}

/** A vector constant of what four bits from `first` on map to. */
function lanes(first: number, value: (bit: number) => bigint): [low: bigint, high: bigint] {
  const pair = (bit: number): bigint => value(bit) | (value(bit + 1) << 32n);
  return [pair(first), pair(first + 2)];
}

/** The checksum is linear in the message's bits: each one that is set adds its remainder. Four bits at a time. */
function checksum(c: Emitter, message: Var<I64>, bits: number, polynomial: number): I32 {
  const { i32, i64, i32x4, i64x2, v128 } = c;
  const splat = (shift: number): Var<V128> =>
    c.letV128(i32x4.splat(i32.wrap_i64(i64.shr_u(message.get(), i64.const(shift)))));
  const words = bits === 64 ? [splat(0), splat(32)] : [splat(0)];
  const sum = c.letV128(v128.const(0n, 0n));
  for (let bit = 0; bit < bits; bit += 4) {
    const selectors = lanes(bit, (n) => 1n << BigInt(n & 31));
    const remainders = lanes(bit, (n) => remainder(polynomial, n, bits));
    const isSet = i32x4.ne(v128.and(words[bit >> 5]!.get(), v128.const(...selectors)), v128.const(0n, 0n));
    sum.set(v128.xor(v128.and(isSet, v128.const(...remainders)), sum.get()));
  }
  const halves = c.letI64(i64.xor(i64x2.extract_lane(sum.get(), 0), i64x2.extract_lane(sum.get(), 1)));
  return i32.wrap_i64(i64.xor(halves.get(), i64.shr_u(halves.get(), i64.const(32))));
}

export const CRC32 = [
  insn('CRC32', 'sf:1 0 0 11010110 Rm:5 010 C:1 sz:2 Rn:5 Rd:5', {
    statics: { polynomial: ['crc32', 'crc32c'], bits: [8, 16, 32, 64] },
    select: ({ sf, C, sz }) => {
      if ((sz === 3) !== (sf === 1)) return null;
      return { polynomial: C ? 'crc32c' : 'crc32', bits: (8 << sz) as 8 | 16 | 32 | 64 };
    },
    operands: ({ Rm, Rn, Rd }) => ({ a: target(Rd), b: source(Rn), c: source(Rm) }),
    emit: (c, { polynomial, bits }) => {
      const { i32, i64 } = c;
      const before = c.letI32(c.reg32('b'));
      const message = c.letI64(i64.xor(i64.extend_i32_u(before.get()), c.reg('c')));
      const sum = checksum(c, message, bits, POLYNOMIALS[polynomial]);
      // Of a short message, the accumulator's upper bits only move down.
      c.setReg32('a', bits < 32 ? i32.xor(sum, i32.shr_u(before.get(), i32.const(bits))) : sum);
    },
  }),
] as const;
