import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { encodeCpio } from './cpio.ts';
import { encodeScript } from './init-script.ts';
import { buildInitramfs } from './initramfs.ts';

const hasCpio = spawnSync('cpio', ['--version']).status === 0;
if (!hasCpio) console.warn('cpio is not installed; its listing is not compared');

describe('encodeCpio', () => {
  test.skipIf(!hasCpio)('writes what cpio lists', () => {
    const archive = encodeCpio([
      { kind: 'directory', path: 'd', mode: 0o755 },
      { kind: 'file', path: 'd/f', mode: 0o640, data: new TextEncoder().encode('hello') },
      { kind: 'link', path: 'l', target: 'd/f' },
      { kind: 'device', path: 'd/null', mode: 0o666, major: 1, minor: 3 },
    ]);
    const listing = execFileSync('cpio', ['-itvn', '--quiet'], { input: archive })
      .toString()
      .trim()
      .split('\n');
    expect(
      listing.map((line) => line.replace(/\s+/g, ' ').replace(/Jan 1 1970 |\w+ \d+ \d+:\d+ /, '')),
    ).toEqual([
      'drwxr-xr-x 2 0 0 0 d',
      '-rw-r----- 1 0 0 5 d/f',
      'lrwxrwxrwx 1 0 0 3 l -> d/f',
      'crw-rw-rw- 1 0 0 1, 3 d/null',
    ]);
  });

  test('gives equal archives for equal contents, in multiples of 4 bytes', () => {
    const busybox = new Uint8Array(1001).fill(7);
    expect(buildInitramfs(busybox)).toEqual(buildInitramfs(busybox));
    expect(buildInitramfs(busybox).length % 4).toBe(0);
  });
});

describe('encodeScript', () => {
  test('makes one word without quotes of any commands', () => {
    expect(encodeScript('echo "50%"; ls -l /tmp\nö')).toBe(
      'vkvm.run=echo%20%2250%25%22%3b%20ls%20-l%20/tmp%0a%c3%b6',
    );
  });

  test('refuses what no command line can hold', () => {
    expect(() => encodeScript('x'.repeat(2000))).toThrow('the script takes 2009 of the 2048 characters');
  });
});
