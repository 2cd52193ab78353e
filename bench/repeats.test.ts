import { expect, test } from 'vitest';
import { commandLineOf, repeatsFor } from './repeats.ts';

const result = (name: string, milliseconds: number) => ({
  name,
  checksum: '0000000000000000',
  microseconds: milliseconds * 1000,
});

test('what QEMU does in less than 300 ms is repeated until it takes longer', () => {
  const repeats = repeatsFor([
    result('sieve', 100),
    result('crc32', 299),
    result('sort', 300),
    result('fib', 0.2),
  ]);
  expect([...repeats]).toEqual([
    ['sieve', 4],
    ['crc32', 2],
    ['sort', 1],
    ['fib', 330],
  ]);
});

test('the guest is told a number for each of its kernels, in its order', () => {
  const repeats = repeatsFor([result('crc32', 200), result('nbody', 100)]);
  expect(commandLineOf('bench', repeats)).toBe('repeat=1,2,1,1,1,1,1,1,1,1,1,1,1,1');
  expect(commandLineOf('fp', repeats)).toBe('repeat=1,4,1,1,1,1,1,1,1,1,1,1,1,1');
});
