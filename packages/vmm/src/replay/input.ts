/** What an operation may be given: parsers of the inputs of a step. */
import { PREFIX_BYTES } from './registers.ts';
import { isObject, parseBytes, parseWord } from './json.ts';
import type { Json } from './json.ts';

/** An input: how it is read, and what stands for it where it is not given. */
export interface Input<T> {
  /** For messages: `an integer`. */
  readonly kind: string;
  /** @returns undefined for a value of another kind */
  readonly parse: (value: Json) => T | undefined;
  /** Absent: the input must be given. */
  readonly otherwise?: { readonly value: T };
}

/** The inputs of an operation by name. */
export type Inputs = Readonly<Record<string, Input<unknown>>>;

/** The values of inputs. */
export type InputValues<I extends Inputs> = {
  readonly [K in keyof I]: I[K] extends Input<infer T> ? T : never;
};

/** Makes an input optional. @param value - stands for it where it is not given */
export const optional = <T, U>(input: Input<T>, value: U): Input<T | U> => ({
  ...input,
  otherwise: { value },
});

const listOf = <T>(kind: string, item: (value: Json) => T | undefined): Input<readonly T[]> => ({
  kind,
  parse: (value) => {
    if (!Array.isArray(value)) return undefined;
    const items = value.map((each: Json) => item(each));
    return items.includes(undefined) ? undefined : (items as T[]);
  },
});

/** A 64-bit unsigned integer; the field it is put in truncates it. */
export const word: Input<bigint> = { kind: 'an integer', parse: parseWord };

/** An integer that counts, or an offset: less than 2⁵³. */
export const count: Input<number> = {
  kind: 'an integer below 2^53',
  parse: (value) => {
    const number = parseWord(value);
    return number !== undefined && number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : undefined;
  },
};

/** Integers. */
export const words: Input<readonly bigint[]> = listOf('a list of integers', parseWord);

/** A name of a role, of a request. */
export const name: Input<string> = {
  kind: 'a name',
  parse: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
};

/** Names. */
export const names: Input<readonly string[]> = listOf('a list of names', name.parse);

/** One of some words. */
export const oneOf = <const T extends string>(choices: readonly T[]): Input<T> => ({
  kind: `one of ${choices.join(', ')}`,
  parse: (value) => choices.find((choice) => choice === value),
});

/** A yes or no; 1 and 0 do. */
export const flag: Input<boolean> = {
  kind: 'true or false',
  parse: (value) => {
    if (typeof value === 'boolean') return value;
    return value === 0 || value === 1 ? value === 1 : undefined;
  },
};

/** Bytes in hex. */
export const bytes: Input<Uint8Array> = {
  kind: 'bytes in hex',
  parse: (value) => (typeof value === 'string' ? parseBytes(value) : undefined),
};

/** A register's value: an integer, or `le:` and bytes for wide ones. */
export type RegisterValue = bigint | Uint8Array;

const parseRegisterValue = (value: Json): RegisterValue | undefined =>
  typeof value === 'string' && value.startsWith(PREFIX_BYTES)
    ? parseBytes(value.slice(PREFIX_BYTES.length))
    : parseWord(value);

/** What a register is set to. */
export const registerValue: Input<RegisterValue> = { kind: 'a register value', parse: parseRegisterValue };

/** Values of registers, in the order they are set. */
export const registerValues: Input<readonly (readonly [string, RegisterValue])[]> = {
  kind: 'an object of register values',
  parse: (value) => {
    if (!isObject(value)) return undefined;
    const entries = Object.entries(value).map(([key, each]) => [key, parseRegisterValue(each)] as const);
    return entries.some(([, each]) => each === undefined)
      ? undefined
      : (entries as (readonly [string, RegisterValue])[]);
  },
};

/** Objects of integers, such as routing entries. */
export const records: Input<readonly Readonly<Record<string, bigint>>[]> = listOf(
  'a list of objects of integers',
  (value) => {
    if (!isObject(value)) return undefined;
    const entries = Object.entries(value).map(([key, each]) => [key, parseWord(each)] as const);
    return entries.some(([, each]) => each === undefined)
      ? undefined
      : (Object.fromEntries(entries) as Record<string, bigint>);
  },
);
