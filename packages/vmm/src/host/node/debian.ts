/** `vkvm guest debian`: Debian's kernel and our initramfs, fetched once and kept. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { DebianRequest, GuestFiles } from '../../cli/host.ts';
import { GuestError } from '../../guest/error.ts';
import { USER_SPACE_LINE } from '../../guest/init-script.ts';
import { buildInitramfs } from '../../guest/initramfs.ts';
import { decompressKernel, parseImage } from '../../loader/image.ts';
import { Apt } from './apt.ts';
import { cachedOr } from './cache-lock.ts';
import { debianPackages, isPackageName } from './debian-packages.ts';
import type { PackageArchive } from './debian-packages.ts';
import { pipeTools } from './tool.ts';

/** Kernels by the names that the command gives them. */
const KERNELS: Readonly<Record<string, string>> = {
  cloud: 'linux-image-cloud-arm64',
  full: 'linux-image-arm64',
};

/** Seconds to wait for a mirror by default. */
const PATIENCE = 30;

/** What was cached, and how to know it again. */
interface Manifest {
  /** Of this file's form. */
  readonly format: 1;
  readonly package: string;
  readonly version: string;
  readonly busybox: string;
  /** SHA-256 of each file, in hexadecimal. */
  readonly sha256: { readonly Image: string; readonly busybox: string };
}

/** Where to keep things, and whom to tell. */
export interface DebianOptions {
  /** Default: `$XDG_CACHE_HOME/vkvm`, which is `~/.cache/vkvm` unless set. */
  readonly cache?: string;
  readonly progress: (line: string) => void;
}

const defaultCache = (): string => join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'vkvm');

/**
 * Gets the guest from the cache, if what is there is what was put there; else through apt.
 *
 * @throws {GuestError} apt is missing or unreachable or has no arm64, or the cache cannot be written
 */
export async function debianGuest(request: DebianRequest, options: DebianOptions): Promise<GuestFiles> {
  const { cache = defaultCache(), progress } = options;
  const wanted = KERNELS[request.kernel] ?? request.kernel;
  if (!isPackageName(wanted)) {
    throw new GuestError(
      `${request.kernel} is not the name of a package; use cloud, full, or one like ${KERNELS['cloud']}`,
    );
  }
  const home = join(cache, 'debian', wanted);
  try {
    const { refresh = false, patience = PATIENCE } = request;
    const manifest = await cachedOr(
      { cache, progress, refresh },
      () => readManifest(home),
      () => fetchPackages(wanted, { cache, home, progress, patience }),
    );
    const names = request.with ?? [];
    const packages =
      names.length > 0 ? await debianPackages(names, { cache, progress, patience, refresh }) : undefined;
    return await assemble(home, manifest, packages);
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
    throw new GuestError(
      `the cache ${cache} cannot be used (${error.message}); set XDG_CACHE_HOME to another place`,
      {
        cause: error,
      },
    );
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** @returns undefined unless everything is there and unchanged */
async function readManifest(home: string): Promise<Manifest | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(home, 'manifest.json'), 'utf8')) as Manifest;
    if (manifest.format !== 1) return undefined;
    for (const name of ['Image', 'busybox'] as const) {
      if (sha256(await readFile(join(home, name))) !== manifest.sha256[name]) return undefined;
    }
    return manifest;
  } catch {
    return undefined; // not there, or not readable as what it should be: fetch it anew
  }
}

/** The initramfs is built each time: it takes milliseconds, and its init belongs to this version of vkvm. */
async function assemble(home: string, manifest: Manifest, packages?: PackageArchive): Promise<GuestFiles> {
  const initrd = join(home, packages ? `initramfs-${packages.key}.cpio` : 'initramfs.cpio');
  const archive = buildInitramfs(await readFile(join(home, 'busybox')), packages?.archive);
  const temporary = `${initrd}.${process.pid}`;
  await writeFile(temporary, archive);
  await rename(temporary, initrd);
  return {
    name: `Debian's ${manifest.package} ${manifest.version}`,
    kernel: join(home, 'Image'),
    initrd,
    marker: USER_SPACE_LINE,
    ...(packages && { packages: packages.packages }),
  };
}

interface FetchOptions {
  readonly cache: string;
  readonly home: string;
  readonly progress: (line: string) => void;
  readonly patience: number;
}

async function fetchPackages(
  wanted: string,
  { cache, home, progress, patience }: FetchOptions,
): Promise<Manifest> {
  const apt = await Apt.open(join(cache, 'apt'));
  progress("fetching Debian's package lists");
  await apt.update({ patience, onProgress: (line) => progress(`fetching Debian's package lists: ${line}`) });
  const name = await apt.resolveKernel(wanted);
  const [version, busybox] = await Promise.all([apt.version(name), apt.version('busybox-static')]);
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(join(home, 'new-'));
  try {
    progress(`downloading ${name} ${version} and busybox-static ${busybox}`);
    await apt.download([name, 'busybox-static'], work);
    progress(`unpacking ${name}`);
    const archives = (await readdir(work)).filter((file) => file.endsWith('.deb'));
    const kernel = archives.find((file) => file.startsWith(`${name}_`));
    const shell = archives.find((file) => file.startsWith('busybox-static_'));
    if (kernel === undefined || shell === undefined)
      throw new GuestError(`apt left no package ${name}; try again`);
    await extract(join(work, kernel), './boot/vmlinuz-*', join(work, 'vmlinuz'));
    await extract(join(work, shell), '*/bin/busybox', join(work, 'busybox'));
    const image = await decompressKernel(await readFile(join(work, 'vmlinuz')));
    parseImage(image);
    await writeFile(join(work, 'Image'), image);
    const manifest: Manifest = {
      format: 1,
      package: name,
      version,
      busybox,
      sha256: { Image: sha256(image), busybox: sha256(await readFile(join(work, 'busybox'))) },
    };
    await writeFile(join(work, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    // The manifest goes last: what it describes is then complete.
    for (const file of ['Image', 'busybox', 'manifest.json'])
      await rename(join(work, file), join(home, file));
    return manifest;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Takes one file out of a package. */
async function extract(archive: string, pattern: string, file: string): Promise<void> {
  await pipeTools(
    ['dpkg-deb', '--fsys-tarfile', archive],
    ['tar', '--extract', '--to-stdout', '--wildcards', pattern],
    file,
  );
}
