import { PROFILES } from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

/** `pnpm fuzz` goes on where this ends: 20 000 calls in all. */
const CALLS = 500;
const ROUNDS = 8;

test.each(PROFILES.map(({ name }) => name))(
  'random system calls at %s: nothing is thrown, and nothing written that the call does not name',
  { timeout: 120_000 },
  (profile) => {
    for (let seed = 1; seed <= ROUNDS; seed++) expect(fuzz(seed, CALLS, profile)).toBeUndefined();
  },
);
