/**
 * A device tree as plain data, and makers for its property values.
 * Source: Devicetree Specification v0.4, chapter 2. All numbers in a tree are big-endian.
 */

/** One node: its name with unit address (`''` for the root), property values by name, children in order. */
export interface FdtNode {
  name: string;
  properties: Map<string, Uint8Array>;
  children: FdtNode[];
}

/** A range of guest memory that the guest's kernel must leave alone. */
export interface FdtReservation {
  readonly address: number;
  readonly size: number;
}

/** A node from literal properties and children, in the order written. */
export function node(
  name: string,
  properties: Readonly<Record<string, Uint8Array>> = {},
  children: readonly FdtNode[] = [],
): FdtNode {
  return { name, properties: new Map(Object.entries(properties)), children: [...children] };
}

/** Property without a value: its presence is the information. */
export const flag = new Uint8Array(0);

/** 32-bit cells; also one `<u32>` or `<phandle>`. */
export function cells(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value));
  return bytes;
}

/** 64-bit values, each two cells: the form of `reg` where #address-cells and #size-cells are 2. */
export function cells64(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setBigUint64(index * 8, BigInt(value)));
  return bytes;
}

/** One or more NUL-terminated strings: `<string>` or `<stringlist>`. */
export function text(...values: readonly string[]): Uint8Array {
  return new TextEncoder().encode(values.map((value) => `${value}\0`).join(''));
}
