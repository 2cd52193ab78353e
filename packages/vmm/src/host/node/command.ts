/** The command on Node: streams, files, signals, apt. */
import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { main } from '../../cli/main.ts';
import { UsageError } from '../../cli/status.ts';
import { TIERS } from '../../cli/host.ts';
import type { CliHost, KernelChoice } from '../../cli/host.ts';
import { createMachineHost } from '../../machine/host.ts';
import { openConsole } from './console.ts';
import { debianGuest } from './debian-guest.ts';
import { readWholeFile } from './whole-file.ts';

/** What only the composition can give. */
export type CommandOptions = Pick<CliHost, 'createSyscalls'>;

/**
 * Runs the `vkvm` command.
 *
 * @example
 * ```ts
 * const createSyscalls = (memory: Process) => createKernel().attach(memory);
 * process.exitCode = await runCommand(process.argv.slice(2), { createSyscalls });
 * ```
 *
 * @param argv - without the interpreter and the program
 * @returns the exit status; it never rejects
 */
export function runCommand(argv: readonly string[], { createSyscalls }: CommandOptions): Promise<number> {
  const status = new StatusLine();
  let midLine = false;
  const host: CliHost = {
    readFile: readInput,
    readStream,
    writeFile,
    listFolder,
    stdout: (data) => {
      status.clear();
      process.stdout.write(data);
      midLine = data.at(-1) !== '\n' && data.at(-1) !== NEWLINE;
    },
    stderr: (line) => {
      status.clear();
      // What the guest printed last may not have ended its line on the screen that both share.
      const start = midLine && process.stdout.isTTY && process.stderr.isTTY ? '\n' : '';
      process.stderr.write(`${start}vkvm: ${line}\n`);
      midLine = false;
    },
    isTerminalInput: process.stdin.isTTY,
    isTerminalOutput: process.stdout.isTTY,
    openConsole,
    onInterrupt,
    after: (seconds, action) => {
      const timer = setTimeout(action, seconds * 1000);
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
    machineHost: createMachineHost(),
    createSyscalls: (memory, report, choice) =>
      createSyscalls(memory, report, { ...tierChoice(process.env[TIER_VARIABLE]), ...choice }),
    debianGuest: async (request) => {
      try {
        return await debianGuest(request, { progress: (line) => status.show(line) });
      } finally {
        status.clear();
      }
    },
  };
  return main(argv, host);
}

const NEWLINE = 0x0a;

/** The variable of the environment that chooses what is compiled, for tests. */
const TIER_VARIABLE = 'VKVM_TIER';

/** @throws {UsageError} there is no such tier */
function tierChoice(value: string | undefined): Pick<KernelChoice, 'tier'> {
  if (value === undefined || value === '') return {};
  const tier = TIERS.find((known) => known === value);
  if (tier === undefined) throw new UsageError(`${TIER_VARIABLE}=${value}: there are ${TIERS.join(', ')}`);
  return { tier };
}

/** Why a file cannot be read, for the errors people meet. */
const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read; check its permissions',
  EISDIR: 'it is a directory, not a file',
  ENOTDIR: 'part of the path is not a directory',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
};

async function readInput(path: string): Promise<Uint8Array> {
  try {
    return await readWholeFile(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function* readStream(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 0x10_0000 });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Why a file cannot be written, for the errors people meet. */
const WRITE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  EACCES: 'it may not be written; check the permissions of its folder',
  EISDIR: 'it is a directory, not a file',
  ENOTDIR: 'part of the path is not a directory',
  ENOSPC: 'there is no space left on the device',
  EROFS: 'the device is read-only',
};

const writeFile: CliHost['writeFile'] = async (path, write) => {
  const partial = `${path}.partial`;
  const attempt = async <T>(action: Promise<T>): Promise<T> => {
    try {
      return await action;
    } catch (cause) {
      const code = codeOf(cause);
      throw new UsageError(`${path}: ${WRITE_ERRORS[code] ?? `it cannot be written (${code})`}`, { cause });
    }
  };
  const file = await attempt(open(partial, 'w'));
  try {
    await write((bytes) => attempt(file.writeFile(bytes)));
    await attempt(file.sync());
    await file.close();
    await attempt(rename(partial, path));
  } catch (error) {
    await file.close().catch(() => {});
    await rm(partial, { force: true });
    throw error;
  }
};

async function listFolder(path: string): Promise<readonly string[] | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : undefined;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : '';

function unreadable(path: string, cause: unknown): UsageError {
  const code = codeOf(cause);
  return new UsageError(`${path}: ${READ_ERRORS[code] ?? `it cannot be read (${code})`}`, { cause });
}

/** Signals that ask a program to end, and the status that says so. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

function onInterrupt(action: (status: number) => void): Disposable {
  const listeners = Object.entries(SIGNALS).map(([signal, status]) => {
    const listener = (): void => action(status);
    process.on(signal, listener);
    return () => void process.off(signal, listener);
  });
  // The reader of our output is gone (`| head`): the guest prints for nobody.
  const broken = (): void => action(128 + 13);
  process.stdout.on('error', broken);
  return { [Symbol.dispose]: () => listeners.forEach((off) => off()) };
}

/** One line on standard error that changes in place in a terminal, and is a plain line each time it matters elsewhere. */
class StatusLine {
  #shown = '';

  show(line: string): void {
    const { stderr } = process;
    if (stderr.isTTY) {
      stderr.write(`\r\x1b[Kvkvm: ${line.slice(0, stderr.columns - 8)}`);
      this.#shown = line;
      return;
    }
    const stage = line.split(': ')[0] ?? line;
    if (stage !== this.#shown) stderr.write(`vkvm: ${stage}\n`);
    this.#shown = stage;
  }

  clear(): void {
    if (this.#shown !== '' && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    this.#shown = '';
  }
}
