/**
 * Records what the reference makes of A64 instructions: `node tools/vectors/generate.ts [FILE…]`.
 *
 * Each file of packages/kernel/test/vectors has a plan in plans.ts. A plan says which rows it covers; words are random
 * within a row's fixed bits, until each handler of the row has its share. Words that the row refuses are recorded too.
 * A plan of chosen words knows no rows: it finds what they miss, or take without right.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODE, Random, stateOf, type Profile } from '../../packages/kernel/test/cpu-state.ts';
import { formatChanges, wordsText, type Expected } from '../../packages/kernel/test/vectors.ts';
import { INSNS } from '../../packages/kernel/src/a64/table.ts';
import type { DecodeSite, Insn } from '../../packages/kernel/src/a64/pattern.ts';
import { PLANS, type Plan, type RowPlan } from './plans.ts';
import { Reference, type ReferenceCase } from './reference.ts';
import { assembleSequences } from './sequences.ts';
import { extensionOf } from '../encodings/unannounced.ts';

interface Job extends ReferenceCase {
  readonly name: string;
  readonly profile: Profile;
  readonly seed: number;
}

const VECTORS = join(import.meta.dirname, '../../packages/kernel/test/vectors');
/** Tries for each handler of a row: some take few words. */
const PATIENCE = 400;

const SITE: DecodeSite = { offset: CODE & 0xfff, plainSysreg: () => -1 };

/** Words of a row: `each` for every handler, and as many that the row refuses. */
function wordsOf(row: Insn, plan: RowPlan, random: Random): number[] {
  const found = new Map<number, number[]>();
  const missing = (): boolean => {
    for (let handler = 0; handler < row.size; handler++) {
      if ((found.get(handler)?.length ?? 0) < plan.each) return true;
    }
    return false;
  };
  for (let tries = 0; tries < PATIENCE * row.size && missing(); tries++) {
    const free = (random.next() & ~row.mask) >>> 0;
    const word = (plan.adjust?.(row.name, (row.value | free) >>> 0, random) ?? row.value | free) >>> 0;
    if (extensionOf(word) !== undefined) continue;
    const handler = row.select(word, SITE);
    const list = found.get(handler);
    if (!list) found.set(handler, [word]);
    else if (list.length < plan.each && !list.includes(word)) list.push(word);
  }
  return [...found].toSorted(([a], [b]) => a - b).flatMap(([, words]) => words);
}

interface Subject {
  readonly name: string;
  readonly profile: Profile;
  readonly words: readonly number[];
}

function* subjectsOf(plan: Plan, random: Random): Generator<Subject> {
  if ('choose' in plan) {
    for (let n = 0; n < plan.words; n++) {
      yield { name: plan.name, profile: plan.profile, words: [plan.choose(random)] };
    }
    return;
  }
  for (const row of INSNS.filter(({ name }) => plan.rows(name))) {
    const profile = plan.profile(row.name);
    for (const word of wordsOf(row, plan, random)) yield { name: row.name, profile, words: [word] };
  }
  if (plan.sequences) yield* assembleSequences(plan.sequences);
}

function* jobsOf(plan: Plan): Generator<Job> {
  let seed = plan.firstSeed;
  for (const subject of subjectsOf(plan, new Random(plan.firstSeed))) {
    for (let n = 0; n < plan.seeds; n++, seed++) {
      yield { ...subject, seed, state: stateOf(subject.profile, seed) };
    }
  }
}

function format(jobs: readonly Job[], results: readonly Expected[]): string {
  const lines: string[] = [];
  let [profile, name, words] = ['', '', ''];
  for (const [i, job] of jobs.entries()) {
    if (job.profile !== profile) lines.push(`@${(profile = job.profile)}`);
    if (job.name !== name) lines.push(`# ${(name = job.name)}`);
    const text = wordsText(job.words);
    const run = `${job.seed.toString(16)}:${formatChanges(job.state, results[i]!, job.words.length)}`;
    if (text === words) lines[lines.length - 1] += ` ${run}`;
    else lines.push(`${(words = text)} ${run}`);
  }
  return `${lines.join('\n')}\n`;
}

const wanted = process.argv.slice(2);
using reference = new Reference();
for (const [file, plan] of Object.entries(PLANS)) {
  if (wanted.length > 0 && !wanted.includes(file)) continue;
  const jobs = [...jobsOf(plan)];
  const text = format(jobs, reference.run(jobs, CODE, plan.cpu ?? 'max'));
  writeFileSync(join(VECTORS, file), text);
  console.log(`${file}: ${jobs.length} cases, ${text.length} bytes`);
}
