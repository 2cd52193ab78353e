import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROFILES } from '@vkvm/uapi';
import { encodeScript } from '@vkvm/vmm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { debianGuest, vkvm, type Guest } from '../boot/command.ts';

const guest = await debianGuest('cloud');
const folder = mkdtempSync(join(tmpdir(), 'vkvm-pairs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const profiles = PROFILES.filter(({ recorded }) => recorded).map(({ name }) => name);
const DONE = 'vkvm: the script ended with status 0';

/** Of `vkvm skew --json`. */
interface Report {
  readonly verdict: { readonly loads: string };
  readonly pinned?: Start & { readonly verdict: { readonly loads: string } };
}

/** What a guest is started with, as the options say it. */
interface Start {
  readonly psci: string;
  readonly services: 'all' | 'none';
  readonly pmu: 'as the kernel has it' | 'none';
}

const nameOf = (start?: Start): string =>
  start ? `${start.psci}-${start.services}-${start.pmu === 'none' ? 'no-pmu' : 'pmu'}` : 'default';
const optionsOf = (start?: Start): string[] =>
  start
    ? [
        '--psci',
        start.psci,
        ...(start.services === 'none' ? ['--services', 'none'] : []),
        ...(start.pmu === 'none' ? ['--no-pmu'] : []),
      ]
    : [];

/** Boots Debian on a kernel and saves it in the middle of its script. @returns the file */
async function save(profile: string, start?: Start): Promise<string> {
  const { kernel, initrd } = guest as Guest;
  const file = join(folder, `${profile}-${nameOf(start)}.vkvm`);
  const script = encodeScript('for i in 1 2 3 4; do echo "turn $i"; sleep 0.1; done');
  const boot = ['--kernel', kernel, '--initrd', initrd, '--append', `console=ttyAMA0 quiet ${script}`];
  const choice = ['--profile', profile, ...optionsOf(start)];
  const { status, stderr } = await vkvm([
    'save',
    file,
    '--at',
    'turn 2',
    ...boot,
    ...choice,
    '--memory',
    '256M',
  ]);
  if (status !== 0) throw new Error(stderr);
  return file;
}

async function restore(file: string, profile: string): Promise<{ status: number | null; done: boolean }> {
  const { status, stdout } = await vkvm([
    'restore',
    file,
    '--profile',
    profile,
    '--drop-safe',
    '--timeout',
    '60',
  ]);
  return { status, done: stdout.includes(DONE) };
}

const expected = (loads: string) => (loads === 'no' ? { status: 4, done: false } : { status: 0, done: true });

describe.skipIf(typeof guest === 'string')('Debian saved on one kernel and restored on another', () => {
  const files = new Map<string, string>();
  beforeAll(async () => {
    for (const profile of profiles) files.set(profile, await save(profile));
  }, 300_000);

  test.for(profiles.flatMap((from) => profiles.map((to) => [from, to] as const)))(
    'from %s to %s: what vkvm skew says',
    { timeout: 300_000 },
    async ([from, to]) => {
      const { stdout } = await vkvm(['skew', from, to, '--json']);
      const { verdict, pinned } = JSON.parse(stdout) as Report;
      expect(await restore(files.get(from)!, to)).toEqual(expected(verdict.loads));
      if (!pinned) return;
      const name = `${from} ${nameOf(pinned)}`;
      const file = files.get(name) ?? (await save(from, pinned));
      files.set(name, file);
      expect(await restore(file, to), optionsOf(pinned).join(' ')).toEqual(expected(pinned.verdict.loads));
    },
  );
});
