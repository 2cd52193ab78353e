/** Structs of the ABI out of whatever integers a scenario names, in range or not. */
import type { Fields, Struct } from '@vkvm/uapi';

/** What a field can be given: an integer of any size, bytes, or the elements of an array. */
export type FieldValue = bigint | number | Uint8Array | readonly bigint[] | undefined;

/**
 * The bytes of a struct. Integers are truncated to the width of their field, as C does; what is not given is zero.
 *
 * @param length - at least this many bytes, for what follows the struct
 */
export function encode<F extends Fields>(
  { size, fields }: Struct<F>,
  values: { readonly [K in keyof F]?: FieldValue },
  length: number = size,
): Uint8Array {
  const out = new Uint8Array(Math.max(size, length));
  for (const [key, field] of Object.entries(fields)) {
    const value: FieldValue = values[key];
    if (value === undefined) continue;
    if (value instanceof Uint8Array) {
      out.set(value.subarray(0, field.size), field.offset);
    } else if (typeof value === 'object') {
      for (const [index, item] of value.slice(0, field.size / elementSize(field.type)).entries()) {
        putInteger(out, field.offset + index * elementSize(field.type), elementSize(field.type), item);
      }
    } else putInteger(out, field.offset, field.size, BigInt(value));
  }
  return out;
}

/** Bytes of an element of `u64[4]`. */
const elementSize = (type: string): number => Number(/^[us](\d+)/.exec(type)?.[1]) / 8;

/** Stores an integer, truncated. */
export function putInteger(out: Uint8Array, offset: number, size: number, value: bigint): void {
  for (let index = 0; index < size; index += 1) {
    out[offset + index] = Number(BigInt.asUintN(8, value >> BigInt(8 * index)));
  }
}
