/** What a guest prints is the same whatever part of its code is compiled, but for times. */
import { encodeScript } from '@vkvm/vmm';
import { describe, expect, test } from 'vitest';
import { debianGuest, vkvm, type Outcome } from '../boot/command.ts';

const debian = await debianGuest('cloud');

const TIERS: readonly (readonly [name: string, options: readonly string[], tier: string])[] = [
  ['interpreted', ['--no-jit'], ''],
  ['compiled where it is hot', [], 'hot'],
  ['compiled before it runs', [], 'all'],
  ['compiled before it runs, and dropped for the next', [], 'evict'],
];

const withoutTimes = ({ stdout }: Outcome): string => stdout.replace(/in \d+ ms/, 'in some ms');

describe('the built-in guest', { timeout: 60_000 }, () => {
  const start = (options: readonly string[], tier: string): Promise<Outcome> =>
    vkvm(['start', '--guest', 'builtin', ...options], { env: { VKVM_TIER: tier } });

  test.each(TIERS)('prints the same if its code is %s', async (_, options, tier) => {
    const reference = await start([], '');
    expect(reference.stdout).toContain('powering off');
    const outcome = await start(options, tier);
    expect(withoutTimes(outcome)).toBe(withoutTimes(reference));
    expect([outcome.status, outcome.stderr]).toEqual([0, '']);
  });

  test('does not start with a tier that there is not', async () => {
    const { status, stderr } = await start([], 'warm');
    expect([status, stderr]).toEqual([2, 'vkvm: VKVM_TIER=warm: there are hot, none, all, evict\n']);
  });
});

test.skipIf(typeof debian === 'string')(
  'a shell of Debian prints the same with and without --no-jit',
  { timeout: 120_000 },
  async () => {
    const { kernel, initrd } = debian as Exclude<typeof debian, string>;
    const script = [
      'uname -r; cat /proc/cpuinfo',
      'i=0; while [ $i -lt 3000 ]; do i=$((i + 7)); done; echo $i',
      'sha256sum /bin/busybox; gzip -9 < /bin/busybox | gunzip | md5sum',
      `awk 'BEGIN { for (i = 1; i < 20000; i++) s += 1 / i; print s }'`,
    ].join('; ');
    const append = `console=ttyAMA0 quiet ${encodeScript(script)}`;
    const files = ['--kernel', kernel, '--initrd', initrd, '--append', append];
    const run = (...options: string[]): Promise<Outcome> => vkvm(['run', ...files, ...options]);
    // The last line of the kernel has the time in front.
    const printed = ({ stdout }: Outcome): string => stdout.replaceAll(/^\[.*\] /gm, '');
    const interpreted = await run('--no-jit');
    expect(interpreted.stdout).toContain('vkvm: the script ended with status 0');
    expect(printed(await run())).toBe(printed(interpreted));
  },
);
