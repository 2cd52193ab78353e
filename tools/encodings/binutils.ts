/** What binutils makes of words: known at all, and within an architecture. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `refused`: not an instruction; `beyond`: one that the architecture lacks; `admitted`: one that it has. */
export type Verdict = 'refused' | 'beyond' | 'admitted';

export interface Opinion {
  readonly verdict: Verdict;
  /** What objdump prints, without comments. */
  readonly text: string;
}

const PREFIX = 'aarch64-linux-gnu-';
const OUTPUT_LIMIT = 1 << 30;

export const hasBinutils = (): boolean => spawnSync(`${PREFIX}objdump`, ['--version']).error === undefined;

/** `2.40`, say. */
export function binutilsVersion(): string {
  const line = execFileSync(`${PREFIX}as`, ['--version'], { encoding: 'utf8' }).split('\n')[0]!;
  return /\d+\.\d+[\d.]*$/.exec(line)?.[0] ?? line;
}

/** Address, word, text; comments and symbols that objdump adds are left out. */
const LINE = /^ *[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$/gm;
const textOf = (line: string): string =>
  line
    .replace(/ *\/\/.*$| *; undefined$/, '')
    .replace(/ <[^>]*>/, '')
    .replaceAll('\t', ' ');

const isInstruction = (text: string): boolean => !/^(\.inst|udf)\b/.test(text);

/** objdump prints where a branch or a literal lies, but `as` takes a bare number for the distance. */
const TARGET = /^((?:bl?|bc?\.\w+|cbn?z|tbn?z|adr|ldr|ldrsw|prfm) (?:.*, )?)(0x[0-9a-f]+)$/;
const relativeTo = (address: number, text: string): string =>
  text.replace(TARGET, (_, start: string, target: string) => {
    return `${start}${BigInt.asIntN(64, BigInt(target)) - BigInt(address)}`;
  });

/** @param march - what `as -march` takes */
export function askBinutils(words: Uint32Array, march: string): Opinion[] {
  const directory = mkdtempSync(join(tmpdir(), 'vkvm-encodings-'));
  try {
    const [binary, source, object] = ['words.bin', 'words.s', 'words.o'].map((name) => join(directory, name));
    writeFileSync(binary!, words);
    const listing = execFileSync(`${PREFIX}objdump`, ['-D', '-z', '-b', 'binary', '-m', 'aarch64', binary!], {
      encoding: 'latin1',
      maxBuffer: OUTPUT_LIMIT,
    });
    const texts = [...listing.matchAll(LINE)].map(([, text = '']) => textOf(text));
    if (texts.length !== words.length) throw new Error(`objdump printed ${texts.length} of ${words.length}`);
    // What is no instruction stands as an empty line, so that lines are words.
    const lines = texts.map((text, i) => `${isInstruction(text) ? relativeTo(4 * i, text) : ''}\n`);
    writeFileSync(source!, lines.join(''));
    const { stderr } = spawnSync(`${PREFIX}as`, [`-march=${march}`, '-o', object!, source!], {
      encoding: 'latin1',
      maxBuffer: OUTPUT_LIMIT,
    });
    const errors = [...stderr.matchAll(/words\.s:(\d+): Error/g)].map(([, line]) => Number(line) - 1);
    const beyond = new Set(errors);
    return texts.map((text, i) => {
      if (!isInstruction(text)) return { verdict: 'refused', text };
      return { verdict: beyond.has(i) ? 'beyond' : 'admitted', text };
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
