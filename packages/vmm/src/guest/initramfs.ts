/** Our initial file system: busybox and a script, beside what packages bring. */
import { encodeCpio } from './cpio.ts';
import type { CpioEntry } from './cpio.ts';
import { INIT_SCRIPT } from './init-script.ts';

/** Where there are packages, `/bin` is a link of theirs, and they have a shell. */
const ALONE: readonly CpioEntry[] = [
  { kind: 'directory', path: 'bin', mode: 0o755 },
  { kind: 'link', path: 'bin/sh', target: 'busybox' },
];

/**
 * @param busybox - a static AArch64 busybox
 * @param packages - a cpio archive of a root directory with `/bin/sh`; its programs go before those of busybox
 * @returns a cpio archive, not compressed: it is unpacked by the guest
 */
export function buildInitramfs(busybox: Uint8Array, packages?: Uint8Array): Uint8Array {
  const ours = encodeCpio([
    ...(packages ? [] : ALONE),
    { kind: 'directory', path: 'dev', mode: 0o755 },
    // The kernel opens it for init before anything is mounted.
    { kind: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, data: busybox },
    { kind: 'file', path: 'init', mode: 0o755, data: new TextEncoder().encode(INIT_SCRIPT) },
  ]);
  if (!packages) return ours;
  // Linux unpacks one archive after the other.
  const both = new Uint8Array(packages.length + ours.length);
  both.set(packages);
  both.set(ours, packages.length);
  return both;
}
