import { expect, test } from 'vitest';
import { decodeBitMask, elementLog } from './bit-masks.ts';

const mask = (N: number, imms: number, immr: number): string => {
  const { low, high } = decodeBitMask(N, imms, immr);
  return ((BigInt(high) << 32n) | BigInt(low)).toString(16).padStart(16, '0');
};

test('masks of every element size', () => {
  expect(mask(0, 0b111100, 0)).toBe('5555555555555555');
  expect(mask(0, 0b111100, 1)).toBe('aaaaaaaaaaaaaaaa');
  expect(mask(0, 0b111001, 0)).toBe('3333333333333333');
  expect(mask(0, 0b110000, 7)).toBe('0202020202020202');
  expect(mask(0, 0b100111, 4)).toBe('f00ff00ff00ff00f');
  expect(mask(0, 0b000111, 4)).toBe('f000000ff000000f');
  expect(mask(1, 0b100000, 0)).toBe('00000001ffffffff');
  expect(mask(1, 0b000000, 1)).toBe('8000000000000000');
  expect(mask(1, 0b111110, 33)).toBe('ffffffffbfffffff');
});

test('every encoding that is not reserved is another mask', () => {
  const masks = new Set<string>();
  for (let N = 0; N < 2; N++) {
    for (let imms = 0; imms < 64; imms++) {
      const log = elementLog(N, imms);
      const rotations = log < 0 ? 0 : 1 << log;
      for (let immr = 0; immr < rotations; immr++) masks.add(mask(N, imms, immr));
    }
  }
  // The sum over element sizes e of e rotations of e − 1 lengths.
  expect(masks.size).toBe([2, 4, 8, 16, 32, 64].reduce((sum, e) => sum + e * (e - 1), 0));
});

test('all ones of an element are reserved', () => {
  expect([
    elementLog(1, 63),
    elementLog(0, 0b011111),
    elementLog(0, 0b111101),
    elementLog(0, 0b111110),
  ]).toEqual([-1, -1, -1, -1]);
});
