import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROFILES } from '@vkvm/uapi';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { workspaceVersion } from '../pack/pack.ts';
import { bootPairing, type Release } from './pairing.ts';

const folder = mkdtempSync(join(tmpdir(), 'vkvm-pairing-'));
const today: Release = { name: 'today', tarballs: inject('tarballs'), version: workspaceVersion() };

/** Every kept release; its version is in the names of its tarballs. */
const kept = globSync('r*', { cwd: import.meta.dirname }).map((name): Release => {
  const tarballs = join(import.meta.dirname, name);
  const [uapi] = globSync('vkvm-uapi-*.tgz', { cwd: tarballs });
  return { name, tarballs, version: /-(\d+\.\d+\.\d+)\.tgz$/.exec(uapi ?? '')?.[1] ?? '' };
});

const PAIRS = kept.flatMap((release) => [
  { kernel: today, vmm: release },
  { kernel: release, vmm: today },
  { kernel: release, vmm: release },
]);

afterAll(() => rmSync(folder, { recursive: true }));

describe.each(PAIRS)('a VMM of $vmm.name on a kernel of $kernel.name', (pair) => {
  test('boots a guest to its power-off, or refuses before the first run', { timeout: 30_000 }, () => {
    const printed = bootPairing(join(folder, `${pair.kernel.name}-${pair.vmm.name}`), pair);
    expect(printed).toMatch(/ended with shutdown\n$|^AbiMismatchError before the first run: /);
  });
});

describe.each(kept)('a VMM of $name on a kernel of today', (vmm) => {
  test.each(PROFILES)(
    'as $name boots a guest, or refuses before the first run',
    { timeout: 30_000 },
    (row) => {
      const project = join(folder, `${row.name}-${vmm.name}`);
      const printed = bootPairing(project, { kernel: today, vmm, profile: row.name });
      // Revision 1 knows GICs that are devices only, and no other exit 24 than Linux's; later ones know both.
      const refuses = row.name === 'rfc-2013' && vmm.name === 'r1';
      const refused = /^AbiMismatchError before the first run: .*KVM_CAP_DEVICE_CTRL/;
      expect(printed).toMatch(refuses ? refused : /ended with shutdown\n$/);
    },
  );
});
