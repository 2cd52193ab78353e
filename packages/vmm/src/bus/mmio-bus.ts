/** Guest-physical address ranges and the devices behind them. */
import type { AccessWidth, MmioDevice } from './device.ts';

/** One device's place on the bus. */
export interface MmioRange {
  /** Shown in error messages. */
  readonly name: string;
  /** First guest-physical address. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
  readonly device: MmioDevice;
}

/** Told about an access that no device answers; it reads as zero. */
export type UnmappedAccess = (address: number, width: number, isWrite: boolean) => void;

/**
 * Finds the device behind an address. Accesses come with valid syndromes only (1, 2, 4 or 8 bytes), so they may
 * be misaligned but never wider.
 */
export class MmioBus {
  readonly #ranges: MmioRange[] = [];
  readonly #unmapped: UnmappedAccess;
  #last: MmioRange | undefined;

  constructor(unmapped: UnmappedAccess = () => {}) {
    this.#unmapped = unmapped;
  }

  /** @throws {RangeError} the range overlaps another one */
  attach(range: MmioRange): void {
    const { base, size, name } = range;
    const clash = this.#ranges.find((other) => base < other.base + other.size && other.base < base + size);
    if (clash) throw new RangeError(`${name} at 0x${base.toString(16)} overlaps ${clash.name}`);
    this.#ranges.push(range);
    this.#ranges.sort((a, b) => a.base - b.base);
  }

  /** Fills `data` with what a load of `data.length` bytes answers, little-endian. */
  read(address: number, data: Uint8Array): void {
    const range = this.#find(address);
    if (range === undefined) {
      data.fill(0);
      this.#unmapped(address, data.length, false);
      return;
    }
    const offset = address - range.base;
    if (data.length === 8) {
      store(data, 0, 4, range.device.read(offset, 4));
      store(data, 4, 4, range.device.read(offset + 4, 4));
    } else {
      store(data, 0, data.length, range.device.read(offset, data.length as AccessWidth));
    }
  }

  /** Stores the `data.length` bytes of `data`, little-endian. */
  write(address: number, data: Uint8Array): void {
    const range = this.#find(address);
    if (range === undefined) {
      this.#unmapped(address, data.length, true);
      return;
    }
    const offset = address - range.base;
    if (data.length === 8) {
      range.device.write(offset, load(data, 0, 4), 4);
      range.device.write(offset + 4, load(data, 4, 4), 4);
    } else {
      range.device.write(offset, load(data, 0, data.length), data.length as AccessWidth);
    }
  }

  #find(address: number): MmioRange | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const range = this.#ranges[middle] as MmioRange;
      if (address < range.base) high = middle;
      else if (address >= range.base + range.size) low = middle + 1;
      else return (this.#last = range);
    }
    return undefined;
  }
}

function load(data: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let index = width - 1; index >= 0; index -= 1) value = (value << 8) | (data[at + index] as number);
  return value >>> 0;
}

/** Without a loop: a guest may read registers a million times a second. */
function store(data: Uint8Array, at: number, width: number, value: number): void {
  data[at] = value;
  if (width === 1) return;
  data[at + 1] = value >>> 8;
  if (width === 2) return;
  data[at + 2] = value >>> 16;
  data[at + 3] = value >>> 24;
}
