import { expect, test } from 'vitest';
import { Evaluator } from '../../eval/evaluator.ts';
import { v128, vector } from '../../eval/values.ts';
import { Words } from '../../state/words.ts';
import type { Emitter, V128, Var } from '../emitter.ts';
import { inverseMixColumns, inverseSubstitute, mixColumns, substitute } from './aes.ts';

const c = new Evaluator(new Words(new WebAssembly.Memory({ initial: 1 })), 0, { translate: () => -1 });

const apply = (step: (c: Emitter, state: Var<V128>) => V128, hex: string): string =>
  Buffer.from(vector(step(c, c.letV128(v128(Buffer.from(hex, 'hex')))))).toString('hex');

// Round 1 of the example in FIPS 197, appendix B.
const START = '193de3bea0f4e22b9ac68d2ae9f84808';
const SUBSTITUTED = 'd4bf5d30e0b452aeb84111f11e2798e5';
const MIXED = '046681e5e0cb199a48f8d37a2806264c';

test('the first round of the standard’s example', () => {
  expect(apply(substitute, START)).toBe(SUBSTITUTED);
  expect(apply(mixColumns, SUBSTITUTED)).toBe(MIXED);
});

test('the inverse steps lead back', () => {
  expect(apply(inverseMixColumns, MIXED)).toBe(SUBSTITUTED);
  expect(apply(inverseSubstitute, SUBSTITUTED)).toBe(START);
});
