/** Debian under every owner of PSCI, alone and beside a secure runtime: what it says of PSCI, and does with it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeScript } from '@vkvm/vmm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtimeCode } from '../secure/programs.ts';
import { debianGuest, vkvm, type Guest } from './command.ts';

const guest = await debianGuest('cloud');
const folder = mkdtempSync(join(tmpdir(), 'vkvm-owners-'));
const runtime = join(folder, 'runtime');
writeFileSync(runtime, runtimeCode);
afterAll(() => rmSync(folder, { recursive: true }));

const SETUPS = (['kernel', 'exit', 'user'] as const).flatMap((owner) => {
  const options = ['--psci-owner', owner];
  return [
    { name: owner, options },
    { name: `${owner}, beside a secure runtime`, options: [...options, '--secure-runtime', runtime] },
  ];
});

/** Each line after a mark of its own. */
const SCRIPT = `online() { sed 's/^/@online /' /sys/devices/system/cpu/online; }
online
echo 0 > /sys/devices/system/cpu/cpu1/online
online
echo 1 > /sys/devices/system/cpu/cpu1/online
online
taskset -c 1 true && echo "@ran on CPU 1"
dmesg | grep -i psci: | sed 's/^/@/'`;

/** How a run ends, and what it printed behind a mark, without times. */
async function observe(ending: string, options: readonly string[]) {
  const { kernel, initrd } = guest as Guest;
  const append = `console=ttyAMA0 quiet ${encodeScript(`${SCRIPT}\n${ending}`)}`;
  const files = ['--kernel', kernel, '--initrd', initrd, '--append', append];
  const { status, stdout, stderr } = await vkvm(
    ['run', ...files, '--smp', '2', '--no-reboot', '--timeout', '120'].concat(options),
  );
  const lines = stdout.split(/\r?\n/).filter((line) => line.startsWith('@'));
  const said = lines.map((line) => line.replace(/^@\[.*?\] /, '@').replace(/polled \d+ ms/, 'polled'));
  return { status, stderr, said, last: stdout.match(/reboot: .*/)?.[0] };
}

const ENDS = [
  { ending: 'poweroff -f', status: 0, last: 'reboot: Power down' },
  { ending: 'reboot -f', status: 3, last: 'reboot: Restarting system' },
];

describe.skipIf(typeof guest === 'string')('Debian', () => {
  describe.each(ENDS)('that ends with $ending', ({ ending, status, last }) => {
    let reference: Awaited<ReturnType<typeof observe>>;
    beforeAll(async () => {
      reference = await observe(ending, []);
    }, 150_000);

    test('turns a CPU off and on', () => {
      expect(reference).toMatchObject({ status, last });
      const online = reference.said.filter((line) => line.startsWith('@online'));
      expect(online).toEqual(['@online 0-1', '@online 0', '@online 0-1']);
      expect(reference.said).toContain('@psci: PSCIv1.3 detected in firmware.');
      expect(reference.said.join('\n')).toMatch(/CPU1 killed/);
    });

    test.each(SETUPS)('sees the same with PSCI of $name', { timeout: 150_000 }, async ({ options }) => {
      expect(await observe(ending, options)).toEqual(reference);
    });
  });
});
