import { encodeScript } from '@vkvm/vmm';
import { describe, expect, test } from 'vitest';
import { debianGuest, vkvm } from './command.ts';

/** Kernels beside the cloud one: the release's full kernel, and a newer one. */
const KERNELS = ['full', 'linux-image-6.12-cloud-arm64'];

describe.each(KERNELS)("Debian's kernel %s", (name) => {
  test('boots to user space and powers off', { timeout: 300_000 }, async (context) => {
    const guest = await debianGuest(name);
    if (typeof guest === 'string') return context.skip(guest);
    const { kernel, initrd } = guest;
    const append = `console=ttyAMA0 ${encodeScript('uname -r; sha256sum /init')}`;
    const { status, stdout } = await vkvm(
      ['run', '--kernel', kernel, '--initrd', initrd, '--append', append].concat('--timeout', '120'),
    );
    expect(stdout).toContain('vkvm: the script ended with status 0');
    expect(status).toBe(0);
  });
});
