/** The same bare-metal guest under every owner of PSCI: what it sees, and what its VMM sees. */
import { PSCI_0_1, PSCI_1_1, PSCI_1_3, PSCI_VERSIONS } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { beforeAll, describe, expect, test } from 'vitest';
import { addressOf, observe } from './guest.ts';
import type { GuestOptions, LastCall, Observation } from './guest.ts';
import { runtimeCode } from '../secure/programs.ts';

/** Mainline's way: the kernel owns PSCI by name, and the filter forwards all of it. */
const FORWARD_ALL = [
  { base: 0x8400_0000, count: 0x20, action: 'forward' },
  { base: 0xc400_0000, count: 0x20, action: 'forward' },
  { base: 0x95c1_ba5e, count: 4, action: 'forward' },
] as const;

/** Power states are the kernel's, and every vCPU of user space's owner is mirrored: a split that works. */
const BACK_TO_KERNEL = [
  { base: 0x8400_0000, count: 1, to: 'kernel' },
  { base: 0xc400_0003, count: 2, to: 'kernel' },
] as const;

const OWNERS: readonly (readonly [string, GuestOptions])[] = [
  ['kernel', { psciOwner: 'kernel' }],
  ['exit', { psciOwner: 'exit' }],
  ['user', { psciOwner: 'user' }],
  ['user, some back', { psciOwner: 'user', psciRoutes: BACK_TO_KERNEL }],
  ['filter', { smcccFilters: FORWARD_ALL }],
];

const format = (version: PsciVersion): string => `${version >>> 16}.${version & 0xffff}`;

/** Machines that run tests are busy. */
const timeout = 30_000;

describe.each(PSCI_VERSIONS)('a guest that is given PSCI %#x', { timeout }, (psci) => {
  let reference: Observation;
  beforeAll(async () => {
    reference = await observe({ psci });
  });

  test('sees that version, by HVC', () => {
    const answer = psci === PSCI_0_1 ? 'ffffffffffffffff' : psci.toString(16);
    expect(reference.text.split('\n')[0]).toBe(`84000000 ${answer} 0 0 0 `);
    expect(reference.stop).toEqual({ kind: 'shutdown' });
  });

  test.each(OWNERS)('sees the same whoever answers: %s', async (_, options) => {
    const { text, stop } = await observe({ psci, ...options });
    expect({ text, stop }).toEqual({ text: reference.text, stop: reference.stop });
  });

  test.each(OWNERS)('sees the same by SMC: %s', async (_, options) => {
    const { text, stop } = await observe({ psci, ...options, psciConduit: 'smc' });
    expect({ text, stop }).toEqual({ text: reference.text, stop: reference.stop });
  });

  test.each(OWNERS)('sees the same, and its VMM too, beside a secure runtime: %s', async (_, options) => {
    const alone = await observe({ psci, ...options });
    expect(await observe({ psci, ...options, secureRuntime })).toEqual(alone);
    expect(alone.text).toBe(reference.text);
  });
});

const secureRuntime = { code: runtimeCode };

const SAMPLE = [PSCI_0_1, PSCI_1_1, PSCI_1_3] as const;

test('what a VMM sees of the same guest', { timeout }, async () => {
  const lines: string[] = [];
  for (const [name, options] of OWNERS) {
    const cells = SAMPLE.map(async (psci) => {
      const { exits } = await observe({ psci, ...options });
      const counts = Object.entries(exits).filter(([, count]) => count > 0);
      return `${format(psci)}: ${counts.map(([reason, count]) => `${reason} ${count}`).join(' ') || 'nothing'}`;
    });
    lines.push(`${name.padEnd(16)}${(await Promise.all(cells)).join('   ')}`);
  }
  expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    kernel          0.1: nothing   1.1: system_event 1   1.3: system_event 1
    exit            0.1: psci 95   1.1: psci 95   1.3: psci 95
    user            0.1: psci 122   1.1: system_event 1 psci 122   1.3: system_event 1 psci 122
    user, some back 0.1: psci 103   1.1: system_event 1 psci 102   1.3: system_event 1 psci 102
    filter          0.1: hypercall 122   1.1: system_event 1 hypercall 122   1.3: system_event 1 hypercall 122
    "
  `);
});

/** Ends of a machine: what asks for them, and how the run ends. */
const ENDS: readonly (readonly [string, LastCall, string])[] = [
  ['SYSTEM_OFF', [0x8400_0008], 'shutdown'],
  ['SYSTEM_RESET', [0x8400_0009], 'reset'],
  ['SYSTEM_RESET2, warm', [0xc400_0012, 0, 0x1234], 'reset'],
  ['SYSTEM_RESET2, the vendor’s', [0x8400_0012, 0x8000_0001, 0x1234], 'reset'],
  ['SYSTEM_OFF2', [0xc400_0015, 1], 'shutdown'],
  ['SYSTEM_SUSPEND, and after it SYSTEM_OFF', [0xc400_000e, addressOf('resumed'), 0x77], 'shutdown'],
];

describe.each(ENDS)('%s', { timeout }, (_, last, kind) => {
  test.each(OWNERS)('ends the run alike: %s', async (_name, options) => {
    const { stop, text } = await observe({ ...options, last });
    expect(stop).toEqual({ kind });
    // A guest that is suspended goes on from its entry point, with its context and nothing else.
    if (last[2] === 0x77) expect(text.trimEnd().split('\n').at(-1)).toBe('77 0 0 0 4 3c0');
    expect(await observe({ ...options, last, secureRuntime })).toMatchObject({ stop, text });
  });
});
