/** What `@vkvm/uapi` brings for VMMs in other languages is current. `vitest run -u` writes the vectors anew. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED, PROFILES, PSCI_VERSIONS } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import type { Registers } from '../psci-matrix/cells.ts';
import { observeMachine } from '../psci-matrix/machine-guest.ts';
import { validate } from './json-schema.ts';
import type { Json, JsonObject } from './json-schema.ts';
import { psciVectors } from './psci-vectors.ts';

/** As an author finds it: by the package's subpath. */
const artefact = (name: string): JsonObject =>
  JSON.parse(readFileSync(fileURLToPath(import.meta.resolve(`@vkvm/uapi/artefacts/${name}.json`)), 'utf8'));

const ORACLE = new URL('../oracle/', import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, ORACLE), 'utf8');
const traces = PROFILES.filter(({ recorded }) => recorded).flatMap(({ name }) =>
  readdirSync(new URL(name, ORACLE)).map((file) => `${name}/${file}`),
);

describe('the PSCI vectors', () => {
  test('are what the kernel answers', async () => {
    await expect(psciVectors()).toMatchFileSnapshot('../../packages/uapi/artefacts/psci-vectors.json');
  });

  test('are as their schema says', () => {
    expect(validate(artefact('psci-vectors.schema'), artefact('psci-vectors'))).toEqual([]);
  });
});

/** What of a vector the machine's guest can check: x0 of calls that come back and move nothing. */
interface Vector {
  readonly call: readonly string[];
  readonly results: readonly string[];
  readonly does: string;
  readonly mp_state: readonly number[];
}
const OFF: Registers = [0x8400_0008n, 0n, 0n, 0n];

describe.each(PSCI_VERSIONS)('the PSCI vectors of version %#x', (version) => {
  const sets = artefact('psci-vectors')['sets'] as unknown as { number: number; vectors: Vector[] }[];
  const { vectors = [] } = sets.find(({ number }) => number === version) ?? {};
  const still = vectors.filter(
    ({ does, mp_state }) =>
      does === 'returns' && mp_state.join() === `${KVM_MP_STATE_RUNNABLE},${KVM_MP_STATE_STOPPED}`,
  );
  const calls = still.map(({ call }) => call.map(BigInt) as unknown as Registers);

  test.each(['kernel', 'exit', 'user'] as const)('are what a guest of a machine sees: %s', async (owner) => {
    const cell = { profile: 'linux-7.3', version, owner, conduit: 'hvc' } as const;
    const { results } = await observeMachine(cell, [...calls, OFF], { smp: 2 });
    expect(calls.length).toBeGreaterThan(0);
    expect(results.slice(0, calls.length)).toEqual(still.map(({ results: [x0 = ''] }) => BigInt(x0)));
  });
});

describe('the schema of traces', () => {
  const schema = artefact('trace.schema');

  test('fits every line of every trace', () => {
    expect(traces.length).toBeGreaterThan(0);
    for (const path of traces) {
      for (const line of text(path).trim().split('\n')) {
        expect(validate(schema, JSON.parse(line) as Json), `${path}: ${line}`).toEqual([]);
      }
    }
  });

  const run = (out: JsonObject): Json => ({ i: 0, op: 'RUN', in: { fd: 'vcpu0' }, out });
  test.each([
    ['a line that is none of three', { hello: 1 }],
    ['an unknown operation', { i: 0, op: 'DANCE', in: {}, out: {} }],
    ['a step without observations', { i: 0, op: 'RUN', in: {} }],
    [
      'a number with leading zeros',
      run({ ret: 0, exit_reason: 2, exit: 'MMIO', phys_addr: '0x01', len: 4, is_write: 0 }),
    ],
    ['an MMIO exit without address', run({ ret: 0, exit_reason: 6, exit: 'MMIO', len: 4, is_write: 0 })],
    ['an event without data', run({ ret: 0, exit_reason: 24, exit: 'SYSTEM_EVENT', type: 1 })],
    ['an observation that there is not', run({ ret: 0, mood: 'good' })],
  ])('refuses %s', (_, line) => {
    expect(validate(schema, line)).not.toEqual([]);
  });
});

describe('the schema of scenarios', () => {
  const schema = artefact('scenario.schema');

  test('fits every scenario', () => {
    for (const file of readdirSync(new URL('scenarios', ORACLE))) {
      expect(validate(schema, JSON.parse(text(`scenarios/${file}`)) as Json), file).toEqual([]);
    }
  });

  test('refuses a scenario without steps', () => {
    expect(validate(schema, { name: 'a', category: 'b', title: 'c' })).toEqual(['lacks steps']);
  });
});
