/** Where guest RAM lies, and what the loaders put into it. */

/** Guest RAM: one contiguous range of guest-physical addresses. */
export interface RamRange {
  /** First guest-physical address. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
}

/** A piece of guest memory to be filled when the machine is built, and again when the guest resets it. */
export interface Segment {
  /** Guest-physical address of the first byte. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes to clear after `bytes`: a program's BSS. */
  readonly clear: number;
}

/** A guest program that has found its place. */
export interface LoadedKernel {
  readonly format: 'Image' | 'ELF';
  /** Guest-physical address of the first instruction. */
  readonly entry: number;
  /** First guest-physical address after everything the program claims. */
  readonly end: number;
  readonly segments: readonly Segment[];
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

/** A length as people write it: `512 MiB`, `1.5 GiB`, `300 KiB`. */
export function formatSize(bytes: number): string {
  const [unit, name] = bytes >= GIB ? [GIB, 'GiB'] : bytes >= MIB ? [MIB, 'MiB'] : [KIB, 'KiB'];
  return `${Number((bytes / unit).toFixed(1))} ${name}`;
}
