import { describe, expect, test } from 'vitest';
import { FormatError } from './json.ts';
import { parseScenario } from './scenario.ts';

const scenario = (steps: unknown, rest: object = {}): string =>
  JSON.stringify({ name: 'a', category: 'c', title: 't', steps, ...rest });

describe('a scenario', () => {
  test('has its inputs read, and those not given filled in', () => {
    const { steps, host } = parseScenario(
      scenario([
        { op: 'CREATE_VM', fd: 'sys', type: '0x28' },
        { op: 'MEM_WRITE', off: 16, hex: 'c0ffee', asm: 'b .' },
        { op: 'SET_REGS', fd: 'vcpu0', set: { x1: '0xffffffffffffffff', v0: 'le:0102' } },
      ]),
      'a.json',
    );
    expect(host).toBe('gicv3');
    expect(steps[0]?.inputs).toEqual({ fd: 'sys', type: 40n, as: 'vm' });
    expect(steps[1]?.inputs).toEqual({
      buf: 'ram',
      off: 16,
      hex: Uint8Array.of(0xc0, 0xff, 0xee),
      times: 1,
      stride: 0,
    });
    expect(steps[2]?.inputs['set']).toEqual([
      ['x1', 2n ** 64n - 1n],
      ['v0', Uint8Array.of(1, 2)],
    ]);
  });

  test.each([
    ['{', 'a.json: not JSON'],
    ['[]', 'a.json: not a JSON object'],
    [scenario({}), 'a.json: "steps" is not a list'],
    [scenario([], { host: 'gicv9' }), 'a.json: "host" is one of gicv3, gicv2'],
    [scenario([], { extra: 1 }), 'a.json: "extra" is not known'],
    [scenario([{ op: 'FLY' }]), 'a.json: step 0: there is no operation "FLY"'],
    [scenario([{ op: 'CLOSE' }]), 'a.json: step 0, CLOSE: "fd" is missing'],
    [scenario([{ op: 'CLOSE', fd: 'vm', fast: 1 }]), 'a.json: step 0, CLOSE: "fast" is not known'],
    [
      scenario([{ op: 'SLEEP', ms: 'long' }]),
      'a.json: step 0, SLEEP: "ms" is not an integer below 2^53: "long"',
    ],
    [
      scenario([{ op: 'MEM_WRITE', hex: 'abc' }]),
      'a.json: step 0, MEM_WRITE: "hex" is not bytes in hex: "abc"',
    ],
  ])('that is wrong is refused with the place: %s', (text, message) => {
    expect(() => parseScenario(text, 'a.json')).toThrow(new FormatError(message));
  });
});
