/**
 * Assembles the guest programs of tests: `node tools/guests.ts` writes each `name.hex` beside its
 * `name.s`. Needs Debian's binutils-aarch64-linux-gnu; tests read the committed words and do not.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const FOLDERS = [
  'packages/kernel/test/guest',
  'tests/profile',
  'tests/psci-matrix',
  'tests/secure',
  'tests/snapshot',
  'tools/memory',
].map((folder) => join(import.meta.dirname, '..', folder));
const PREFIX = 'aarch64-linux-gnu-';

function tool(name: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(PREFIX + name, args, { encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${PREFIX}${name}: ${stderr}`);
  return stdout;
}

export const hasAssembler = (): boolean => spawnSync(`${PREFIX}as`, ['--version']).status === 0;

/** Paths of the sources. */
export const guestSources = (): string[] =>
  FOLDERS.flatMap((folder) => globSync(join(folder, '*.s'))).toSorted();

export const hexOf = (source: string): string => source.replace(/\.s$/, '.hex');

/** objdump's lines as those of a `.hex` file: `label:`, or a word and what it says. */
function listing(dump: string): string {
  const lines: string[] = [];
  for (const line of dump.split('\n')) {
    const label = /^[0-9a-f]+ <(\w+)>:$/.exec(line)?.[1];
    const word = /^\s*[0-9a-f]+:\s+([0-9a-f]{8})\s+(.*)$/.exec(line);
    if (label !== undefined) lines.push(`${label}:`);
    else if (word) lines.push(`${word[1]}  ${word[2]!.replace(/\t/, ' ').replace(/\s*(\/\/.*)?$/, '')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** @returns the contents of the `.hex` file @throws Error with the assembler's words */
export function assembleGuest(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-guest-'));
  try {
    const object = join(folder, 'guest.o');
    tool('as', '-march=armv8.1-a+crypto', '-o', object, source);
    return listing(tool('objdump', '-d', '-z', '-M', 'no-aliases', object));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  for (const source of guestSources()) {
    writeFileSync(hexOf(source), assembleGuest(source));
    console.log(basename(hexOf(source)));
  }
}
