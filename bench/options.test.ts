import { describe, expect, test } from 'vitest';
import { KERNELS } from './kernels.ts';
import { parseOptions, UsageError } from './options.ts';

describe('parseOptions', () => {
  test('runs everything three times where nothing is said', () => {
    expect(parseOptions([])).toEqual({
      rounds: 3,
      kernels: KERNELS.map(({ name }) => name),
      boot: true,
      guest: undefined,
      json: false,
      qemuOnly: false,
    });
  });

  test('takes kernels in the order of the guest, and no boot unless it is named', () => {
    expect(parseOptions(['--only', 'vm,fib'])).toMatchObject({ kernels: ['fib', 'vm'], boot: false });
    expect(parseOptions(['--only', 'boot'])).toMatchObject({ kernels: [], boot: true });
  });

  test('leaves the boot out on request', () => {
    expect(parseOptions(['--no-boot'])).toMatchObject({ boot: false });
  });

  test.each([[['--rounds', '0']], [['--rounds', 'many']], [['--only', 'doom']], [['--fast']], [['stray']]])(
    'refuses %j',
    (args) => {
      expect(() => parseOptions(args)).toThrow(UsageError);
    },
  );
});
