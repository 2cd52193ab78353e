import { describe, expect, test } from 'vitest';
import { copyState, windowPattern } from '../../packages/kernel/test/cpu-state.ts';
import { evaluatorEngine, type Engine } from '../../packages/kernel/test/engine.ts';
import type { FuzzCase } from './cases.ts';
import { compareCases, type CaseRunner } from './compare.ts';

/** `add x1, x2, x3`, `add x4, x5, x6`, `strb w1, [x2]`, `udf #0`. */
const [ADD, OTHER_ADD, STRB, UDF] = [0x8b03_0041, 0x8b06_00a4, 0x3900_0041, 0];

const evaluator = evaluatorEngine();
evaluator.window.set(windowPattern());

/** A reference that is right: it is the evaluator itself. */
const reference: CaseRunner = {
  run: (cases) =>
    cases.map(({ words, state }) => {
      const { stop, state: after } = evaluator.run(words, state);
      const pattern = windowPattern();
      const bytes = new Map<number, number>();
      for (const [offset, byte] of evaluator.window.entries())
        if (byte !== pattern[offset]) bytes.set(offset, byte);
      evaluator.window.set(pattern);
      return { stop, state: after, bytes };
    }),
};

const caseOf = (words: readonly number[], profile: FuzzCase['profile'] = 'integer'): FuzzCase => ({
  cpu: 'max',
  profile,
  seed: 5,
  words,
});

describe('comparing', () => {
  test('counts what was executed, up to the word that was refused', () => {
    const cases = [caseOf([ADD, OTHER_ADD]), caseOf([ADD, UDF, ADD])];
    const engine = evaluatorEngine();
    engine.window.set(windowPattern());
    const { instructions, mismatches } = compareCases(reference, [{ engine, every: 1 }], cases);
    expect(mismatches).toEqual([]);
    expect(instructions).toBe(4);
  });

  test('finds a wrong register, and cuts the case after the word that shows it', () => {
    const engine: Engine = {
      ...evaluator,
      name: 'liar',
      run: (words, before) => {
        const { stop, state } = evaluator.run(words, before);
        const wrong = copyState(state);
        if (words.includes(OTHER_ADD)) wrong.x[4] = 0x77n;
        return { stop, state: wrong };
      },
    };
    const { mismatches } = compareCases(reference, [{ engine, every: 1 }], [caseOf([ADD, OTHER_ADD, ADD])]);
    expect(mismatches).toHaveLength(1);
    expect(mismatches[0]).toMatchObject({ engine: 'liar' });
    expect(mismatches[0]!.vector).toMatch(/^@integer\n8b030041\+8b0600a4 5:x1=/);
    expect(mismatches[0]!.actual).toContain('x4=77');
  });

  test('finds a byte that was not stored', () => {
    const engine: Engine = {
      ...evaluator,
      run: (_, state) => ({ stop: 'done', state: { ...state, pc: state.pc + 4n } }),
    };
    const { mismatches } = compareCases(reference, [{ engine, every: 1 }], [caseOf([STRB], 'memory')]);
    expect(mismatches[0]?.vector).toMatch(/m[0-9a-f]+=[0-9a-f]{2}$/);
  });

  test('gives an engine every nth case only', () => {
    let runs = 0;
    const engine: Engine = { ...evaluator, run: (words, state) => (runs++, evaluator.run(words, state)) };
    compareCases(
      reference,
      [{ engine, every: 4 }],
      Array.from({ length: 8 }, () => caseOf([ADD])),
    );
    expect(runs).toBe(2);
  });
});
