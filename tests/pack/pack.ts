/** The four packages as users get them: built, packed by pnpm, installed by npm. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** The packages that are published, each after those it depends on. */
export const PACKAGES = [
  { name: '@vkvm/uapi', folder: 'packages/uapi' },
  { name: '@vkvm/kernel', folder: 'packages/kernel' },
  { name: '@vkvm/vmm', folder: 'packages/vmm' },
  { name: 'vkvm', folder: 'packages/vkvm' },
] as const;

/** What a child process printed and how it ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, without input. */
export function run(program: string, args: readonly string[], cwd: string): Outcome {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** Runs a program that must succeed. */
function must(program: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = run(program, args, cwd);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`);
}

/** The version that all packages have: they are released in step. */
export function workspaceVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(join(root, 'packages/vkvm/package.json'), 'utf8'),
  );
  return manifest.version;
}

/** The file name that pnpm gives the tarball of a package. */
export function tarballName(name: string, version: string): string {
  return `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`;
}

/**
 * Builds the packages from source and packs them. Only pnpm packs them right: it is pnpm that puts the paths of
 * `publishConfig` in the place of those to the sources.
 *
 * @param destination - an existing folder
 * @returns the paths of the tarballs, in the order of {@link PACKAGES}
 */
export function packPackages(destination: string): string[] {
  // `pnpm test` has pnpm on its PATH; a test runner that was started by hand may not.
  const [program, ...pnpm] =
    spawnSync('pnpm', ['--version']).status === 0 ? ['pnpm'] : ['npx', '-y', 'pnpm@12'];
  const each = [...pnpm, '--recursive', '--filter', './packages/*'];
  must(program, [...each, 'run', 'build'], root);
  must(program, [...each, 'pack', '--pack-destination', destination], root);
  return tarballsIn(destination);
}

/** The paths of the tarballs in a folder where they were packed, in the order of {@link PACKAGES}. */
export function tarballsIn(folder: string): string[] {
  const version = workspaceVersion();
  return PACKAGES.map(({ name }) => join(folder, tarballName(name, version)));
}

/**
 * Makes an empty project and installs tarballs into it, without a network.
 *
 * @param folder - where to; it is created
 */
export function createProject(folder: string, tarballs: readonly string[]): void {
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'empty', private: true, type: 'module' }),
  );
  must('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs], folder);
}
