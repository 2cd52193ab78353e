/** Results of replays, for people and for programs. */
import type { Json } from './json.ts';
import type { Verdict } from './replay.ts';

/** How one scenario went under one profile. */
export interface ReplayResult {
  readonly scenario: string;
  readonly profile: string;
  readonly verdict: Verdict | { readonly verdict: 'unreadable'; readonly message: string };
}

/** How many there are of each kind. A file that cannot be read counts as failed. */
export interface ReplayCounts {
  readonly passed: number;
  readonly failed: number;
  readonly machine: number;
}

/** Reasons that a line has room for. */
const MOST_REASONS = 3;

/** One line about a result. */
export function formatResult({ scenario, profile, verdict }: ReplayResult): string {
  return `${scenario} ${profile}: ${describe(verdict)}`;
}

function describe(verdict: ReplayResult['verdict']): string {
  switch (verdict.verdict) {
    case 'ok':
      return 'ok';
    case 'machine': {
      const { reasons } = verdict;
      const more = reasons.length > MOST_REASONS ? `; and ${reasons.length - MOST_REASONS} more` : '';
      return `machine: ${reasons.slice(0, MOST_REASONS).join('; ')}${more}`;
    }
    case 'failed': {
      const { step, op, difference } = verdict;
      const { path, expected, got } = difference;
      return `step ${step} ${op}, ${path.join('.')}: expected ${show(expected)}, got ${show(got)}`;
    }
    case 'unreadable':
      return verdict.message;
  }
}

const show = (value: Json | undefined): string => (value === undefined ? 'nothing' : JSON.stringify(value));

export function countResults(results: readonly ReplayResult[]): ReplayCounts {
  const count = (...verdicts: ReplayResult['verdict']['verdict'][]): number =>
    results.filter(({ verdict }) => verdicts.includes(verdict.verdict)).length;
  return { passed: count('ok'), failed: count('failed', 'unreadable'), machine: count('machine') };
}

/** The last line. */
export const formatCounts = ({ passed, failed, machine }: ReplayCounts): string =>
  `${passed} passed, ${failed} failed, ${machine} machine`;
