import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = fileURLToPath(new URL('../../examples/psci-ownership/', import.meta.url));

test('the example prints what its README shows', { timeout: 30_000 }, () => {
  const output = execFileSync(process.execPath, ['main.ts'], { cwd: folder, encoding: 'utf8' });
  const [, shown] = /```\n\$ node main\.ts\n(.*?)```/s.exec(readFileSync(`${folder}README.md`, 'utf8')) ?? [];
  expect(output.trim()).toBe(shown?.trim());
});
