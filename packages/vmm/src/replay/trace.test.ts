import { describe, expect, test } from 'vitest';
import { parseTrace } from './trace.ts';

const HEAD = '{"trace":"a","category":"c","title":"t","kernel":"7.3.4","host":"gicv3"}';
const STEP = '{"i":0,"op":"OPEN_KVM","in":{},"out":{"ret":0}}';

describe('a trace', () => {
  test('has what each step saw', () => {
    const trace = parseTrace(`${HEAD}\n${STEP}\n{"end":true,"steps":1}\n`, 'a.jsonl');
    expect(trace).toEqual({ name: 'a', kernel: '7.3.4', steps: [{ op: 'OPEN_KVM', out: { ret: 0 } }] });
  });

  test('that is cut off is refused', () => {
    expect(() => parseTrace(`${HEAD}\n${STEP}\n`, 'a.jsonl')).toThrow('a.jsonl: cut off');
    expect(() => parseTrace(`${HEAD}\n{"end":true,"steps":1}`, 'a.jsonl')).toThrow(
      '0 steps, and the end counts 1',
    );
    expect(() => parseTrace('', 'a.jsonl')).toThrow('the first line is no head');
    expect(() => parseTrace(`${HEAD}\n${STEP.slice(0, 20)}`, 'a.jsonl')).toThrow('a.jsonl:2: not JSON');
  });

  test('that skips a step is refused', () => {
    const later = STEP.replace('"i":0', '"i":1');
    expect(() => parseTrace(`${HEAD}\n${later}\n{"end":true,"steps":1}`, 'a.jsonl')).toThrow(
      'a.jsonl:2: step 1 where 0 is due',
    );
  });
});
