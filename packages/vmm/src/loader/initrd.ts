/**
 * Where device tree and initial ramdisk go. Source: Linux Documentation/arch/arm64/booting.rst, sections 2 and 4:
 * the tree on an 8-byte boundary, at most 2 MiB and, for kernels before 4.2, within one 2 MiB block; the ramdisk
 * within one 1 GiB-aligned window of 32 GiB that also holds the kernel, which all of our RAM is.
 */
import { LoadError } from './error.ts';
import { alignUp, formatSize, MIB } from './ram.ts';
import type { RamRange } from './ram.ts';

/** Largest device tree that Linux maps. */
export const DTB_MAX_SIZE = 2 * MIB;

/** Guest-physical addresses of what goes beside the kernel. */
export interface Placement {
  /** On a 2 MiB boundary; the next 2 MiB are the tree's. */
  readonly dtb: number;
  /** First byte of the ramdisk; absent without one. */
  readonly initrd?: number;
}

/**
 * Puts device tree and ramdisk after the kernel.
 *
 * @param kernelEnd - first guest-physical address after the kernel
 * @param initrdSize - bytes; 0 = no ramdisk
 * @throws {@link LoadError} they do not fit into RAM
 */
export function placeBeside(kernelEnd: number, initrdSize: number, ram: RamRange): Placement {
  const dtb = alignUp(kernelEnd, 2 * MIB);
  const initrd = dtb + DTB_MAX_SIZE;
  const end = initrdSize > 0 ? initrd + initrdSize : initrd;
  if (end > ram.base + ram.size) {
    const need = alignUp(end - ram.base, 2 * MIB);
    throw new LoadError(
      `kernel, device tree${initrdSize > 0 ? ` and initrd (${formatSize(initrdSize)})` : ''} take ` +
        `${formatSize(need)} and the guest has ${formatSize(ram.size)}; ` +
        `give it more: --memory ${alignUp(need * 2, 64 * MIB) / MIB}M`,
      { subject: 'memory' },
    );
  }
  return initrdSize > 0 ? { dtb, initrd } : { dtb };
}
