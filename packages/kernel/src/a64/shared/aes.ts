/** The steps of AES on a state of sixteen bytes, column by column. Source: FIPS 197. */
import type { Emitter, Routine, V128, Var } from '../emitter.ts';

/** A table of 256 bytes. */
type ByteTable = readonly number[];

/** × 2 in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1. Section 4.2.1. */
const double = (byte: number): number => ((byte << 1) ^ (byte & 0x80 ? 0x11b : 0)) & 0xff;

/** The substitution and its inverse: the reciprocal in GF(2⁸), then an affine map. Section 5.1.1. */
function substitutions(): { readonly forward: ByteTable; readonly inverse: ByteTable } {
  const forward = Array.from({ length: 256 }, () => 0x63);
  const inverse = Array.from({ length: 256 }, () => 0);
  // 3 generates the field: 3ⁿ and 3⁻ⁿ = 3²⁵⁵⁻ⁿ are reciprocal.
  const powers: number[] = [1];
  for (let n = 1; n < 255; n++) powers.push(powers[n - 1]! ^ double(powers[n - 1]!));
  for (let n = 0; n < 255; n++) {
    const doubled = powers[(255 - n) % 255]! * 0x101;
    forward[powers[n]!] =
      0x63 ^ ((doubled ^ (doubled >> 4) ^ (doubled >> 5) ^ (doubled >> 6) ^ (doubled >> 7)) & 0xff);
  }
  for (const [byte, substitute] of forward.entries()) inverse[substitute] = byte;
  return { forward, inverse };
}

/** Eight bytes of a table as one number, the first one lowest. */
const pack = (table: ByteTable, from: number): bigint =>
  table.slice(from, from + 8).reduceRight((packed, byte) => (packed << 8n) | BigInt(byte), 0n);

/** Looks each byte up: a swizzle gives 0 for the fifteen rows of the table that the byte is not in. */
const lookUpRoutine = (name: string, table: ByteTable): Routine<readonly ['v128'], 'v128'> => ({
  name,
  params: ['v128'],
  result: 'v128',
  emit: (c, state) => {
    const result = c.letV128(c.v128.const(0n, 0n));
    for (let row = 0; row < 256; row += 16) {
      result.set(
        c.v128.or(
          result.get(),
          c.i8x16.swizzle(
            c.v128.const(pack(table, row), pack(table, row + 8)),
            c.v128.xor(state.get(), c.i8x16.splat(c.i32.const(row))),
          ),
        ),
      );
    }
    return result.get();
  },
});

const { forward, inverse } = substitutions();
const SUB_BYTES = lookUpRoutine('aes_sub_bytes', forward);
const INVERSE_SUB_BYTES = lookUpRoutine('aes_inverse_sub_bytes', inverse);

/** The bytes that move to places 0 to 15 when row `r` turns by `r` columns. Sections 5.1.2, 5.3.1. */
const turned = (direction: 1 | -1): number[] =>
  Array.from({ length: 16 }, (_, at) => (at + 4 * direction * (at & 3) + 16) & 15);

const SHIFT_ROWS = turned(1);
const INVERSE_SHIFT_ROWS = turned(-1);

const shuffle = (c: Emitter, state: Var<V128>, places: readonly number[]): V128 =>
  c.i8x16.shuffle(state.get(), state.get(), places);

/** ShiftRows, then SubBytes. */
export const substitute = (c: Emitter, state: Var<V128>): V128 =>
  c.call(SUB_BYTES, shuffle(c, state, SHIFT_ROWS));

/** InvShiftRows, then InvSubBytes. */
export const inverseSubstitute = (c: Emitter, state: Var<V128>): V128 =>
  c.call(INVERSE_SUB_BYTES, shuffle(c, state, INVERSE_SHIFT_ROWS));

/** The bytes of each column turned up by `count`. */
const turnColumns = (c: Emitter, state: Var<V128>, count: number): V128 =>
  shuffle(
    c,
    state,
    Array.from({ length: 16 }, (_, at) => (at & 12) | ((at + count) & 3)),
  );

/** Each byte × 2 in GF(2⁸). */
const doubled = (c: Emitter, state: Var<V128>): V128 =>
  c.v128.xor(
    c.i8x16.shl(state.get(), c.i32.const(1)),
    c.v128.and(c.i8x16.shr_s(state.get(), c.i32.const(7)), c.i8x16.splat(c.i32.const(0x1b))),
  );

/** MixColumns: each byte becomes 2b₀ + 3b₁ + b₂ + b₃ of its column from it on. Section 5.1.3. */
export function mixColumns(c: Emitter, state: Var<V128>): V128 {
  const twice = c.letV128(doubled(c, state));
  const thrice = c.letV128(c.v128.xor(twice.get(), state.get()));
  return c.v128.xor(
    c.v128.xor(twice.get(), turnColumns(c, thrice, 1)),
    c.v128.xor(turnColumns(c, state, 2), turnColumns(c, state, 3)),
  );
}

/** InvMixColumns: MixColumns of b₀ + 4(b₀ + b₂). Section 5.3.3, with the matrix taken as such a product. */
export function inverseMixColumns(c: Emitter, state: Var<V128>): V128 {
  const sum = c.letV128(c.v128.xor(state.get(), turnColumns(c, state, 2)));
  sum.set(doubled(c, sum));
  sum.set(c.v128.xor(state.get(), doubled(c, sum)));
  return mixColumns(c, sum);
}
