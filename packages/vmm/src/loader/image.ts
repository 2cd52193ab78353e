/**
 * The arm64 Linux kernel Image. Source: Linux Documentation/arch/arm64/booting.rst, section 4;
 * the compressed EFI wrapper: drivers/firmware/efi/libstub/zboot-header.S.
 */
import { LoadError } from './error.ts';
import { alignUp, formatSize, MIB } from './ram.ts';
import type { LoadedKernel, RamRange } from './ram.ts';

/** Offsets of the little-endian header fields. */
const TEXT_OFFSET = 8;
const IMAGE_SIZE = 16;
const FLAGS = 24;
const MAGIC = 56;
const PE_HEADER = 60;
const HEADER_SIZE = 64;

const MAGIC_ARM64 = 0x644d_5241; // "ARM\x64"
const FLAG_BIG_ENDIAN = 1n;
/** Where kernels before 3.17, whose `image_size` is zero, want to be. */
const LEGACY_TEXT_OFFSET = 0x8_0000;

/** What the header of an Image says. */
export interface ImageHeader {
  /** Bytes from a 2 MiB boundary to the first byte of the Image. */
  readonly textOffset: number;
  /** Bytes the kernel takes in memory, BSS included; never less than the file. */
  readonly imageSize: number;
}

/** Other kernels that people have at hand: bytes at an offset, and what they are. */
const FOREIGN = [
  { offset: 0x202, bytes: 'HdrS', what: 'an x86 kernel (bzImage)' },
  { offset: 0x24, bytes: '\x18\x28\x6f\x01', what: 'a 32-bit Arm kernel (zImage)' },
  { offset: 56, bytes: 'RSC\x05', what: 'a RISC-V kernel (Image)' },
  { offset: 0, bytes: '\x27\x05\x19\x56', what: 'a U-Boot image (uImage)' },
  { offset: 0, bytes: '\xd0\x0d\xfe\xed', what: 'a device tree blob or a FIT image' },
  { offset: 0, bytes: '07070', what: 'a cpio archive (is it the initrd?)' },
  {
    offset: 0,
    bytes: '\x28\xb5\x2f\xfd',
    what: 'compressed with zstd',
    remedy: 'decompress it first: zstd -d',
  },
  { offset: 0, bytes: '\xfd7zXZ\0', what: 'compressed with xz', remedy: 'decompress it first: xz -d' },
  { offset: 0, bytes: 'BZh', what: 'compressed with bzip2', remedy: 'decompress it first: bunzip2' },
  {
    offset: 0,
    bytes: '\x02\x21\x4c\x18',
    what: 'compressed with lz4',
    remedy: 'decompress it first: lz4 -d',
  },
] as const;

const NEEDS = 'vkvm runs an arm64 Linux Image, plain or gzip, or an AArch64 ELF file';

/** Whether `bytes` start as a gzip file does. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/**
 * Takes the compression off: gzip, and the EFI wrapper with a gzip payload.
 *
 * @returns `bytes` itself where there is nothing to do
 * @throws {@link LoadError} the compressed data is damaged, or of a kind that cannot be read here
 */
export async function decompressKernel(bytes: Uint8Array): Promise<Uint8Array> {
  if (isGzip(bytes)) return gunzip(bytes);
  if (!hasBytes(bytes, 4, 'zimg')) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const payload = bytes.subarray(view.getUint32(8, true), view.getUint32(8, true) + view.getUint32(12, true));
  if (isGzip(payload)) return gunzip(payload);
  const kind = new TextDecoder().decode(bytes.subarray(24, 56)).split('\0')[0];
  throw new LoadError(`a compressed EFI kernel whose payload is ${kind}, not gzip; unpack it first`);
}

async function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
  try {
    const plain = source.pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(plain).arrayBuffer());
  } catch (cause) {
    throw new LoadError('the gzip data is damaged or truncated; get the file again', { cause });
  }
}

/**
 * Checks that `bytes` are an arm64 Image that can run here.
 *
 * @throws {@link LoadError} naming what the file is instead, or what is missing from it
 */
export function parseImage(bytes: Uint8Array): ImageHeader {
  if (bytes.length === 0) throw new LoadError('the file is empty; give an arm64 Linux Image');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE || view.getUint32(MAGIC, true) !== MAGIC_ARM64) {
    throw new LoadError(describeForeign(bytes));
  }
  if (view.getBigUint64(FLAGS, true) & FLAG_BIG_ENDIAN) {
    throw new LoadError('a big-endian kernel; vkvm runs little-endian ones');
  }
  const stored = peFileSize(view);
  if (bytes.length < stored) {
    throw new LoadError(
      `truncated: it should be ${stored} bytes long and has ${bytes.length}; get the file again`,
    );
  }
  const imageSize = Number(view.getBigUint64(IMAGE_SIZE, true));
  if (imageSize === 0) return { textOffset: LEGACY_TEXT_OFFSET, imageSize: alignUp(bytes.length, MIB) };
  return {
    textOffset: Number(view.getBigUint64(TEXT_OFFSET, true)),
    imageSize: Math.max(imageSize, bytes.length),
  };
}

/**
 * Finds the place of an Image in RAM. It boots at its first byte.
 *
 * @throws {@link LoadError} as {@link parseImage}, or the kernel does not fit
 */
export function placeImage(bytes: Uint8Array, ram: RamRange): LoadedKernel {
  const { textOffset, imageSize } = parseImage(bytes);
  const entry = alignUp(ram.base, 2 * MIB) + textOffset;
  const end = entry + imageSize;
  if (end > ram.base + ram.size) {
    throw new LoadError(
      `the kernel takes ${formatSize(end - ram.base)} of memory and the guest has ${formatSize(ram.size)}; ` +
        `give it more: --memory ${alignUp((end - ram.base) * 2, 64 * MIB) / MIB}M`,
    );
  }
  return {
    format: 'Image',
    entry,
    end,
    segments: [{ address: entry, bytes, clear: imageSize - bytes.length }],
  };
}

function describeForeign(bytes: Uint8Array): string {
  const foreign = FOREIGN.find(({ offset, bytes: magic }) => hasBytes(bytes, offset, magic));
  if (foreign) return `this is ${foreign.what}; ${'remedy' in foreign ? foreign.remedy : NEEDS}`;
  if (bytes.length < HEADER_SIZE)
    return `${bytes.length} bytes are too few for a kernel; is the file truncated?`;
  return `not an arm64 kernel: the magic "ARM\\x64" is missing at offset 56; ${NEEDS}`;
}

const hasBytes = (bytes: Uint8Array, offset: number, magic: string): boolean =>
  bytes.length >= offset + magic.length &&
  Array.from(magic).every((char, index) => bytes[offset + index] === char.charCodeAt(0));

/**
 * How long the file must be by its own PE header, or 0 where it has none (kernels without an EFI stub).
 * Source: Microsoft PE format, "COFF File Header" and "Section Table".
 */
function peFileSize(view: DataView): number {
  const pe = view.getUint32(PE_HEADER, true);
  if (view.getUint16(0, true) !== 0x5a4d || pe === 0 || pe + 24 > view.byteLength) return 0; // "MZ"
  if (view.getUint32(pe, true) !== 0x4550) return 0; // "PE\0\0"
  const sections = view.getUint16(pe + 6, true);
  let at = pe + 24 + view.getUint16(pe + 20, true);
  let size = 0;
  for (let index = 0; index < sections && at + 40 <= view.byteLength; index += 1, at += 40) {
    size = Math.max(size, view.getUint32(at + 16, true) + view.getUint32(at + 20, true));
  }
  return size;
}
