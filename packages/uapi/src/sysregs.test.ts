import { expect, test } from 'vitest';
import { SYSOPS, SYSREGS, sysregKey, sysregName } from './sysregs.ts';

test('a name leads to an encoding and back', () => {
  for (const [name, key] of Object.entries({ ...SYSREGS, ...SYSOPS })) expect(sysregName(key)).toBe(name);
});

test('a register without a name is spelled by its encoding, as assemblers take it', () => {
  expect(sysregName(sysregKey(3, 0, 15, 1, 4))).toBe('S3_0_C15_C1_4');
});
