/** What a memory-mapped device is to the bus. */

/** Width of one access in bytes. The bus splits 8-byte accesses into two of 4. */
export type AccessWidth = 1 | 2 | 4;

/**
 * A device with registers in memory. It knows offsets, not addresses.
 *
 * Neither method throws: what a guest may not do reads as zero and is ignored when written.
 */
export interface MmioDevice {
  /** @param offset - bytes from the device's base @returns an unsigned value of at most `width` bytes */
  read(offset: number, width: AccessWidth): number;
  write(offset: number, value: number, width: AccessWidth): void;
}

/** The level of an interrupt line, from the device's side. */
export type IrqLine = (level: boolean) => void;
