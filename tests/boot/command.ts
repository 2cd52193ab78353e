/** The command as a user runs it, and the guests that it boots. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../tools/vkvm.mjs', import.meta.url));

/** How a run of the command ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Typed on the console, which then ends. */
  readonly input?: string;
  /** Ends the run once it holds of what was printed so far. */
  readonly until?: (stdout: string) => boolean;
  /** Variables of the environment, beside those of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `vkvm` with these arguments. */
export function vkvm(args: readonly string[], { input = '', until, env }: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      stdio: 'pipe',
      env: { ...process.env, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (until?.(stdout)) child.kill();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** Files of a guest, as `vkvm guest --json` names them. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

/** A guest, or why there is none here: a machine without apt cannot get one. */
export async function debianGuest(kernel: string): Promise<Guest | string> {
  const { status, stdout, stderr } = await vkvm(['guest', 'debian', '--kernel', kernel, '--json']);
  return status === 0 ? (JSON.parse(stdout) as Guest) : stderr.trim();
}
