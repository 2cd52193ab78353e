import { PROFILES } from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

/** `pnpm fuzz` goes on where this ends. */
const CALLS = 4000;

test.each(PROFILES.map(({ name }, n) => [name, n + 1] as const))(
  'random system calls at %s: nothing is thrown, and nothing written that the call does not name',
  { timeout: 60_000 },
  (profile, seed) => {
    expect(fuzz(seed, CALLS, profile)).toBeUndefined();
  },
);
