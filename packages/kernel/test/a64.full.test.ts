import { describe, expect, test } from 'vitest';
import { wasmEngine } from './interpreter-engine.ts';
import { VECTOR_FILES, wrongCases } from './vector-replay.ts';

/* Every recorded case compiled: minutes, so a64.contract.test.ts runs a selection. */
describe.each([
  ['kept', 'all'],
  ['dropped for the next', 'evict'],
] as const)('compiled code that is %s', (_, tier) => {
  const engine = wasmEngine(tier);

  test.each(VECTOR_FILES)('gives the reference’s results: %s', { timeout: 300_000 }, (file) =>
    expect(wrongCases(engine, file, 1)).toEqual([]),
  );
});
