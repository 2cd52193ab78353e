import { expect, test } from 'vitest';
import { ENOEXEC, ERRNOS, errnoName } from './errno.ts';

test('a number that vkvm answers has a name, and no other has', () => {
  expect(errnoName(ENOEXEC)).toBe('ENOEXEC');
  expect(errnoName(0)).toBeUndefined();
  expect(errnoName(-ENOEXEC)).toBeUndefined();
  expect(new Set(Object.values(ERRNOS)).size).toBe(Object.keys(ERRNOS).length);
});
