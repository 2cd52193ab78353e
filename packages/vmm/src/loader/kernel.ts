/** Guest programs of every kind that can be booted. */
import { isElf, placeElf } from './elf.ts';
import { decompressKernel, placeImage } from './image.ts';
import type { LoadedKernel, RamRange } from './ram.ts';

/**
 * Recognises a kernel and finds its place; nothing is copied yet unless it was compressed.
 *
 * @throws {@link LoadError} naming what is wrong with the file
 */
export async function placeKernel(file: Uint8Array, ram: RamRange): Promise<LoadedKernel> {
  const bytes = await decompressKernel(file);
  return isElf(bytes) ? placeElf(bytes, ram) : placeImage(bytes, ram);
}
