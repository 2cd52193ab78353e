import { KVM_CAP_ONE_REG } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeHost } from '../../test/fake-host.ts';
import { main } from './main.ts';

function host(files: Readonly<Record<string, string>>): FakeHost {
  const fake = new FakeHost();
  for (const [path, text] of Object.entries(files)) fake.files.set(path, new TextEncoder().encode(text));
  return fake;
}

const scenario = (name: string): string =>
  JSON.stringify({
    name,
    category: 'caps',
    title: 'one capability',
    steps: [{ op: 'OPEN_KVM' }, { op: 'CHECK_EXTENSION', fd: 'sys', cap: KVM_CAP_ONE_REG }],
  });

const trace = (name: string, value: number): string =>
  [
    { trace: name, kernel: '7.3.4' },
    { i: 0, op: 'OPEN_KVM', in: {}, out: { ret: 0 } },
    { i: 1, op: 'CHECK_EXTENSION', in: {}, out: { ret: value } },
    { end: true, steps: 2 },
  ]
    .map((line) => JSON.stringify(line))
    .join('\n');

const FILES = {
  'oracle/scenarios/good.json': scenario('good'),
  'oracle/scenarios/../linux-7.3/good.jsonl': trace('good', 1),
  'oracle/scenarios/poor.json': scenario('poor'),
  'oracle/scenarios/../linux-7.3/poor.jsonl': trace('poor', 5),
};

describe('vkvm replay', () => {
  test('prints a line for each scenario of a folder, and the sum', async () => {
    const fake = host(FILES);
    expect(await main(['replay', 'oracle/scenarios', '--profile', 'linux-7.3'], fake)).toBe(1);
    expect(fake.out).toBe(
      `good linux-7.3: ok
poor linux-7.3: step 1 CHECK_EXTENSION, ret: expected 5, got 1
1 passed, 1 failed, 0 machine
`,
    );
  });

  test('is content where nothing differs', async () => {
    expect(await main(['replay', 'oracle/scenarios/good.json', '--profile=linux-7.3'], host(FILES))).toBe(0);
  });

  test('compares with every recorded kernel if none is named', async () => {
    const fake = host({ 'a/x.json': scenario('x') });
    await main(['replay', 'a'], fake);
    const profiles = [...fake.out.matchAll(/^x (\S+):/gm)].map(([, name]) => name);
    expect(profiles).toEqual(['linux-5.10', 'linux-6.1', 'linux-6.12', 'linux-7.3']);
  });

  test('prints JSON', async () => {
    const fake = host(FILES);
    await main(['replay', '--json', 'oracle/scenarios/poor.json', '--profile=linux-7.3'], fake);
    expect(JSON.parse(fake.out)).toMatchObject({
      failed: 1,
      results: [{ scenario: 'poor', profile: 'linux-7.3', verdict: { verdict: 'failed', step: 1 } }],
    });
  });

  test('counts a scenario without a trace, or not in the format, as failed', async () => {
    const fake = host({ 'a/x.json': scenario('x'), 'a/y.json': '{' });
    expect(await main(['replay', 'a', '--profile', 'linux-7.3'], fake)).toBe(2);
    expect(fake.out).toContain('x linux-7.3: a/../linux-7.3/x.jsonl: there is no such file');
    expect(fake.out).toContain('y linux-7.3: a/y.json: not JSON');
  });

  test.each([
    [['replay'], 'replay needs a scenario, or a folder of them; see --help'],
    [['replay', 'b'], 'b: there is no such file'],
    [
      ['replay', 'oracle/scenarios', '--profile', 'linux-4.0'],
      '--profile linux-4.0: no such profile; there are rfc-2013, linux-5.10, linux-6.1, linux-6.12, linux-7.3',
    ],
  ])('refuses %j', async (argv, message) => {
    const fake = host(FILES);
    expect(await main(argv, fake)).toBe(2);
    expect(fake.err).toBe(`${message}\n`);
  });
});
