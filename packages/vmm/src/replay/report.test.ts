import { describe, expect, test } from 'vitest';
import { countResults, formatCounts, formatResult } from './report.ts';
import type { ReplayResult } from './report.ts';

const result = (verdict: ReplayResult['verdict']): ReplayResult => ({
  scenario: 'wfi-timer',
  profile: 'linux-7.3',
  verdict,
});

describe('a line of a replay', () => {
  test('says ok, or why the machine differs', () => {
    expect(formatResult(result({ verdict: 'ok' }))).toBe('wfi-timer linux-7.3: ok');
    const reasons = ['a', 'b', 'c', 'd', 'e'];
    expect(formatResult(result({ verdict: 'machine', reasons }))).toBe(
      'wfi-timer linux-7.3: machine: a; b; c; and 2 more',
    );
  });

  test('names the first step that differs, the field, and both values', () => {
    const difference = { path: ['x', '0'], expected: '0x1', got: undefined };
    expect(formatResult(result({ verdict: 'failed', step: 7, op: 'GUEST_CALL', difference }))).toBe(
      'wfi-timer linux-7.3: step 7 GUEST_CALL, x.0: expected "0x1", got nothing',
    );
  });

  test('counts what cannot be read as failed', () => {
    const counts = countResults([
      result({ verdict: 'ok' }),
      result({ verdict: 'machine', reasons: ['a'] }),
      result({ verdict: 'unreadable', message: 'a.json: not JSON' }),
    ]);
    expect(formatCounts(counts)).toBe('1 passed, 1 failed, 1 machine');
  });
});
