import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LoadError } from './error.ts';
import { placeBeside } from './initrd.ts';
import { placeKernel } from './kernel.ts';
import { MIB } from './ram.ts';

const ram = { base: 0x4000_0000, size: 512 * MIB };

interface ImageFields {
  textOffset?: bigint;
  imageSize?: bigint;
  flags?: bigint;
  length?: number;
  /** File size that a PE section header promises; 0 = no PE header. */
  peSize?: number;
}

function image({
  textOffset = 0n,
  imageSize = 0x20_0000n,
  flags = 0xan,
  length = 4096,
  peSize = 0,
}: ImageFields = {}) {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, textOffset, true);
  view.setBigUint64(16, imageSize, true);
  view.setBigUint64(24, flags, true);
  bytes.set(new TextEncoder().encode('ARM\x64'), 56);
  if (peSize > 0) {
    bytes.set(new TextEncoder().encode('MZ'), 0);
    view.setUint32(60, 64, true);
    bytes.set(new TextEncoder().encode('PE\0\0'), 64);
    view.setUint16(64 + 6, 1, true); // one section
    view.setUint16(64 + 20, 16, true); // size of the optional header
    view.setUint32(64 + 24 + 16 + 16, peSize - 0x1000, true);
    view.setUint32(64 + 24 + 16 + 20, 0x1000, true);
  }
  return bytes;
}

interface ElfFields {
  machine?: number;
  type?: number;
  paddr?: number;
  vaddr?: number;
  entry?: number;
  filesz?: number;
  memsz?: number;
}

function elf(fields: ElfFields = {}) {
  const { machine = 183, type = 2, paddr = 0x4008_0000, vaddr = paddr, filesz = 16, memsz = 64 } = fields;
  const bytes = new Uint8Array(64 + 56 + 16);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, BigInt(fields.entry ?? vaddr + 4), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  [120, vaddr, paddr, filesz, memsz].forEach((value, index) =>
    view.setBigUint64(64 + 8 + index * 8, BigInt(value), true),
  );
  bytes.fill(0xaa, 120);
  return bytes;
}

const ascii = (value: string, at = 0, length = 4096): Uint8Array => {
  const bytes = new Uint8Array(length);
  bytes.set(
    Array.from(value, (char) => char.charCodeAt(0)),
    at,
  );
  return bytes;
};

describe('an Image', () => {
  test('goes to its text offset from the start of RAM and keeps room for its BSS', async () => {
    const bytes = image({ textOffset: 0x8_0000n });
    expect(await placeKernel(bytes, ram)).toEqual({
      format: 'Image',
      entry: 0x4008_0000,
      end: 0x4028_0000,
      segments: [{ address: 0x4008_0000, bytes, clear: 0x20_0000 - 4096 }],
    });
  });

  test('is not copied on its way to guest RAM', async () => {
    const bytes = image();
    expect((await placeKernel(bytes, ram)).segments[0]?.bytes).toBe(bytes);
  });

  test('may be compressed with gzip', async () => {
    const bytes = image();
    const { segments } = await placeKernel(gzipSync(bytes), ram);
    expect(segments[0]?.bytes).toEqual(bytes);
  });

  test('may be wrapped as a compressed EFI program', async () => {
    const bytes = image();
    const payload = gzipSync(bytes);
    const wrapped = ascii('MZ\0\0zimg', 0, 4096 + payload.length);
    new DataView(wrapped.buffer).setUint32(8, 4096, true);
    new DataView(wrapped.buffer).setUint32(12, payload.length, true);
    wrapped.set(payload, 4096);
    expect((await placeKernel(wrapped, ram)).segments[0]?.bytes).toEqual(bytes);
  });

  test('of a kernel before 3.17 goes to 512 KiB', async () => {
    expect((await placeKernel(image({ imageSize: 0n }), ram)).entry).toBe(0x4008_0000);
  });

  test('as long as its PE header says is complete', async () => {
    expect((await placeKernel(image({ length: 8192, peSize: 8192 }), ram)).format).toBe('Image');
  });
});

describe('an ELF program', () => {
  test('goes to its physical addresses and starts at its entry', async () => {
    const bytes = elf({ vaddr: 0xffff_8000_0000, entry: 0xffff_8000_0008 });
    expect(await placeKernel(bytes, ram)).toEqual({
      format: 'ELF',
      entry: 0x4008_0008,
      end: 0x4008_0040,
      segments: [{ address: 0x4008_0000, bytes: bytes.subarray(120), clear: 48 }],
    });
  });

  test('that is position-independent moves to the start of RAM', async () => {
    const placed = await placeKernel(elf({ type: 3, paddr: 0x1000, entry: 0x1004 }), ram);
    expect(placed.entry).toBe(0x4000_0004);
    expect(placed.segments[0]?.address).toBe(0x4000_0000);
  });
});

describe('what cannot be booted', () => {
  test.each([
    ['an empty file', new Uint8Array(0), 'the file is empty'],
    ['a few bytes', new Uint8Array(10), '10 bytes are too few for a kernel'],
    ['some other file', new Uint8Array(4096), 'not an arm64 kernel: the magic "ARM\\x64" is missing'],
    [
      'an x86 kernel',
      ascii('HdrS', 0x202),
      'this is an x86 kernel (bzImage); vkvm runs an arm64 Linux Image',
    ],
    ['a RISC-V kernel', ascii('RSC\x05', 56), 'a RISC-V kernel'],
    ['an initramfs', ascii('070701'), 'a cpio archive (is it the initrd?)'],
    ['a zstd file', ascii('\x28\xb5\x2f\xfd'), 'decompress it first: zstd -d'],
    ['a cut gzip file', gzipSync(image()).subarray(0, 40), 'the gzip data is damaged or truncated'],
    [
      'a cut Image',
      image({ length: 4096, peSize: 8192 }),
      'truncated: it should be 8192 bytes long and has 4096',
    ],
    ['a big-endian Image', image({ flags: 1n }), 'a big-endian kernel'],
    [
      'an Image too large for RAM',
      image({ imageSize: BigInt(600 * MIB) }),
      'the kernel takes 600 MiB of memory and the guest has 512 MiB; give it more: --memory 1216M',
    ],
    [
      'an x86-64 ELF file',
      elf({ machine: 62 }),
      'this is an ELF file for x86-64; vkvm runs little-endian AArch64',
    ],
    ['an object file', elf({ type: 1 }), 'an ELF file of type 1, which is not a program'],
    [
      'a cut ELF file',
      elf({ filesz: 4096, memsz: 4096 }),
      'truncated: a segment ends at byte 4216 and the file has 136',
    ],
    [
      'an ELF program outside of RAM',
      elf({ paddr: 0x1000 }),
      "lies outside of the guest's RAM (0x40000000, 512 MiB)",
    ],
    ['an ELF entry in no segment', elf({ entry: 4 }), 'the entry point 0x4 lies in no loadable segment'],
  ])('%s: says so', async (_, bytes, message) => {
    await expect(placeKernel(bytes, ram)).rejects.toThrow(message);
    await expect(placeKernel(bytes, ram)).rejects.toBeInstanceOf(LoadError);
  });

  test('never fails with anything but a LoadError, whatever the header', async () => {
    const valid = elf();
    await fc.assert(
      fc.asyncProperty(fc.nat(119), fc.nat(255), fc.nat(valid.length), async (at, value, length) => {
        const broken = valid.slice(0, length);
        if (at < length) broken[at] = value;
        await placeKernel(broken, ram).catch((error: unknown) => expect(error).toBeInstanceOf(LoadError));
      }),
    );
  });
});

describe('placeBeside', () => {
  test('puts the tree on 2 MiB after the kernel and the ramdisk after the tree', () => {
    expect(placeBeside(0x4123_4567, 1000, ram)).toEqual({ dtb: 0x4140_0000, initrd: 0x4160_0000 });
    expect(placeBeside(0x4140_0000, 0, ram)).toEqual({ dtb: 0x4140_0000 });
  });

  test('names the size that would do when an initrd does not fit', () => {
    expect(() => placeBeside(0x4200_0000, 600 * MIB, ram)).toThrow(
      'kernel, device tree and initrd (600 MiB) take 634 MiB and the guest has 512 MiB; give it more: --memory 1280M',
    );
  });
});
