import { readFileSync, readdirSync } from 'node:fs';
import { createKernel } from '@vkvm/kernel';
import { PROFILES } from '@vkvm/uapi';
import { formatResult, parseScenario, parseTrace, replay } from '@vkvm/vmm';
import { describe, expect, test } from 'vitest';
import { KNOWN_FAILURES } from './known-failures.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const scenarios = readdirSync(new URL('scenarios', import.meta.url)).map((file) =>
  file.replace(/\.json$/, ''),
);
const recorded = PROFILES.filter((row) => row.recorded).map(({ name }) => name);

const isKnown = (profile: string, name: string): boolean =>
  KNOWN_FAILURES.some((row) => row.scenarios.includes(name) && row.profiles.includes(profile));

describe.each(recorded)('%s', (profile) => {
  test.each(scenarios)('is answered as recorded: %s', async (name) => {
    const scenario = parseScenario(read(`scenarios/${name}.json`), name);
    const trace = parseTrace(read(`${profile}/${name}.jsonl`), name);
    const verdict = await replay(scenario, trace, (process, now) =>
      createKernel({ host: { now }, profile }).attach(process),
    );
    const known = isKnown(profile, name);
    const message = known
      ? `${name} is a known failure of ${profile} no more: take it off the list`
      : formatResult({ scenario: name, profile, verdict });
    expect(verdict.verdict === 'failed', message).toBe(known);
  });
});
