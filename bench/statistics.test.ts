import { describe, expect, test } from 'vitest';
import { geometricMean, median } from './statistics.ts';

describe('median', () => {
  test('is the middle value, whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  test('is the mean of the two middle values of an even number', () => {
    expect(median([4, 1, 10, 2])).toBe(3);
  });

  test('of nothing is not a number', () => {
    expect(median([])).toBeNaN();
  });
});

describe('geometricMean', () => {
  test('of a ratio and its inverse is 1', () => {
    expect(geometricMean([0.25, 4])).toBeCloseTo(1, 12);
  });

  test('is the n-th root of the product', () => {
    expect(geometricMean([1, 8, 27])).toBeCloseTo(6, 12);
  });

  test('of nothing is not a number', () => {
    expect(geometricMean([])).toBeNaN();
  });
});
