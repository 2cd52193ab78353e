import { describe, expect, test } from 'vitest';
import { faultsOf, KERNELS, parseKernelLine } from './kernels.ts';

describe('parseKernelLine', () => {
  test('reads name, checksum and time, with or without a carriage return', () => {
    const sieve = { name: 'sieve', checksum: '0000000000190834', microseconds: 179315 };
    expect(parseKernelLine('sieve 0000000000190834 us=179315')).toEqual(sieve);
    expect(parseKernelLine('sieve 0000000000190834 us=179315\r')).toEqual(sieve);
  });

  test.each(['bench start', 'total us=6398977', 'FAULT esr=0000000096000045 elr=0000000040080000', ''])(
    'takes %j for no kernel',
    (line) => {
      expect(parseKernelLine(line)).toBeUndefined();
    },
  );
});

describe('faultsOf', () => {
  const good = KERNELS.map(({ name, checksum }) => ({ name, checksum, microseconds: 1 }));
  const all = KERNELS.map(({ name }) => name);

  test('finds none in a complete and right run', () => {
    expect(faultsOf(good, all)).toEqual([]);
  });

  test('names a kernel with a wrong checksum, and what was expected', () => {
    const results = good.map((result) =>
      result.name === 'fib' ? { ...result, checksum: '00000000003bf129' } : result,
    );
    expect(faultsOf(results, all)).toEqual(['fib: checksum 00000000003bf129, expected 00000000003bf128']);
  });

  test('names a kernel that did not come, but only if it was asked for', () => {
    const results = good.slice(0, 1);
    expect(faultsOf(results, ['sieve', 'vm'])).toEqual(['vm: the guest printed no result']);
    expect(faultsOf(results, ['sieve'])).toEqual([]);
  });
});
