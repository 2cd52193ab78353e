import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { debianPackages } from './debian-packages.ts';

const { PATH } = process.env;
let root: string;

function stub(name: string, script: string): void {
  writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'bin', name), 0o755);
}

/** A package whose archive is a plain tar. */
function offer(name: string, files: Readonly<Record<string, string>>): void {
  const tree = join(root, 'tree', name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(tree, path, '..'), { recursive: true });
    writeFileSync(join(tree, path), text, { mode: 0o755 });
  }
  execFileSync('tar', ['-cf', join(root, 'repo', `${name}_1%3a2_arm64.deb`), '-C', tree, '.']);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vkvm-'));
  for (const path of ['bin', 'repo']) mkdirSync(join(root, path));
  offer('mawk', { 'usr/bin/mawk': 'program', 'usr/share/doc/mawk/copyright': 'long' });
  offer('libc6', { 'lib/ld.so': 'loader', 'etc/ld.so.conf': 'path' });
  stub('apt-config', 'true');
  stub(
    'apt-get',
    `echo "$*" >> ${root}/calls
    case "$*" in
      *update*) echo "Get:1 http://mirror x" ;;
      *install*nothing*) echo "E: Unable to locate package nothing" >&2; exit 100 ;;
      *install*) printf "'http://m/mawk' mawk_1%%3a2_arm64.deb 1000000 MD5Sum:0\\n'http://m/libc6' libc6_1%%3a2_arm64.deb 2000000 \\n" ;;
      *) cp ${root}/repo/* . ;;
    esac`,
  );
  stub('dpkg-deb', 'cat "$2"');
  process.env['PATH'] = `${join(root, 'bin')}${delimiter}${PATH}`;
});

afterEach(() => {
  Object.assign(process.env, { PATH });
  rmSync(root, { recursive: true });
});

const calls = (): string[] => readFileSync(join(root, 'calls'), 'utf8').trim().split('\n');

function get(names: readonly string[], refresh = false) {
  const lines: string[] = [];
  const progress = (line: string): void => void lines.push(line);
  const packages = debianPackages(names, { cache: join(root, 'cache'), progress, patience: 10, refresh });
  return { packages, lines };
}

/** Paths in a cpio archive. */
function list(archive: Uint8Array): string[] {
  const text = Buffer.from(archive).toString('latin1');
  return [...text.matchAll(/070701[0-9A-Fa-f]{104}([^\0]+)\0/g)].map(([, path = '']) => path);
}

describe('debianPackages', () => {
  test('unpacks packages and what they depend on, without what is only for reading', async () => {
    const { packages, lines } = get(['mawk']);
    const { archive, packages: unpacked } = await packages;
    expect(unpacked).toEqual(['libc6 1:2', 'mawk 1:2']);
    expect(list(archive)).toEqual(expect.arrayContaining(['usr/bin/mawk', 'etc/ld.so.conf', 'etc/passwd']));
    expect(list(archive).filter((path) => path.startsWith('usr/share/doc'))).toEqual([]);
    expect(lines).toContain('downloading 2 packages, 3.0 MB');
    expect(lines).toContain('unpacking packages: 2 of 2, mawk_1%3a2_arm64.deb');
  });

  test('has a shell that finds programs of packages first', async () => {
    await get(['mawk']).packages;
    expect(calls().find((call) => call.includes('install'))).toMatch(/ install dash mawk$/);
  });

  test('keeps /usr merged, and makes the names that alternatives would', async () => {
    const paths = list((await get(['mawk']).packages).archive);
    expect(paths).toContain('usr/lib/ld.so');
    expect(paths).not.toContain('lib/ld.so');
    expect(paths).toContain('usr/bin/awk');
  });

  test('asks apt once for the same packages, in whatever order they are named', async () => {
    const first = await get(['mawk', 'bc']).packages;
    const { length } = calls();
    const { archive } = await get(['bc', 'mawk', 'mawk']).packages;
    expect(Buffer.compare(archive, first.archive)).toBe(0);
    expect(calls()).toHaveLength(length);
    await get(['bc', 'mawk'], true).packages;
    expect(calls().length).toBeGreaterThan(length);
  });

  test('fetches again what is damaged', async () => {
    const { key, archive } = await get(['mawk']).packages;
    writeFileSync(join(root, 'cache/debian/with', key, 'packages.cpio'), 'damaged');
    expect(Buffer.compare((await get(['mawk']).packages).archive, archive)).toBe(0);
  });

  test('leaves nothing half done behind', async () => {
    stub('tar', 'exit 2');
    await expect(get(['mawk']).packages).rejects.toThrow('unpacking with dpkg-deb and tar failed');
    const left = globSync('cache/debian/with/*/*', { cwd: root });
    expect(left).toEqual([]);
  });

  test.each([
    [['nothing'], 'apt cannot put the packages together (Unable to locate package nothing)'],
    [['-o', 'x'], '-o is not the name of a package'],
  ])('says what is wrong with %s', async (names, message) => {
    await expect(get(names).packages).rejects.toThrow(message);
  });
});
