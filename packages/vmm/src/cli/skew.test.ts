import { describe, expect, test } from 'vitest';
import { FakeHost } from '../../test/fake-host.ts';
import { main } from './main.ts';

describe('vkvm skew', () => {
  test('compares two profiles, and gives each to its kernel', async () => {
    const host = new FakeHost();
    const chosen = new Set<string | undefined>();
    const { createSyscalls } = host;
    const watched = Object.assign(host, {
      createSyscalls: (...args: Parameters<typeof createSyscalls>) => {
        chosen.add(args[2]?.profile);
        return createSyscalls(...args);
      },
    });
    expect(await main(['skew', 'linux-6.1', 'linux-7.3'], watched)).toBe(0);
    expect(host.out).toContain('A guest saved on linux-6.1 loads on linux-7.3: yes');
    expect([...chosen].toSorted()).toEqual(['linux-6.1', 'linux-7.3']);
  });

  test('prints JSON', async () => {
    const host = new FakeHost();
    expect(await main(['skew', 'linux-6.1', 'linux-7.3', '--json'], host)).toBe(0);
    expect(JSON.parse(host.out)).toMatchObject({ a: { profile: 'linux-6.1' }, verdict: { loads: 'yes' } });
  });

  test.each([
    [['skew', 'linux-6.1'], 'vkvm skew compares two kernels'],
    [['skew', 'linux-6.1', 'linux-4.0'], 'linux-4.0: no such profile'],
  ])('refuses %s', async (line, message) => {
    const host = new FakeHost();
    expect(await main(line, host)).toBe(2);
    expect(host.err).toContain(message);
  });
});
