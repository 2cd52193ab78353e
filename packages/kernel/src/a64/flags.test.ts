import { expect, test } from 'vitest';
import { packFlags, unpackFlags } from './flags.ts';

test('every NZCV survives packing, N and Z both set included', () => {
  for (let nzcv = 0; nzcv < 16; nzcv++) expect(unpackFlags(packFlags(nzcv))).toBe(nzcv);
});

test('operands of a subtraction are its flags', () => {
  // 3 - 5: negative, borrow (C = 0), no overflow.
  expect(unpackFlags({ nz: -2n, a: 3n, b: 5n })).toBe(0b1000);
  // INT64_MIN - 1 overflows to a positive number.
  expect(unpackFlags({ nz: 2n ** 63n - 1n, a: -(2n ** 63n), b: 1n })).toBe(0b0011);
  expect(unpackFlags({ nz: 0n, a: 8n, b: 8n })).toBe(0b0110);
});
