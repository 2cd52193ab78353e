import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readWholeFile } from './whole-file.ts';

const home = mkdtempSync(join(tmpdir(), 'vkvm-'));
afterAll(() => rmSync(home, { recursive: true }));

function write(name: string, bytes: Uint8Array): string {
  const path = join(home, name);
  writeFileSync(path, bytes);
  return path;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test.each([0, 1, 0x30_0001])('reads all of a file of %i bytes', async (length) => {
  const bytes = Uint8Array.from({ length }, (_, index) => index * 7 + (index >> 8));
  const found = await readWholeFile(write('file', bytes));
  expect(found.length).toBe(length);
  expect(Buffer.compare(found, bytes)).toBe(0);
});

test('opens the file before it returns', async () => {
  const path = write('first', new Uint8Array([1, 2, 3]));
  const reading = readWholeFile(path);
  rmSync(path);
  expect([...(await reading)]).toEqual([1, 2, 3]);
});

test('reads a pipe to its end', async () => {
  const path = join(home, 'pipe');
  execFileSync('mkfifo', [path]);
  const writer = spawn('sh', [
    '-c',
    `{ printf a; sleep 0.05; head -c 200000 /dev/zero; printf z; } > "$0"`,
    path,
  ]);
  const found = await readWholeFile(path);
  expect(found.length).toBe(200_002);
  expect([found[0], found.at(-1)]).toEqual([0x61, 0x7a]);
  writer.kill();
});

test.skipIf(process.platform !== 'linux')('reads what the kernel writes as it is read', async () => {
  expect(text(await readWholeFile('/proc/self/comm'))).toMatch(/\n$/);
  // Its size is a page, and its text is shorter.
  expect(text(await readWholeFile('/sys/devices/system/cpu/online'))).toMatch(/\n$/);
});

test.each([
  ['a file that is not there', join(home, 'none'), 'ENOENT'],
  ['a directory', home, 'EISDIR'],
])('rejects with the code of the error: %s', async (_, path, code) => {
  await expect(readWholeFile(path)).rejects.toMatchObject({ code });
});
