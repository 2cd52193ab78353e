/** `--deterministic` with a whole Linux: the log with its times, and what it takes for random. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { debianGuest, vkvm, type Outcome } from '../boot/command.ts';

const debian = await debianGuest('cloud');

const SCRIPT = [
  'cat /proc/interrupts; cat /proc/sys/kernel/random/uuid; date; sleep 1.5',
  'for i in 1 2 3 4; do (sleep 0.1; echo $i; head -c 100000 /dev/urandom | sha256sum) & done; wait',
  'dmesg',
].join('; ');

/** What is printed, and how many instructions each vCPU has retired. */
async function boot(tier: string, smp: string) {
  const options = ['--deterministic', '--stats', '--smp', smp, '--script', SCRIPT];
  const { status, stdout, stderr } = await vkvm(['start', ...options], { env: { VKVM_TIER: tier } });
  return { status, stdout, retired: stderr.match(/\d+ instructions:/g) };
}

describe.skipIf(typeof debian === 'string')('Debian, run twice', () => {
  test.each([
    ['1', 'none'],
    ['1', 'hot'],
    ['2', 'none'],
    ['2', 'hot'],
    ['2', 'all'],
  ])('prints the same with %s vCPUs in tier %s', { timeout: 600_000 }, async (smp, tier) => {
    const reference = await boot('hot', smp);
    expect(reference.stdout).toContain('vkvm: the script ended with status 0');
    expect(reference.retired).toHaveLength(Number(smp));
    expect(await boot(tier, smp)).toEqual({ ...reference, status: 0 });
  });

  test('is saved in the same file, byte for byte', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vkvm-tiers-'));
    const save = async (name: string, tier: string): Promise<Buffer> => {
      const file = join(folder, name);
      const options = ['--deterministic', '--at', 'user space is up', '--script', 'date'];
      const { status } = await vkvm(['save', file, ...options], { env: { VKVM_TIER: tier } });
      expect(status).toBe(0);
      return readFile(file);
    };
    try {
      const first = await save('first', 'none');
      expect(first.equals(await save('second', 'hot'))).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('takes what is typed from a file', { timeout: 120_000 }, async () => {
    const type = (): Promise<Outcome> =>
      vkvm(['start', '--deterministic', '--input', new URL('typed.txt', import.meta.url).pathname]);
    const first = await type();
    expect(first.stdout).toContain('sum 42');
    expect(first.status).toBe(0);
    expect((await type()).stdout).toBe(first.stdout);
  });
});
