/** The programs of these tests. */
import { readFileSync } from 'node:fs';

/** Words of a `.hex` file. @param path - from here */
function words(path: string): Uint8Array {
  const text = readFileSync(new URL(path, import.meta.url), 'utf8');
  const found = text.match(/^[0-9a-f]{8}(?= )/gm) ?? [];
  return new Uint8Array(Uint32Array.from(found, (word) => Number.parseInt(word, 16)).buffer);
}

/** A program as an arm64 Image. Source: Linux Documentation/arch/arm64/booting.rst, "Call the kernel image". */
function imageOf(program: Uint8Array): Uint8Array {
  const HEADER = 64;
  const image = new Uint8Array(HEADER + program.length);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x1400_0000 | (HEADER / 4), true); // b program
  view.setBigUint64(16, BigInt(image.length), true); // image_size
  view.setBigUint64(24, 0xan, true); // flags: little-endian, 4 KiB pages, anywhere
  image.set(new TextEncoder().encode('ARM\x64'), 56);
  image.set(program, HEADER);
  return image;
}

/** Random numbers, a monotonic counter, and what else tests ask of it. */
export const runtimeCode = words('../../packages/kernel/test/guest/secure-runtime.hex');
/** Prints `12-`. */
export const caller = imageOf(words('caller.hex'));
/** Prints {@link SAVED_OUTPUT}, slowly. */
export const saved = imageOf(words('saved.hex'));
export const SAVED_OUTPUT = '16b21c32d43e54f\n';
