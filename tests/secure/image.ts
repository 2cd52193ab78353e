/** A program as an arm64 Image. Source: Linux Documentation/arch/arm64/booting.rst, "Call the kernel image". */
const HEADER = 64;

/** @param program - AArch64 code, position-independent; it runs from its start */
export function imageOf(program: Uint8Array): Uint8Array {
  const image = new Uint8Array(HEADER + program.length);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x1400_0000 | (HEADER / 4), true); // b program
  view.setBigUint64(16, BigInt(image.length), true); // image_size
  view.setBigUint64(24, 0xan, true); // flags: little-endian, 4 KiB pages, anywhere
  image.set(new TextEncoder().encode('ARM\x64'), 56);
  image.set(program, HEADER);
  return image;
}
