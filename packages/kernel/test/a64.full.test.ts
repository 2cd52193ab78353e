import { expect, test } from 'vitest';
import { jitEngine } from './interpreter-engine.ts';
import { VECTOR_FILES, wrongCases } from './vector-replay.ts';

/* Every recorded case compiled: minutes, so a64.contract.test.ts runs a selection. */
const engine = jitEngine();

test.each(VECTOR_FILES)('compiled code gives the reference’s results: %s', { timeout: 300_000 }, (file) =>
  expect(wrongCases(engine, file, 1)).toEqual([]),
);
