/** JSON values, and the two spellings of numbers and bytes that scenarios and traces use. */

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** A scenario or trace that is not in the format. The message says where. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** Whether a value is an object. */
export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Parses a text. @param where - what the error calls it @throws {FormatError} it is not a JSON object */
export function parseObject(text: string, where: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw new FormatError(`${where}: not JSON`, { cause });
  }
  if (!isObject(value)) throw new FormatError(`${where}: not a JSON object`);
  return value;
}

/** A 64-bit value as traces write it: hex without leading zeros. */
export const formatWord = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Bytes in memory order. */
export const formatBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Bytes in memory order. @returns undefined for anything but pairs of hex digits */
export function parseBytes(text: string): Uint8Array | undefined {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}

/** A number, or a string in hex or decimal. @returns 64 bits; undefined for anything else */
export function parseWord(value: Json): bigint | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? BigInt.asUintN(64, BigInt(value)) : undefined;
  if (typeof value !== 'string' || !/^(0x[0-9a-fA-F]+|\d+)$/.test(value)) return undefined;
  return BigInt.asUintN(64, BigInt(value));
}
