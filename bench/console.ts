/** Runs a machine as a child process and listens to its console. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ConsoleOptions {
  /** Called with each line of the guest; `true` ends the machine. */
  readonly onLine: (line: string) => boolean;
  /** After this many milliseconds the machine is ended, and that is an error. */
  readonly limit: number;
}

/** A machine that did not do what was asked of it. The message is for the user. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}

/** How much of a failed machine's last words is shown. */
const LAST_WORDS = 2000;

/**
 * Runs a machine until `onLine` is satisfied or it ends by itself.
 *
 * @returns milliseconds from the start of the process
 * @throws {@link BenchError} the program could not be started, failed by itself, or took longer than `limit`
 */
export async function listen(
  [program, ...args]: readonly [string, ...string[]],
  { onLine, limit }: ConsoleOptions,
): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + String(chunk)).slice(-LAST_WORDS);
  });
  const failure = (what: string): BenchError =>
    new BenchError(`${program} ${args.join(' ')}: ${what}\n${words}`);
  const { promise, resolve, reject } = Promise.withResolvers<number>();

  const timer = setTimeout(() => {
    reject(failure(`no end after ${limit / 1000} s`));
  }, limit);
  createInterface({ input: child.stdout }).on('line', (line) => {
    words = `${words}${line}\n`.slice(-LAST_WORDS);
    if (onLine(line)) resolve(performance.now() - start);
  });
  child.on('error', (error) => reject(failure(error.message)));
  child.on('close', (status, signal) => {
    if (status === 0) resolve(performance.now() - start);
    else reject(failure(`ended with ${signal ?? `status ${status}`}`));
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}
