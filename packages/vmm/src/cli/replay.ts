/** `vkvm replay`: recorded scenarios against this kernel. */
import { PROFILES } from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { FormatError } from '../replay/json.ts';
import { replay as replayScenario } from '../replay/replay.ts';
import type { KernelFactory } from '../replay/replay.ts';
import { countResults, formatCounts, formatResult } from '../replay/report.ts';
import type { ReplayResult } from '../replay/report.ts';
import { parseScenario } from '../replay/scenario.ts';
import { parseTrace } from '../replay/trace.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { STATUS_FAILURE, STATUS_OK, STATUS_USAGE, UsageError } from './status.ts';
import { parseProfile } from './values.ts';

export const REPLAY_OPTIONS = {
  profile: {
    value: 'P',
    help: 'compare with this kernel, such as linux-7.3; default: each that was recorded',
  },
  json: { help: 'print JSON' },
} as const;

/** Text of `vkvm replay --help`. */
export const REPLAY_HELP = `Usage: vkvm replay PATH... [options]

Performs recorded KVM scenarios on this kernel and compares every answer with what Linux answered. PATH
is a scenario file or a folder of them; the traces lie in folders beside theirs, named as profiles are.

Prints a line for each scenario and profile: ok; machine, where all that differs follows from a CPU
feature, an ID register or the recording machine; or the first step that differs. Exit status 1: some did;
2: a file cannot be read.

${describeOptions(REPLAY_OPTIONS)}
`;

/** Profiles that there are traces of. */
const RECORDED = PROFILES.filter(({ recorded }) => recorded).map(({ name }) => name);
const SCENARIO = '.json';
const TRACE = '.jsonl';

/** Scenarios try on purpose what no CPU has. */
const quiet = (): void => {};

/** @returns the exit status */
export async function replay(
  host: CliHost,
  { profile: wanted, json }: Options<typeof REPLAY_OPTIONS>,
  paths: readonly string[],
): Promise<number> {
  if (paths.length === 0) throw new UsageError('replay needs a scenario, or a folder of them; see --help');
  const profiles = wanted === undefined ? RECORDED : [recordedProfile(wanted)];
  const results: ReplayResult[] = [];
  for (const path of await findScenarios(host, paths)) {
    for (const profile of profiles) {
      const result = await replayFile(host, path, profile);
      results.push(result);
      if (!json) host.stdout(`${formatResult(result)}\n`);
    }
  }
  const counts = countResults(results);
  host.stdout(`${json ? JSON.stringify({ results, ...counts }, null, 2) : formatCounts(counts)}\n`);
  if (results.some(({ verdict }) => verdict.verdict === 'unreadable')) return STATUS_USAGE;
  return counts.failed === 0 ? STATUS_OK : STATUS_FAILURE;
}

function recordedProfile(value: string): ProfileName {
  const profile = parseProfile('--profile', value);
  if (RECORDED.includes(profile)) return profile;
  throw new UsageError(`--profile ${profile}: nothing is recorded of it; there are ${RECORDED.join(', ')}`);
}

async function findScenarios(host: CliHost, paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const names = await host.listFolder(path);
    if (names === undefined) {
      found.push(path);
      continue;
    }
    const scenarios = names.filter((name) => name.endsWith(SCENARIO));
    if (scenarios.length === 0) throw new UsageError(`${path}: there is no scenario in it`);
    found.push(...scenarios.toSorted().map((name) => `${path.replace(/\/+$/, '')}/${name}`));
  }
  return found;
}

/** Where the trace of a scenario lies: `scenarios/x.json` → `linux-7.3/x.jsonl`. */
function tracePath(path: string, profile: string): string {
  const parts = path.split('/');
  const file = (parts.pop() ?? '').slice(0, -SCENARIO.length);
  return [...(parts.length === 0 ? ['..'] : [...parts, '..']), profile, `${file}${TRACE}`].join('/');
}

async function replayFile(host: CliHost, path: string, profile: ProfileName): Promise<ReplayResult> {
  const name = (path.split('/').at(-1) ?? path).replace(/\.json$/, '');
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const createKernel: KernelFactory = (process, now) => host.createSyscalls(process, quiet, { now, profile });
  const text = decode(await host.readFile(path));
  try {
    const scenario = parseScenario(text, path);
    const source = tracePath(path, profile);
    const trace = parseTrace(decode(await host.readFile(source)), source);
    return { scenario: name, profile, verdict: await replayScenario(scenario, trace, createKernel) };
  } catch (error) {
    if (!(error instanceof FormatError) && !(error instanceof UsageError)) throw error;
    return { scenario: name, profile, verdict: { verdict: 'unreadable', message: error.message } };
  }
}
