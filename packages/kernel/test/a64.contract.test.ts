import { describe, expect, test } from 'vitest';
import { DecodeTable } from '../src/a64/decode.ts';
import { INSNS } from '../src/a64/table.ts';
import { CODE, stateOf } from './cpu-state.ts';
import { evaluatorEngine, type Engine } from './engine.ts';
import { interpreterEngine, jitEngine } from './interpreter-engine.ts';
import { VECTOR_FILES, vectorsOf, wrongCases } from './vector-replay.ts';
import { formatChanges, parseChanges } from './vectors.ts';

/** Each with how many cases there are for one that it runs: to compile a case takes a thousand times what it takes to run. */
const engines: readonly { readonly engine: Engine; readonly every: number }[] = [
  { engine: evaluatorEngine(), every: 1 },
  { engine: interpreterEngine(), every: 1 },
  { engine: jitEngine(), every: 16 },
];

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
  const words = VECTOR_FILES.flatMap((file) => vectorsOf(file).flatMap((vector) => vector.words));
  return new Set(
    words.flatMap((word) => {
      const row = table.find(word);
      return row ? [`${row.name} ${row.select(word, site)}`] : [];
    }),
  );
}

describe.each(engines)('the $engine.name gives the reference’s results', ({ engine, every }) => {
  test.each(VECTOR_FILES)('%s', (file) => expect(wrongCases(engine, file, every)).toEqual([]));
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
