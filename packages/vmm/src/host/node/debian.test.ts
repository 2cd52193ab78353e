import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { builtinGuest } from '../../guest/builtin.ts';
import { debianGuest } from './debian.ts';

const KERNEL = 'linux-image-6.1.0-9-cloud-arm64';
const { PATH, HOME } = process.env;
let root: string;

/** A program on the PATH of the test. */
function stub(name: string, script: string): void {
  writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(root, 'bin', name), 0o755);
}

/** An apt that has one kernel, and a dpkg-deb whose packages are tar archives. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vkvm-'));
  const tree = join(root, 'tree');
  for (const path of ['bin', 'tree/boot', 'tree/bin', 'repo'])
    mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(tree, 'boot', `vmlinuz-${KERNEL}`), builtinGuest());
  writeFileSync(join(tree, 'bin/busybox'), 'busybox');
  for (const name of [KERNEL, 'busybox-static']) {
    execFileSync('tar', ['-cf', join(root, 'repo', `${name}_1_arm64.deb`), '-C', tree, './boot', './bin']);
  }
  stub('apt-config', `echo 'Acquire::http::Proxy "http://proxy:1";'; echo 'DPkg::Post-Invoke "rm -rf /";'`);
  stub(
    'apt-get',
    `echo "$*" >> ${root}/calls; case "$*" in *update*) echo "Get:1 http://mirror x" ;; *) cp ${root}/repo/* . ;; esac`,
  );
  stub(
    'apt-cache',
    `case "$*" in
      depends*linux-image-cloud-arm64) printf 'linux-image-cloud-arm64\\n  Depends: ${KERNEL}\\n' ;;
      depends*${KERNEL}) printf '${KERNEL}\\n  Depends: kmod\\n' ;;
      policy*nothing*|depends*nothing*) exit 100 ;;
      policy*) printf 'x:\\n  Candidate: 1\\n' ;;
    esac`,
  );
  stub('dpkg-deb', 'cat "$2"');
  process.env['PATH'] = `${join(root, 'bin')}${delimiter}${PATH}`;
});

afterEach(() => {
  Object.assign(process.env, { PATH, HOME });
  rmSync(root, { recursive: true });
});

const calls = (): string[] =>
  existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').split('\n') : [];

function get({ kernel = 'cloud', refresh = false, patience = 10 } = {}) {
  const lines: string[] = [];
  const cache = join(root, 'cache');
  const files = debianGuest(
    { kernel, refresh, patience },
    { cache, progress: (line) => void lines.push(line) },
  );
  return { files, lines, cache };
}

describe('debianGuest', () => {
  test('follows the meta-package, unpacks the kernel and builds a ramdisk', async () => {
    const { files, lines } = get();
    expect(await files).toMatchObject({ name: `Debian's ${KERNEL} 1`, marker: 'vkvm: user space is up' });
    expect(readFileSync((await files).kernel)).toEqual(Buffer.from(builtinGuest()));
    expect(readFileSync((await files).initrd).toString('latin1')).toContain('busybox');
    expect(lines).toContain(`downloading ${KERNEL} 1 and busybox-static 1`);
  });

  test('gives apt directories of its own and the settings of the system, without hooks', async () => {
    const { files, cache } = get();
    await files;
    const config = readFileSync(join(cache, 'apt/apt.conf'), 'utf8');
    expect(config).toContain('Acquire::http::Proxy "http://proxy:1";');
    expect(config).toContain(`Dir::State "${cache}/apt/state";`);
    expect(config).toContain('APT::Architecture "arm64";');
    expect(config).not.toContain('DPkg::');
  });

  test('asks apt once, and again when told to or when a file is not what was cached', async () => {
    const first = await get().files;
    const after = calls().length;
    await get().files;
    expect(calls()).toHaveLength(after);
    await get({ refresh: true }).files;
    expect(calls().length).toBeGreaterThan(after);
    const before = calls().length;
    writeFileSync(first.kernel, 'damaged');
    expect(readFileSync((await get().files).kernel)).toEqual(Buffer.from(builtinGuest()));
    expect(calls().length).toBeGreaterThan(before);
  });

  test('leaves nothing half done behind', async () => {
    stub('dpkg-deb', 'exit 1');
    stub('tar', 'exit 2');
    const { files, cache } = get();
    await expect(files).rejects.toThrow('unpacking with dpkg-deb and tar failed');
    expect(existsSync(join(cache, 'debian/linux-image-cloud-arm64/manifest.json'))).toBe(false);
  });

  test.each([
    ['an unknown package', { kernel: 'nothing-here' }, 'apt offers no package nothing-here for arm64'],
    ['what is no package name', { kernel: '; rm' }, '; rm is not the name of a package; use cloud, full'],
  ])('says what is wrong with %s', async (_, request, message) => {
    await expect(get(request).files).rejects.toThrow(message);
  });

  test('says so when no mirror answers', async () => {
    stub('apt-get', 'echo "Err:1 http://mirror x"; echo "E: Could not resolve host" >&2; exit 100');
    await expect(get().files).rejects.toThrow(
      'apt cannot reach a mirror (Could not resolve host); check the network',
    );
  });

  test('does not wait for a mirror that hangs', async () => {
    stub('apt-get', 'exec sleep 60');
    await expect(get({ patience: 0.1 }).files).rejects.toThrow(
      'apt cannot reach a mirror (no answer in time)',
    );
  });

  test('does not mind a source that fails beside one that works', async () => {
    stub(
      'apt-get',
      `case "$*" in *update*) echo "Get:1 http://mirror x"; echo "E: other vendor" >&2; exit 100 ;; *) cp ${root}/repo/* . ;; esac`,
    );
    expect((await get().files).name).toContain(KERNEL);
  });

  test('says so where there is no apt', async () => {
    process.env['PATH'] = join(root, 'nowhere');
    await expect(get().files).rejects.toThrow(
      "apt-config is not installed here; it is needed to get Debian's packages",
    );
  });
});
