/** Numbers of the flattened device tree, version 17. Source: Devicetree Specification v0.4, chapter 5. */

export const FDT_MAGIC = 0xd00dfeed;
export const FDT_VERSION = 17;
/** Oldest version whose readers understand what a version 17 writer puts out. */
export const FDT_LAST_COMPATIBLE = 16;

/** Offsets of the 32-bit big-endian header fields. */
export const FDT_HEADER = {
  magic: 0,
  totalsize: 4,
  off_dt_struct: 8,
  off_dt_strings: 12,
  off_mem_rsvmap: 16,
  version: 20,
  last_comp_version: 24,
  boot_cpuid_phys: 28,
  size_dt_strings: 32,
  size_dt_struct: 36,
} as const;
export const FDT_HEADER_SIZE = 40;

export const FDT_BEGIN_NODE = 1;
export const FDT_END_NODE = 2;
export const FDT_PROP = 3;
export const FDT_NOP = 4;
export const FDT_END = 9;

/** A device tree that breaks a rule of the specification. */
export class FdtError extends Error {
  override readonly name = 'FdtError';
}
