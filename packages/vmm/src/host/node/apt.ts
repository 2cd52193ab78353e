/**
 * Debian packages for arm64 through the system's apt, as any user and without changing the system: its sources and keys,
 * but lists, cache, status and architecture of our own. Source: apt.conf(5), apt-get(8).
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GuestError } from '../../guest/error.ts';
import { runTool } from './tool.ts';
import type { ToolOptions, ToolResult } from './tool.ts';

/**
 * Settings of the system that must not act on a private apt: hooks, which expect the system's own directories (Docker's
 * images delete the system's archives in one), and what is replaced below.
 */
const NOT_INHERITED =
  /^(APT::Architectures?\b|APT::Update::(Pre|Post)-Invoke|APT::Sandbox|DPkg::|Dir::(State|Cache|Etc::(main|parts))\b)/i;

/** Seconds without a word from apt once a mirror has answered. */
const PATIENCE = 60;

/** How the package lists are fetched. */
export interface UpdateOptions {
  /** Seconds to wait for the first answer of a mirror. */
  readonly patience: number;
  /** Told of each line that apt prints. */
  readonly onProgress: (line: string) => void;
}

/** Packages that are to be unpacked together. */
export interface PackageSet {
  /** Names, as `apt-get download` takes them. */
  readonly names: readonly string[];
  /** Bytes to download. */
  readonly size: number;
}

/** A private apt in a directory. */
export class Apt {
  readonly #directory: string;
  readonly #config: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#config = join(directory, 'apt.conf');
  }

  /**
   * @param directory - where lists and downloads go; it is kept for the next time
   * @throws {GuestError} apt is not installed
   */
  static async open(directory: string): Promise<Apt> {
    const apt = new Apt(directory);
    const { stdout } = await runTool('apt-config', ['dump']);
    const inherited = stdout.split('\n').filter((line) => line !== '' && !NOT_INHERITED.test(line));
    for (const path of ['state/lists/partial', 'cache/archives/partial']) {
      await mkdir(join(directory, path), { recursive: true });
    }
    await writeFile(join(directory, 'state/status'), '');
    const own = [
      `Dir::State "${directory}/state";`,
      `Dir::State::status "${directory}/state/status";`,
      `Dir::Cache "${directory}/cache";`,
      'Dir::Cache::pkgcache "";', // large, and soon out of date
      'Dir::Cache::srcpkgcache "";',
      'Dir::Etc::main "/dev/null";',
      'Dir::Etc::parts "/dev/null";',
      'APT::Architecture "arm64";',
      'APT::Architectures { "arm64"; };',
      'APT::Sandbox::User "root";', // a private directory is not for the _apt user, when root calls
      'Acquire::Languages "none";',
      'Acquire::Retries "0";',
      'Debug::NoLocking "1";',
    ];
    await writeFile(apt.#config, [...inherited, ...own, ''].join('\n'));
    return apt;
  }

  /** Fetches the package lists. @throws {GuestError} no mirror answers */
  async update({ patience, onProgress }: UpdateOptions): Promise<void> {
    let answered = false;
    const onLine = (line: string): void => {
      answered ||= /^(Get|Hit):/.test(line);
      onProgress(line);
    };
    // A source that fails (of another vendor, say) does not matter as long as Debian's answer.
    const result = await this.#run('apt-get', ['-q', 'update'], {
      patience: () => (answered ? PATIENCE : patience),
      onLine,
    });
    if (answered && !result.hung) return;
    const reason = result.hung ? 'no answer in time' : firstError(result);
    throw new GuestError(
      `apt cannot reach a mirror (${reason}); check the network, or the proxy in apt's configuration`,
    );
  }

  /**
   * Follows a meta-package to the kernel it stands for.
   *
   * @throws {GuestError} there is no such package for arm64
   */
  async resolveKernel(name: string): Promise<string> {
    let current = name;
    for (let step = 0; step < 4; step += 1) {
      const { status, stdout } = await this.#run('apt-cache', ['depends', '--important', current]);
      if (status !== 0 || stdout.trim() === '') throw this.#missing(current);
      const next = /^ *\|?Depends: (linux-image-[^\s<>]+)$/m.exec(stdout)?.[1];
      if (next === undefined) return current;
      current = next;
    }
    return current;
  }

  /** The version that would be downloaded. @throws {GuestError} there is no such package for arm64 */
  async version(name: string): Promise<string> {
    const { stdout } = await this.#run('apt-cache', ['policy', name]);
    const version = /^ *Candidate: (\S+)$/m.exec(stdout)?.[1];
    if (version === undefined || version === '(none)') throw this.#missing(name);
    return version;
  }

  /**
   * Packages with all that they depend on, as if nothing were installed.
   *
   * @throws {GuestError} there is no such package for arm64, or its dependencies cannot be met
   */
  async resolve(names: readonly string[]): Promise<PackageSet> {
    const options = ['-qq', '-y', '--no-install-recommends', '--print-uris'];
    const result = await this.#run('apt-get', [...options, 'install', ...names]);
    if (result.status !== 0) {
      throw new GuestError(`apt cannot put the packages together (${firstError(result)})`);
    }
    // 'URI' NAME_VERSION_ARCHITECTURE.deb SIZE HASH
    const rows = [...result.stdout.matchAll(/^'[^']*' ([^_\s]+)_\S+\.deb (\d+)/gm)];
    return {
      names: rows.map(([, name = '']) => name),
      size: rows.reduce((sum, [, , bytes]) => sum + Number(bytes), 0),
    };
  }

  /**
   * Downloads packages, checked against the signed lists, into an empty directory.
   *
   * @param onLine - told of each line that apt prints
   * @throws {GuestError} it did not work
   */
  async download(
    names: readonly string[],
    into: string,
    onLine: (line: string) => void = () => {},
  ): Promise<void> {
    const result = await this.#run('apt-get', ['-q', 'download', ...names], {
      cwd: into,
      patience: () => PATIENCE,
      onLine,
    });
    if (result.status === 0 && !result.hung) return;
    throw new GuestError(
      `apt could not download ${names.join(' and ')} (${firstError(result)}); try again later`,
    );
  }

  #missing(name: string): GuestError {
    return new GuestError(
      `apt offers no package ${name} for arm64: its sources are not Debian's, or their mirror has no arm64; ` +
        `give --kernel and --initrd files of your own`,
    );
  }

  #run(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
    return runTool(command, args, { cwd: this.#directory, ...options, env: { APT_CONFIG: this.#config } });
  }
}

function firstError({ stdout, stderr, status }: ToolResult): string {
  const lines = `${stderr}\n${stdout}`.split('\n');
  const line = lines.find((each) => /^(E|Err|W):/.test(each)) ?? `status ${status}`;
  return line
    .replace(/^(E|W): */, '')
    .replace(/^Err:\d+ */, '')
    .trim();
}
