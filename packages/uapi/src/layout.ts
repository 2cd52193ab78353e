/** Struct layouts: named little-endian fields at explicit offsets, over any memory and without copies. */

/** What a layout is laid over: a process memory, or the bytes themselves. */
export type Bytes = WebAssembly.Memory | ArrayBufferLike;

/** One field of a struct. `T` is the type its value has in TypeScript. */
export interface Field<T> {
  /** The C type, as the ledger prints it: `u32`, `u8[8]`, … */
  readonly type: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  /** Length in bytes. */
  readonly size: number;
  /** What a field that {@link Struct.write} is not given becomes. */
  readonly zero: T;
  get(data: DataView, address: number): T;
  set(data: DataView, address: number, value: T): void;
}

/** The fields of a struct by their C names. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of a struct's fields. */
export type Values<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A struct of the ABI. Made by {@link struct}. */
export interface Struct<F extends Fields = Fields> {
  /** The C name: `kvm_one_reg`; a member of a union is `kvm_run.mmio`. */
  readonly name: string;
  /** Length in bytes from the address it is laid at, as `sizeof` gives it. */
  readonly size: number;
  readonly fields: F;
  /** Byte offset of each field, for code that reads words through typed arrays of its own. */
  readonly offsets: { readonly [K in keyof F]: number };
  /**
   * Lays the struct over memory. Each access goes to the memory; `bytes` fields alias it, arrays are copied.
   * A view over a memory that is not shared is void once that memory has grown.
   *
   * @param address - where the struct starts; need not be aligned
   */
  view(memory: Bytes, address: number): Values<F>;
  /** Copies all fields out. */
  read(memory: Bytes, address: number): Values<F>;
  /** Sets every field; those not given become zero, so that pads and reserved words are. */
  write(memory: Bytes, address: number, values: Readonly<Partial<Values<F>>>): void;
}

const WORD = 0x1_0000_0000;

/** Unsigned 8-bit integer. */
export const u8 = (offset: number): Field<number> => ({
  type: 'u8',
  offset,
  size: 1,
  zero: 0,
  get: (data, address) => data.getUint8(address),
  set: (data, address, value) => data.setUint8(address, value),
});

/** Unsigned 16-bit integer. */
export const u16 = (offset: number): Field<number> => ({
  type: 'u16',
  offset,
  size: 2,
  zero: 0,
  get: (data, address) => data.getUint16(address, true),
  set: (data, address, value) => data.setUint16(address, value, true),
});

/** Signed 16-bit integer. */
export const s16 = (offset: number): Field<number> => ({
  type: 's16',
  offset,
  size: 2,
  zero: 0,
  get: (data, address) => data.getInt16(address, true),
  set: (data, address, value) => data.setInt16(address, value, true),
});

/** Unsigned 32-bit integer. */
export const u32 = (offset: number): Field<number> => ({
  type: 'u32',
  offset,
  size: 4,
  zero: 0,
  get: (data, address) => data.getUint32(address, true),
  set: (data, address, value) => data.setUint32(address, value, true),
});

/** Signed 32-bit integer: the C `int`, such as a descriptor. */
export const s32 = (offset: number): Field<number> => ({
  type: 's32',
  offset,
  size: 4,
  zero: 0,
  get: (data, address) => data.getInt32(address, true),
  set: (data, address, value) => data.setInt32(address, value, true),
});

/** Unsigned 64-bit integer that needs all its bits, such as a register. */
export const u64 = (offset: number): Field<bigint> => ({
  type: 'u64',
  offset,
  size: 8,
  zero: 0n,
  get: (data, address) => data.getBigUint64(address, true),
  set: (data, address, value) => data.setBigUint64(address, value, true),
});

/**
 * Unsigned 64-bit integer as a number: a guest or user address, a length, a time.
 *
 * A value of 2⁵³ or more that somebody else wrote reads as the nearest number, which is still out of any range
 * that is checked. One to be written must be a whole number from 0 to 2⁵³ − 1.
 */
export const u64n = (offset: number): Field<number> => ({
  type: 'u64',
  offset,
  size: 8,
  zero: 0,
  get: (data, address) => data.getUint32(address, true) + data.getUint32(address + 4, true) * WORD,
  set: (data, address, value) => {
    data.setUint32(address, value, true);
    data.setUint32(address + 4, value / WORD, true);
  },
});

/** Raw bytes. The getter aliases the memory; the setter copies and zeroes the rest. */
export const bytes = (offset: number, size: number): Field<Uint8Array> => ({
  type: `u8[${size}]`,
  offset,
  size,
  zero: new Uint8Array(),
  get: (data, address) => new Uint8Array(data.buffer, data.byteOffset + address, size),
  set: (data, address, value) => {
    const target = new Uint8Array(data.buffer, data.byteOffset + address, size);
    target.set(value.subarray(0, size));
    target.fill(0, value.length);
  },
});

/**
 * Fixed-length array. The getter copies out; the setter copies in and zeroes the elements it is not given.
 *
 * @param element - a field maker, such as {@link u32}
 */
export const array = <T>(
  offset: number,
  count: number,
  element: (offset: number) => Field<T>,
): Field<readonly T[]> => {
  const items = Array.from({ length: count }, (_, index) => element(index));
  const { type, size, zero } = element(0);
  return {
    type: `${type}[${count}]`,
    offset,
    size: count * size,
    zero: [],
    get: (data, address) => items.map((item, index) => item.get(data, address + index * size)),
    set: (data, address, values) => {
      for (const [index, item] of items.entries()) {
        item.set(data, address + index * size, values[index] ?? zero);
      }
    },
  };
};

const dataViews = new WeakMap<ArrayBufferLike, DataView>();

const dataView = (memory: Bytes): DataView => {
  const buffer: ArrayBufferLike = 'buffer' in memory ? memory.buffer : memory;
  let data = dataViews.get(buffer);
  if (data === undefined) {
    data = new DataView(buffer);
    dataViews.set(buffer, data);
  }
  return data;
};

/**
 * Describes a struct of the ABI. A member of a union gets a struct of its own whose offsets count from the start
 * of the outermost struct, so that one address serves all of them.
 *
 * @param name - the C name
 * @param size - bytes from the address to the end, tail padding included
 * @param fields - every field in order of offset, pads too
 */
export const struct = <const F extends Fields>(name: string, size: number, fields: F): Struct<F> => {
  const entries = Object.entries(fields);

  class View {
    readonly #data: DataView;
    readonly #address: number;

    constructor(data: DataView, address: number) {
      this.#data = data;
      this.#address = address;
    }

    static {
      for (const [key, { offset, get, set }] of entries) {
        Object.defineProperty(this.prototype, key, {
          enumerable: true,
          get(this: View) {
            return get(this.#data, this.#address + offset);
          },
          set(this: View, value: unknown) {
            set(this.#data, this.#address + offset, value);
          },
        });
      }
    }
  }

  return {
    name,
    size,
    fields,
    offsets: Object.fromEntries(entries.map(([key, { offset }]) => [key, offset])) as Struct<F>['offsets'],
    view: (memory, address) => new View(dataView(memory), address) as unknown as Values<F>,
    read: (memory, address) => {
      const data = dataView(memory);
      return Object.fromEntries(
        entries.map(([key, { offset, get }]) => [key, get(data, address + offset)]),
      ) as Values<F>;
    },
    write: (memory, address, values) => {
      const data = dataView(memory);
      for (const [key, { offset, zero, set }] of entries) set(data, address + offset, values[key] ?? zero);
    },
  };
};
