/** `--profile-out`: a run that is profiled, and the page about it. */
import type { Process, Syscalls } from '@vkvm/uapi';
import { isElf } from '../loader/elf.ts';
import { profilePage } from '../profile/html.ts';
import { Profiler, type Counted } from '../profile/profiler.ts';
import { describeProfile } from '../profile/report.ts';
import { readSymbols, Symbols, SymbolsError } from '../profile/symbols.ts';
import type { CliHost } from './host.ts';
import { UsageError } from './status.ts';

/** The options of `vkvm run` that this is about. */
interface ProfileOptions {
  readonly 'profile-out': string | undefined;
  readonly symbols: string | undefined;
}

export class ProfileRun {
  readonly #host: CliHost;
  readonly #path: string;
  readonly #symbols: Symbols;
  readonly #profiler: Profiler;

  private constructor(host: CliHost, path: string, symbols: Symbols) {
    this.#host = host;
    this.#path = path;
    this.#symbols = symbols;
    this.#profiler = new Profiler(() => host.machineHost.monotonic());
  }

  /**
   * @param kernel - the file that is booted
   * @returns undefined: nobody wants a profile
   * @throws {UsageError} the page cannot be written, or there are no symbols in the file
   */
  static async of(
    host: CliHost,
    { 'profile-out': path, symbols }: ProfileOptions,
    kernel: Uint8Array,
  ): Promise<ProfileRun | undefined> {
    if (path === undefined) {
      if (symbols === undefined) return undefined;
      throw new UsageError('--symbols names functions of a profile; give --profile-out FILE, too');
    }
    const names = await symbolsOf(host, symbols, kernel);
    // Before the guest has run for an hour.
    await host.writeFile(path, async () => {});
    return new ProfileRun(host, path, names);
  }

  watch(syscalls: Syscalls, process: Process): Syscalls {
    return this.#profiler.watch(syscalls, process);
  }

  observe(machine: Counted): void {
    this.#profiler.observe(machine);
  }

  /** At the end of the run. */
  async write(): Promise<void> {
    this.#profiler.point();
    for (const line of describeProfile(this.#profiler, this.#symbols)) this.#host.stderr(line);
    const page = new TextEncoder().encode(profilePage(this.#profiler, this.#symbols));
    await this.#host.writeFile(this.#path, async (sink) => {
      await sink(page);
    });
    this.#host.stderr(`${this.#path} shows more`);
  }
}

async function symbolsOf(host: CliHost, path: string | undefined, kernel: Uint8Array): Promise<Symbols> {
  try {
    if (path !== undefined) return readSymbols(await host.readFile(path));
    return isElf(kernel) ? readSymbols(kernel) : new Symbols();
  } catch (error) {
    if (!(error instanceof SymbolsError)) throw error;
    // The kernel was not given for its symbols.
    if (path === undefined) return new Symbols();
    throw new UsageError(`${path}: ${error.message}`, { cause: error });
  }
}
