import { readFileSync, readdirSync } from 'node:fs';
import { createKernel } from '@vkvm/kernel';
import { formatResult, parseScenario, parseTrace, replay } from '@vkvm/vmm';
import { describe, expect, test } from 'vitest';
import { KNOWN_FAILURES } from './known-failures.ts';

/** Profiles that the kernel has. */
const PROFILES = ['linux-7.3'] as const;

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const scenarios = readdirSync(new URL('scenarios', import.meta.url)).map((file) =>
  file.replace(/\.json$/, ''),
);

describe.each(PROFILES)('%s', (profile) => {
  test.each(scenarios)('is answered as recorded: %s', async (name) => {
    const scenario = parseScenario(read(`scenarios/${name}.json`), name);
    const trace = parseTrace(read(`${profile}/${name}.jsonl`), name);
    const verdict = await replay(scenario, trace, (process, now) =>
      createKernel({ host: { now } }).attach(process),
    );
    const isKnown = KNOWN_FAILURES[profile].has(name);
    const message = isKnown
      ? `${name} is a known failure no more: take it off the list`
      : formatResult({ scenario: name, profile, verdict });
    expect(verdict.verdict === 'failed', message).toBe(isKnown);
  });
});
