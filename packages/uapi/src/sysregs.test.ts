import { expect, test } from 'vitest';
import { SYSOPS, SYSREGS, sysregFields, sysregKey, sysregName } from './sysregs.ts';

test('a name leads to an encoding and back', () => {
  for (const [name, key] of Object.entries({ ...SYSREGS, ...SYSOPS })) expect(sysregName(key)).toBe(name);
});

test('a register without a name is spelled by its encoding, as assemblers take it', () => {
  expect(sysregName(sysregKey(3, 0, 15, 1, 4))).toBe('S3_0_C15_C1_4');
});

test('an encoding comes apart as it was put together', () => {
  expect(sysregFields(sysregKey(3, 5, 14, 9, 6))).toEqual({ op0: 3, op1: 5, crn: 14, crm: 9, op2: 6 });
});
