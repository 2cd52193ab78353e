/**
 * Debian packages for the guest's user space: apt resolves and downloads them, we unpack. No maintainer script runs, so
 * what those would have made of a system is made here, as far as programs need it.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeCpio } from '../../guest/cpio.ts';
import { GuestError } from '../../guest/error.ts';
import { Apt } from './apt.ts';
import { cachedOr } from './cache-lock.ts';
import type { CacheOptions } from './cache-lock.ts';
import { readTree } from './file-tree.ts';
import { pipeTools } from './tool.ts';

/** What a guest can have beside busybox. */
export interface PackageArchive {
  /** Stands for the names that were asked for. */
  readonly key: string;
  /** A cpio archive of a root directory. */
  readonly archive: Uint8Array;
  /** All that was unpacked: `name version`. */
  readonly packages: readonly string[];
}

/** How packages are fetched. */
export interface PackagesOptions extends CacheOptions {
  /** Seconds to wait for the first answer of a mirror. */
  readonly patience: number;
}

interface Manifest {
  readonly format: 1;
  readonly wanted: readonly string[];
  readonly packages: readonly string[];
  /** Of the archive, in hexadecimal. */
  readonly sha256: string;
}

/** Debian Policy, 5.6.1. */
export const isPackageName = (text: string): boolean => /^[a-z0-9][a-z0-9.+~-]+$/.test(text);

/** Runs scripts: busybox's shell would prefer its own programs to those of the packages. */
const SHELL = 'dash';

/** The merged /usr, which Debian's programs expect. Source: Debian's usrmerge. */
const MERGED = ['bin', 'sbin', 'lib'];

/** What maintainer scripts would have written. */
const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
};

/** Names that update-alternatives would have made, with what can stand for them. */
const ALTERNATIVES: Readonly<Record<string, readonly string[]>> = { awk: ['gawk', 'mawk'] };

/** For reading, not for running. */
const UNWANTED =
  /^usr\/share\/(bug|doc|doc-base|info|lintian|locale|man|menu|pixmaps)$|^(var\/(cache|log|lib\/dpkg)|boot)$/;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/**
 * Gets packages and what they depend on from the cache, if they are there, else through apt.
 *
 * @throws {GuestError} there is no such package, or it could not be had
 */
export async function debianPackages(
  names: readonly string[],
  options: PackagesOptions,
): Promise<PackageArchive> {
  const wanted = [...new Set([...names, SHELL])].toSorted();
  const wrong = wanted.find((name) => !isPackageName(name));
  if (wrong !== undefined) throw new GuestError(`${wrong} is not the name of a package`);
  const key = sha256(new TextEncoder().encode(wanted.join(' '))).slice(0, 16);
  const home = join(options.cache, 'debian/with', key);
  const found = await cachedOr(
    options,
    () => readCached(home),
    () => fetchArchive(wanted, home, options),
  );
  return { key, ...found };
}

type Archive = Omit<PackageArchive, 'key'>;

/** @returns undefined unless everything is there and unchanged */
async function readCached(home: string): Promise<Archive | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(home, 'manifest.json'), 'utf8')) as Manifest;
    const archive = await readFile(join(home, 'packages.cpio'));
    const isSame = manifest.format === 1 && sha256(archive) === manifest.sha256;
    return isSame ? { archive, packages: manifest.packages } : undefined;
  } catch {
    return undefined; // not there, or not readable as what it should be: fetch it anew
  }
}

async function fetchArchive(
  wanted: readonly string[],
  home: string,
  { cache, progress, patience }: PackagesOptions,
): Promise<Archive> {
  const apt = await Apt.open(join(cache, 'apt'));
  progress("fetching Debian's package lists");
  await apt.update({ patience, onProgress: (line) => progress(`fetching Debian's package lists: ${line}`) });
  const { names, size } = await apt.resolve(wanted);
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(join(home, 'new-'));
  try {
    const stage = `downloading ${names.length} packages, ${megabytes(size)}`;
    progress(stage);
    await apt.download(names, work, (line) => progress(`${stage}: ${line}`));
    const archives = (await readdir(work)).filter((file) => file.endsWith('.deb')).toSorted();
    const root = join(work, 'root');
    await prepareRoot(root);
    for (const [index, file] of archives.entries()) {
      progress(`unpacking packages: ${index + 1} of ${archives.length}, ${file}`);
      await unpack(join(work, file), root);
    }
    await linkAlternatives(root);
    const archive = encodeCpio(await readTree(root, (path) => !UNWANTED.test(path)));
    const packages = archives.map(packageOf);
    const manifest: Manifest = { format: 1, wanted, packages, sha256: sha256(archive) };
    await writeFile(join(work, 'packages.cpio'), archive);
    await writeFile(join(work, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    // The manifest goes last: what it describes is then complete.
    for (const file of ['packages.cpio', 'manifest.json']) await rename(join(work, file), join(home, file));
    return { archive, packages };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As `dpkg-deb --extract`, which however puts directories in place of the links of a merged /usr. */
async function unpack(archive: string, root: string): Promise<void> {
  const options = ['--keep-directory-symlink', '--no-same-owner', '--preserve-permissions'];
  await pipeTools(
    ['dpkg-deb', '--fsys-tarfile', archive],
    ['tar', '--extract', '--directory', root, ...options],
    '/dev/null',
  );
}

/** `NAME_VERSION_ARCHITECTURE.deb`, with an epoch's colon as `%3a` → `NAME VERSION`. */
function packageOf(file: string): string {
  const [name = '', version = ''] = file.split('_');
  return `${name} ${decodeURIComponent(version)}`;
}

async function prepareRoot(root: string): Promise<void> {
  for (const directory of MERGED) {
    await mkdir(join(root, 'usr', directory), { recursive: true });
    await symlink(`usr/${directory}`, join(root, directory));
  }
  await mkdir(join(root, 'etc'));
  for (const [path, text] of Object.entries(FILES)) await writeFile(join(root, path), text);
}

async function linkAlternatives(root: string): Promise<void> {
  const programs = new Set(await readdir(join(root, 'usr/bin')));
  for (const [name, candidates] of Object.entries(ALTERNATIVES)) {
    const found = candidates.find((candidate) => programs.has(candidate));
    if (found !== undefined && !programs.has(name)) await symlink(found, join(root, 'usr/bin', name));
  }
}
