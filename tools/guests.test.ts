import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { assembleGuest, guestSources, hasAssembler, hexOf } from './guests.ts';

describe('guest programs', () => {
  test.for(guestSources().map((source) => [basename(source), source] as const))(
    '%s assembles to the words beside it',
    ([name, source], { skip }) => {
      if (!hasAssembler()) skip('aarch64-linux-gnu-as is not installed (binutils-aarch64-linux-gnu)');
      expect(readFileSync(hexOf(source), 'utf8'), `${name}: run node tools/guests.ts`).toBe(
        assembleGuest(source),
      );
    },
  );
});
