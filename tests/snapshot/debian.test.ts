import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeScript } from '@vkvm/vmm';
import { debianGuest, vkvm, type Guest, type Outcome } from '../boot/command.ts';

const guest = await debianGuest('cloud');
if (typeof guest === 'string') console.warn(`Debian is not saved here: ${guest}`);

const folder = mkdtempSync(join(tmpdir(), 'vkvm-snapshot-'));
const file = join(folder, 'guest.vkvm');
afterAll(() => rmSync(folder, { recursive: true }));

/** What it has in memory, in files and on its stack is looked at after it was restored. */
const SCRIPT = [
  'seq 20000 | sha256sum > /tmp/before',
  'for i in 1 2 3 4 5; do echo "turn $i"; sleep 0.1; done',
  'seq 20000 | sha256sum | cmp - /tmp/before && echo "memory is the same"',
  'grep -c "arch_timer" /proc/interrupts',
].join('\n');

describe.skipIf(typeof guest === 'string')('Debian with two CPUs, saved while its shell script runs', () => {
  let saved: Outcome;
  beforeAll(async () => {
    const { kernel, initrd } = guest as Guest;
    const append = `console=ttyAMA0 quiet ${encodeScript(SCRIPT)}`;
    const boot = [
      '--kernel',
      kernel,
      '--initrd',
      initrd,
      '--append',
      append,
      '--smp',
      '2',
      '--memory',
      '256M',
    ];
    saved = await vkvm(['save', file, '--at', 'turn 2', ...boot, '--timeout', '60']);
  }, 90_000);

  test('ends when it is saved', () => {
    expect(saved.stdout).toMatch(/turn 1\s+turn 2/);
    expect(saved.stdout).not.toContain('turn 4');
    expect(saved.stderr).toMatch(/saved the guest in .*guest\.vkvm \(\d+\.\d MiB\)/);
    expect(saved.status).toBe(0);
  });

  test('goes on with its script when it is restored, and powers off', { timeout: 60_000 }, async () => {
    const { stdout, stderr, status } = await vkvm(['restore', file, '--timeout', '40']);
    expect(`${saved.stdout}${stdout}`).toMatch(
      /turn 1\s+turn 2\s+turn 3\s+turn 4\s+turn 5\s+memory is the same/,
    );
    expect(stdout).toContain('vkvm: the script ended with status 0');
    expect(stdout).not.toContain('Booting Linux');
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('is refused when its file is cut short or damaged', { timeout: 60_000 }, async () => {
    const bytes = readFileSync(file);
    const damaged = join(folder, 'damaged.vkvm');
    writeFileSync(damaged, bytes);
    truncateSync(damaged, bytes.length - 1);
    const cut = await vkvm(['restore', damaged]);
    expect(cut).toMatchObject({ status: 2, stdout: '' });
    expect(cut.stderr).toMatch(/damaged\.vkvm: the snapshot ends after \d+ bytes, before it is complete/);
    bytes[bytes.length >> 1]! ^= 0x10;
    writeFileSync(damaged, bytes);
    const flipped = await vkvm(['restore', damaged]);
    expect(flipped).toMatchObject({ status: 2, stdout: '' });
    expect(flipped.stderr).toMatch(/damaged\.vkvm: the snapshot is damaged: section \d+ \(RAMP\)/);
  });
});
