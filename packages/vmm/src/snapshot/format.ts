/**
 * The snapshot file: a header of fixed size that says which format follows, then sections, each with type, length and
 * checksums. Integers are little-endian. Described for other programs in docs/snapshot.md.
 */
import { bytes, struct, u32 } from '@vkvm/uapi';

/** The first bytes of a file. Like PNG's, they show a transfer that strips a bit or changes line ends. */
export const MAGIC = Uint8Array.of(0x89, 0x56, 0x4b, 0x4d, 0x0d, 0x0a, 0x1a, 0x0a); // \x89 V K M \r \n ^Z \n

/**
 * What this code writes, and the newest it reads. It changes when a reader of the format before would misunderstand
 * the file. A section that such a reader may leave out does not need it: see {@link SECTION_OPTIONAL}.
 */
export const FORMAT_VERSION = 1;

/** The first 32 bytes. Size, and place of version and checksum, are the same in every format. */
export const fileHeader = struct('vkvm_snapshot', 32, {
  magic: bytes(0, 8),
  version: u32(8),
  reserved: bytes(12, 16), // zero
  checksum: u32(28), // CRC-32 of the 28 bytes before
});

/** What stands before each section. */
export const sectionHeader = struct('vkvm_snapshot_section', 24, {
  type: bytes(0, 4), // ASCII
  flags: u32(4),
  index: u32(8), // number of the section in the file, from 0
  length: u32(12), // bytes of the payload
  payloadChecksum: u32(16), // CRC-32
  checksum: u32(20), // CRC-32 of the 20 bytes before
});

/** Flag: a reader that does not know the type may go on without the section. All other flags are zero. */
export const SECTION_OPTIONAL = 1;

/** Longest payload. Boot files are the longest there is; memory comes in pieces of {@link MEMORY_PIECE}. */
export const PAYLOAD_MAX = 0x4000_0000;

/** Guest memory that one section covers at most. */
export const MEMORY_PIECE = 0x40_0000;

/**
 * Sections in the order in which they come. Each is there once, but for both kinds of memory, which are there for each
 * piece that is not all zero, and vCPUs.
 */
export const SECTION = {
  /** JSON: the machine. */
  configuration: 'CONF',
  /** The files the guest was booted from, which it needs again when it resets itself; deflated. */
  kernel: 'KERN',
  initrd: 'INRD',
  userTree: 'UDTB',
  tree: 'DTRE',
  /** JSON: one vCPU. */
  vcpu: 'VCPU',
  /** JSON: the interrupt controller. */
  gic: 'GICD',
  /** JSON: the devices of the VMM. */
  devices: 'DEVS',
  /** The secure runtime, if there is one: its code, deflated, which it needs when the machine is reset; its registers, JSON. */
  secureCode: 'SCOD',
  secureVcpu: 'SCPU',
  /** Its memory. */
  secureMemory: 'SRAM',
  /** Guest memory. */
  memory: 'RAMP',
  /** Empty: the file is complete. */
  end: 'END ',
} as const;

/** One of the types above. */
export type SectionType = (typeof SECTION)[keyof typeof SECTION];
