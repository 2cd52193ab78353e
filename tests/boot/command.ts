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

/** Runs `vkvm` with these arguments. @param input - typed on the console, which then ends */
export function vkvm(args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...args], { stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
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
