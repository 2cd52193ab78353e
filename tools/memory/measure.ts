/** How much memory the built command needs for a guest that touches all of its RAM and runs many hot functions. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MIB = 2 ** 20;
/** MiB of RAM that the guest has, and touches. */
const RAM = 256;
/** MiB that a process may have besides. */
const REST = 250;

const COMMAND = fileURLToPath(new URL('../../packages/vkvm/dist/bin.js', import.meta.url));
const PEAK = new URL('peak.mjs', import.meta.url).href;

/** How many functions the guest writes and runs, and what they are like. */
export interface Functions {
  readonly count: number;
  /** Accesses in the loop of each. */
  readonly accesses: number;
  /** Bytes from one to the next. */
  readonly stride: number;
}

/** Small ones side by side; each on a page of its own; and as long as the average of a Linux boot. */
export const KINDS = {
  dense: { accesses: 0, stride: 64 },
  spread: { accesses: 1, stride: 4096 + 64 },
  usual: { accesses: 16, stride: 256 },
} as const satisfies Readonly<Record<string, Omit<Functions, 'count'>>>;

/** Instructions that a function runs for: long enough to be found hot and compiled, whatever was sampled before. */
const INSTRUCTIONS = 2_000_000;
/** The words of the guest's `parameters`, behind the header of the Image. */
const PARAMETERS = 16;

function guestOf({ count, accesses, stride }: Functions): Uint8Array {
  const text = readFileSync(new URL('regions.hex', import.meta.url), 'utf8');
  const found = text.match(/^[0-9a-f]{8}(?= )/gm) ?? [];
  const words = Uint32Array.from(found, (word) => Number.parseInt(word, 16));
  const turns = Math.ceil(INSTRUCTIONS / (3 + 3 * accesses));
  words.set([RAM * MIB, count, stride, accesses, turns], PARAMETERS);
  return new Uint8Array(words.buffer);
}

export interface Measurement {
  /** Of the command: 0 = every function gave what it should. */
  readonly status: number | null;
  /** What was compiled. */
  readonly regions: number;
  /** MiB that the process had at most, and may have. */
  readonly peak: number;
  readonly bound: number;
  /** What else it said. */
  readonly stderr: string;
}

/** Runs the guest. Linux only: the peak is the kernel's VmHWM. */
export function measure(functions: Functions): Promise<Measurement> {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-memory-'));
  const image = join(folder, 'Image');
  writeFileSync(image, guestOf(functions));
  const options = ['--kernel', image, '--memory', `${RAM}M`, '--stats', '--no-reboot'];
  return new Promise<Measurement>((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--conditions=built', '--import', PEAK, COMMAND, 'run', ...options],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status) => {
      const number = (pattern: RegExp): number => Number(pattern.exec(stderr)?.[1]);
      const peak = number(/VmHWM:\s+(\d+) kB/) / 1024;
      resolve({ status, regions: number(/ (\d+) regions of /), peak, bound: RAM + REST, stderr });
    });
  }).finally(() => rmSync(folder, { recursive: true }));
}
