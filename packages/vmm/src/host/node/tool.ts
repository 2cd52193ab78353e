/** Programs of the system, run to their end. */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { GuestError } from '../../guest/error.ts';

/** How a program is run. */
export interface ToolOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Seconds without any output after which it is taken to hang, asked anew after each; default: no limit. */
  readonly patience?: () => number;
  /** Told of each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** What a program left behind. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** It was ended because it hung. */
  readonly hung: boolean;
}

const environment = (env: ToolOptions['env']): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C', ...env });

/** @throws {GuestError} there is no such program */
export function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const { env, cwd, patience, onLine } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: environment(env), cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr, partial] = ['', '', ''];
    let hung = false;
    const giveUp = (): void => {
      hung = true;
      child.kill('SIGKILL');
    };
    let timer: NodeJS.Timeout | undefined;
    const expectOutput = (): void => {
      clearTimeout(timer);
      if (patience !== undefined) timer = setTimeout(giveUp, patience() * 1000);
    };
    expectOutput();
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      stdout += data;
      const lines = (partial + data).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
      expectOutput();
    });
    child.stderr.setEncoding('utf8').on('data', (data: string) => void (stderr += data));
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(
        new GuestError(`${command} is not installed here; it is needed to get Debian's packages`, { cause }),
      );
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status: status ?? 1, stdout, stderr, hung });
    });
  });
}

/**
 * Runs `from | to > file`, with a pipe of the system between them.
 *
 * @throws {GuestError} `to` failed, or there is no such program
 */
export async function pipeTools(
  from: readonly [string, ...string[]],
  to: readonly [string, ...string[]],
  path: string,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    const first = spawn(from[0], from.slice(1), {
      env: environment({}),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const second = spawn(to[0], to.slice(1), {
      env: environment({}),
      stdio: [first.stdout, file.fd, 'ignore'],
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      first.on('error', reject);
      second.on('error', reject);
      second.on('close', resolve);
    });
    if (status !== 0) throw new Error(`${to[0]} ended with status ${status}`);
  } catch (cause) {
    throw new GuestError(
      `unpacking with ${from[0]} and ${to[0]} failed; are they installed, and is the disk full?`,
      {
        cause,
      },
    );
  } finally {
    await file.close();
  }
}
