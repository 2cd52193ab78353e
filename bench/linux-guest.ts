/** The Linux guest of the boot benchmark: what `vkvm guest debian` has cached, unless told otherwise. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BenchError } from './console.ts';

export interface LinuxGuest {
  /** Paths of the kernel and of its initial ramdisk. */
  readonly kernel: string;
  readonly initrd: string;
  /** The first line that the ramdisk's init prints: user space is reached. */
  readonly marker: string;
}

const isGuest = (value: unknown): value is LinuxGuest =>
  ['kernel', 'initrd', 'marker'].every(
    (key) => typeof value === 'object' && value !== null && typeof Reflect.get(value, key) === 'string',
  );

/**
 * Gets Debian's kernel and our ramdisk, from the cache or through apt; or what `file` names instead.
 *
 * @param file - JSON of the same shape
 * @throws {@link BenchError} the guest is not to be had here; the message says why
 */
export function linuxGuest(file: string | undefined): LinuxGuest {
  const guest: unknown = JSON.parse(file === undefined ? debianGuest() : readFileSync(file, 'utf8'));
  if (!isGuest(guest))
    throw new BenchError(`${file ?? 'vkvm guest debian --json'}: no kernel, initrd and marker`);
  return guest;
}

function debianGuest(): string {
  const args = [`${import.meta.dirname}/../packages/vkvm/src/bin.ts`, 'guest', 'debian', '--json'];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new BenchError(`vkvm guest debian: status ${status}`);
  return stdout;
}
