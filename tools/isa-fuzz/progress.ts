/** How far a campaign is: kept in a file, so that it can go on another day. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Comparison, Mismatch } from './compare.ts';

/** The file's contents. */
export interface ProgressFile {
  readonly format: 1;
  readonly seed: number;
  /** {@link tableFingerprint}: with another table the seed stands for other cases. */
  readonly table: number;
  /** Chunks 0 to n − 1 are done. */
  readonly chunks: number;
  readonly instructions: number;
  readonly mismatches: readonly Mismatch[];
}

/** Adds up chunks, in whatever order they are finished. */
export class Progress {
  readonly #path: string;
  /** Finished before an earlier one was. */
  readonly #early = new Map<number, Comparison>();
  #file: ProgressFile;

  private constructor(path: string, file: ProgressFile) {
    this.#path = path;
    this.#file = file;
  }

  /** Goes on with what the file has, if it is of this campaign; else from the start. */
  static open(path: string, { seed, table }: Pick<ProgressFile, 'seed' | 'table'>): Progress {
    const fresh: ProgressFile = { format: 1, seed, table, chunks: 0, instructions: 0, mismatches: [] };
    const kept = readProgress(path);
    const isSame = kept?.format === 1 && kept.seed === seed && kept.table === table;
    return new Progress(path, isSame ? kept : fresh);
  }

  /** Of all chunks before the first that is missing. */
  get done(): ProgressFile {
    return this.#file;
  }

  /** Also of chunks that wait for an earlier one. */
  get instructions(): number {
    return [...this.#early.values()].reduce((sum, each) => sum + each.instructions, this.#file.instructions);
  }

  add(chunk: number, comparison: Comparison): void {
    this.#early.set(chunk, comparison);
    for (;;) {
      const next = this.#early.get(this.#file.chunks);
      if (!next) break;
      this.#early.delete(this.#file.chunks);
      this.#file = {
        ...this.#file,
        chunks: this.#file.chunks + 1,
        instructions: this.#file.instructions + next.instructions,
        mismatches: [...this.#file.mismatches, ...next.mismatches],
      };
    }
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(`${this.#path}.new`, `${JSON.stringify(this.#file, null, 2)}\n`);
    renameSync(`${this.#path}.new`, this.#path);
  }
}

function readProgress(path: string): ProgressFile | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProgressFile;
  } catch {
    return undefined; // not there, or cut off: from the start
  }
}
