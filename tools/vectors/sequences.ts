/** Sequences of instructions, assembled by binutils. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROFILES, type Profile } from '../../packages/kernel/test/cpu-state.ts';

export interface Sequence {
  readonly name: string;
  readonly profile: Profile;
  readonly words: readonly number[];
}

/**
 * Assembles a file of sequences: one a line, its instructions separated by `;`. `@profile` and `# name` as in the
 * vector files.
 */
export function assembleSequences(file: string): Sequence[] {
  const directory = mkdtempSync(join(tmpdir(), 'vkvm-sequences-'));
  const assemble = (text: string): number[] => {
    const [source, object, binary] = ['a.s', 'a.o', 'a.bin'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(source, `.arch armv8-a+crc+lse+crypto+fp16\n${text.replaceAll(';', '\n')}\n`);
    execFileSync('aarch64-linux-gnu-as', ['-o', object, source]);
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    const bytes = readFileSync(binary);
    return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
  };
  try {
    let [profile, name]: [Profile, string] = ['integer', ''];
    const sequences: Sequence[] = [];
    for (const line of readFileSync(join(import.meta.dirname, file), 'utf8').split('\n')) {
      if (line.startsWith('@')) profile = PROFILES.find((known) => known === line.slice(1)) ?? profile;
      else if (line.startsWith('#')) name = line.slice(2);
      else if (line.trim() !== '') sequences.push({ name, profile, words: assemble(line) });
    }
    return sequences;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
