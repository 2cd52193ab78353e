import { describe, expect, test } from 'vitest';
import { DEFAULT_PROFILE, PROFILES, holdsIn, releaseNumber } from './profiles.ts';

describe('profiles', () => {
  test('have the number of their release, and stand from old to new', () => {
    for (const { linux, number } of PROFILES) expect(number, linux).toBe(releaseNumber(linux));
    const numbers = PROFILES.map(({ number }) => number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test('the newest is the default', () => {
    expect(PROFILES.at(-1)?.name).toBe(DEFAULT_PROFILE);
  });
});

describe('a range of releases', () => {
  test('starts with the first and ends before the last', () => {
    const range = { since: '5.10', until: '6.12' } as const;
    expect(holdsIn(range, releaseNumber('5.9'))).toBe(false);
    expect(holdsIn(range, releaseNumber('5.10'))).toBe(true);
    expect(holdsIn(range, releaseNumber('6.2'))).toBe(true);
    expect(holdsIn(range, releaseNumber('6.12'))).toBe(false);
  });

  test('without ends is every release', () => {
    expect(holdsIn({}, releaseNumber('3.12'))).toBe(true);
  });
});
