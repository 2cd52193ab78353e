/** Identification registers that every Arm PrimeCell has in its last 32 bytes. Source: Arm DDI 0183, section 3.3. */

/** Offset of the first identification register; they are words, one byte each. */
export const ID_BASE = 0xfe0;

/** PCellID0–3, the same for all PrimeCells. */
const PCELL_ID = 0xb105_f00d;

/**
 * @param peripheralId - PeriphID0–3, the first in the low byte
 * @returns the byte at `offset`, or 0 where there is none
 */
export function readPrimeCellId(offset: number, peripheralId: number): number {
  const index = (offset - ID_BASE) >> 2;
  if (index < 0 || index > 7) return 0;
  return ((index < 4 ? peripheralId : PCELL_ID) >>> ((index & 3) * 8)) & 0xff;
}
