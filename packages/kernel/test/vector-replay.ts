/** Runs recorded vectors on an engine. */
import { readdirSync, readFileSync } from 'node:fs';
import { stateOf, windowPattern } from './cpu-state.ts';
import type { Engine } from './engine.ts';
import { formatChanges, parseVectors, wordsText, type VectorCase } from './vectors.ts';

const directory = new URL('vectors/', import.meta.url);
export const VECTOR_FILES = readdirSync(directory).filter((name) => name.endsWith('.txt'));
const pattern = windowPattern();

export const vectorsOf = (file: string): VectorCase[] =>
  parseVectors(readFileSync(new URL(file, directory), 'utf8'));

/** Bytes of the window that a case changed, which get their first contents back. */
function takeChanges(window: Uint8Array): Map<number, number> {
  const changed = new Map<number, number>();
  if (Buffer.compare(window, pattern) === 0) return changed;
  for (let offset = 0; offset < window.length; offset++) {
    if (window[offset] !== pattern[offset]) changed.set(offset, window[offset]!);
  }
  window.set(pattern);
  return changed;
}

/** What the engine makes of a case, in the words of the vector file. */
function replay(engine: Engine, { words, profile, seed }: VectorCase): string {
  const before = stateOf(profile, seed);
  const { stop, state } = engine.run(words, before);
  return formatChanges(before, { stop, state, bytes: takeChanges(engine.window) }, words.length);
}

/**
 * The cases of a file whose result is not the recorded one, in words; the first twenty.
 * @param every - runs one case of so many
 */
export function wrongCases(engine: Engine, file: string, every: number): string[] {
  engine.window.set(pattern);
  const wrong: string[] = [];
  for (const [i, vector] of vectorsOf(file).entries()) {
    if (i % every !== 0 || wrong.length === 20) continue;
    const actual = replay(engine, vector);
    const { name, words, profile, seed, changes } = vector;
    if (actual === changes) continue;
    wrong.push(
      `${name} ${wordsText(words)} @${profile} ${seed.toString(16)}: ${actual} instead of ${changes}`,
    );
  }
  return wrong;
}
