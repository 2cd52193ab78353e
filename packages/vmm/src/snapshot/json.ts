/** Reading the JSON of a section: each value is checked before it is used. */
import { SnapshotError } from './error.ts';

const contradiction = (where: string, wanted: string): SnapshotError =>
  new SnapshotError(
    'damaged',
    `the snapshot contradicts itself: ${where} is not ${wanted}; save the guest again`,
  );

/** A number in JSON: hexadecimal, because JSON's own have 53 bits. */
export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** A value with the place it stands at. */
export class Json {
  readonly #value: unknown;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    this.#value = value;
    this.#where = where;
  }

  /** @param where - name of the section, for messages */
  static parse(payload: Uint8Array, where: string): Json {
    try {
      return new Json(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)), where);
    } catch {
      throw contradiction(where, 'JSON');
    }
  }

  /** A member of an object. */
  get(name: string): Json {
    const value = this.#object()[name];
    return new Json(value, `${this.#where}.${name}`);
  }

  get isAbsent(): boolean {
    return this.#value === undefined;
  }

  entries(): [string, Json][] {
    return Object.entries(this.#object()).map(([name, value]) => [
      name,
      new Json(value, `${this.#where}.${name}`),
    ]);
  }

  items(): Json[] {
    if (!Array.isArray(this.#value)) throw contradiction(this.#where, 'a list');
    return this.#value.map((value, index) => new Json(value, `${this.#where}[${index}]`));
  }

  /** A list of exactly `length` items. */
  list(length: number): Json[] {
    const items = this.items();
    if (items.length !== length) throw contradiction(this.#where, `a list of ${length}`);
    return items;
  }

  /** A whole number from 0 to `most`. */
  integer(most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#value;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most) {
      throw contradiction(this.#where, `a whole number up to ${most}`);
    }
    return value;
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') throw contradiction(this.#where, 'true or false');
    return this.#value;
  }

  text(): string {
    if (typeof this.#value !== 'string') throw contradiction(this.#where, 'a text');
    return this.#value;
  }

  /** One of the names. */
  oneOf<const T extends string>(names: readonly T[]): T {
    const text = this.text();
    const found = names.find((name) => name === text);
    if (found === undefined) throw contradiction(this.#where, `one of ${names.join(', ')}`);
    return found;
  }

  /** An unsigned number of at most `bits` bits, in hexadecimal. */
  word(bits: number): bigint {
    const text = this.text();
    const value = /^0x[0-9a-f]{1,64}$/.test(text) ? BigInt(text) : -1n;
    if (value < 0n || value >> BigInt(bits) !== 0n) {
      throw contradiction(this.#where, `a hexadecimal number of ${bits} bits`);
    }
    return value;
  }

  /**
   * A value of the same shape as `sample`: the same members, numbers where it has numbers. Lists hold numbers and have
   * any length.
   */
  like<T>(sample: T): T {
    if (Array.isArray(sample)) return this.items().map((item) => item.#number()) as T;
    if (typeof sample === 'boolean') return this.boolean() as T;
    if (typeof sample === 'number') return this.#number() as T;
    if (typeof sample === 'string') return this.text() as T;
    const members = Object.entries(sample as object).map(([name, each]) => [name, this.get(name).like(each)]);
    return Object.fromEntries(members) as T;
  }

  #number(): number {
    if (typeof this.#value !== 'number') throw contradiction(this.#where, 'a number');
    return this.#value;
  }

  #object(): Readonly<Record<string, unknown>> {
    const value = this.#value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw contradiction(this.#where, 'an object');
    }
    return value as Readonly<Record<string, unknown>>;
  }
}
