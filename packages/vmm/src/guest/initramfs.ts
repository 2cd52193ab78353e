/** Our initial file system: busybox and a script. */
import { encodeCpio } from './cpio.ts';
import { INIT_SCRIPT } from './init-script.ts';

/** @param busybox - a static AArch64 busybox @returns a cpio archive, not compressed: it is unpacked by the guest */
export function buildInitramfs(busybox: Uint8Array): Uint8Array {
  return encodeCpio([
    { kind: 'directory', path: 'bin', mode: 0o755 },
    { kind: 'directory', path: 'dev', mode: 0o755 },
    // The kernel opens it for init before anything is mounted.
    { kind: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, data: busybox },
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    { kind: 'file', path: 'init', mode: 0o755, data: new TextEncoder().encode(INIT_SCRIPT) },
  ]);
}
