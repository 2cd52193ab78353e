import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DecodeTable } from '../src/a64/decode.ts';
import { INSNS } from '../src/a64/table.ts';
import { CODE, stateOf, windowPattern } from './cpu-state.ts';
import { evaluatorEngine, type Engine } from './engine.ts';
import { interpreterEngine, jitEngine } from './interpreter-engine.ts';
import { formatChanges, parseChanges, parseVectors, wordsText, type VectorCase } from './vectors.ts';

const directory = new URL('vectors/', import.meta.url);
const files = readdirSync(directory).filter((name) => name.endsWith('.txt'));
const engines: readonly Engine[] = [evaluatorEngine(), interpreterEngine(), jitEngine()];
const pattern = windowPattern();

const casesOf = (file: string): VectorCase[] => parseVectors(readFileSync(new URL(file, directory), 'utf8'));

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

/** Rows that the reference's user mode cannot show: the tests beside them do (a64/insn/system.test.ts). */
const UNRECORDED = new Set([
  'SVC',
  'HVC_SMC',
  'BRK',
  'ERET',
  'MSR_imm',
  'ESB',
  'HINT',
  'SYS',
  'DC_ZVA',
  'MRS',
  'MSR',
]);

/** `row handler` of each instruction in the recorded cases. */
function recordedHandlers(): Set<string> {
  const table = new DecodeTable(INSNS);
  const site = { offset: CODE & 0xfff, plainSysreg: () => -1 };
  const words = files.flatMap((file) => casesOf(file).flatMap((vector) => vector.words));
  return new Set(
    words.flatMap((word) => {
      const row = table.find(word);
      return row ? [`${row.name} ${row.select(word, site)}`] : [];
    }),
  );
}

/** What the engine makes of a case, in the words of the vector file. */
function replay(engine: Engine, { words, profile, seed }: VectorCase): string {
  const before = stateOf(profile, seed);
  const { stop, state } = engine.run(words, before);
  return formatChanges(before, { stop, state, bytes: takeChanges(engine.window) }, words.length);
}

describe.each(engines)('the $name gives the reference’s results', (engine) => {
  engine.window.set(pattern);
  test.each(files)('%s', (file) => {
    const cases = casesOf(file);
    const wrong = cases.flatMap((vector) => {
      const actual = replay(engine, vector);
      if (actual === vector.changes) return [];
      const { name, words, profile, seed, changes } = vector;
      return [
        `${name} ${wordsText(words)} @${profile} ${seed.toString(16)}: ${actual} instead of ${changes}`,
      ];
    });
    expect(wrong.slice(0, 20).join('\n'), `${wrong.length} of ${cases.length} are wrong`).toBe('');
  });
});

test('every handler has a recorded case', () => {
  const recorded = recordedHandlers();
  const missing = INSNS.filter(({ name }) => !UNRECORDED.has(name)).flatMap((row) =>
    Array.from({ length: row.size }, (_, handler) => `${row.name} ${handler}`).filter(
      (id) => !recorded.has(id),
    ),
  );
  expect(missing).toEqual([]);
});

test('what a case changed survives being written and read', () => {
  const before = stateOf('memory', 5);
  const state = stateOf('memory', 6);
  const text = formatChanges(
    before,
    {
      stop: 'done',
      state,
      bytes: new Map([
        [7, 0xab],
        [8, 1],
      ]),
    },
    1,
  );
  const { stop, bytes, state: after } = parseChanges(before, text, 1);
  expect({ stop, bytes: [...bytes], after }).toEqual({
    stop: 'done',
    bytes: [
      [7, 0xab],
      [8, 1],
    ],
    after: state,
  });
});
