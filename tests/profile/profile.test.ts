/** `--profile-out`, with a guest whose calls are known. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { vkvm, type Outcome } from '../boot/command.ts';

/** Where RAM begins, and the guest. */
const START = 0x4000_0000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vkvm-profile-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The guest, and its labels as nm would list them. */
async function guest(): Promise<{ readonly image: string; readonly list: string }> {
  const lines = (await readFile(new URL('calls.hex', import.meta.url), 'utf8')).trim().split('\n');
  const words: number[] = [];
  const symbols: string[] = [];
  for (const line of lines) {
    const address = START + 4 * words.length;
    if (line.endsWith(':')) symbols.push(`${address.toString(16).padStart(16, '0')} t ${line.slice(0, -1)}`);
    else words.push(Number.parseInt(line.slice(0, 8), 16));
  }
  const [image, list] = [join(folder, 'Image'), join(folder, 'System.map')];
  await writeFile(image, new Uint8Array(Uint32Array.from(words).buffer));
  await writeFile(list, `${symbols.join('\n')}\n`);
  return { image, list };
}

const run = async (...options: string[]): Promise<Outcome> => {
  const { image } = await guest();
  return vkvm(['run', '--kernel', image, '--memory', '64', ...options]);
};

describe('a profile', { timeout: 60_000 }, () => {
  test('names the functions, by calls and by the instructions they take', async () => {
    const { list } = await guest();
    const page = join(folder, 'page.html');
    const { status, stderr } = await run('--profile-out', page, '--symbols', list);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/(100\.0|99\.\d) % {2}busy\n/)]);
    expect(stderr).toMatch(/% {2}guest code\n/);
    const html = await readFile(page, 'utf8');
    // Each stands one row below its caller.
    const rows = ['boot', 'outer', 'busy'].map((name) =>
      Number(new RegExp(`translate\\(\\S+ (\\d+)\\)"><title>${name}:`).exec(html)?.[1]),
    );
    expect(rows.map((row) => row - rows[0]!)).toEqual([0, 18, 36]);
    expect(html).toContain('<polyline');
    expect(html).not.toMatch(/src=|href=/);
  });

  test('without symbols shows where in the code', async () => {
    const { status, stderr } = await run('--profile-out', join(folder, 'page.html'));
    expect([status, stderr]).toEqual([0, expect.stringMatching(/% {2}0x40000000\n/)]);
  });

  test('does not begin where it cannot end', async () => {
    const { image, list } = await guest();
    const nowhere = join(folder, 'none', 'page.html');
    const page = join(folder, 'page.html');
    const outcomes = await Promise.all([
      run('--profile-out', nowhere),
      run('--profile-out', page, '--symbols', image),
      run('--profile-out', page, '--symbols', `${list}x`),
      run('--symbols', list),
    ]);
    expect(outcomes.map(({ status, stdout, stderr }) => [status, stdout, stderr])).toEqual([
      [2, '', `vkvm: ${nowhere}: there is no such folder\n`],
      [2, '', expect.stringContaining(`vkvm: ${image}: no line names a function; give an ELF file`)],
      [2, '', `vkvm: ${list}x: there is no such file\n`],
      [2, '', 'vkvm: --symbols names functions of a profile; give --profile-out FILE, too\n'],
    ]);
  });
});
