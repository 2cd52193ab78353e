/** Runs cases on the reference and on our engines, and holds the results against each other. */
import { CODE, stateOf, windowPattern, type CpuState } from '../../packages/kernel/test/cpu-state.ts';
import type { Engine } from '../../packages/kernel/test/engine.ts';
import { formatChanges, wordsText, type Expected } from '../../packages/kernel/test/vectors.ts';
import type { Cpu, ReferenceCase } from '../vectors/reference.ts';
import type { FuzzCase } from './cases.ts';

/** What the reference can do, as {@link compareCases} needs it. */
export interface CaseRunner {
  run(cases: readonly ReferenceCase[], code: number, cpu: Cpu): Expected[];
}

/** An engine, and how many cases it gets: every nth. */
export interface Contender {
  readonly engine: Engine;
  readonly every: number;
}

/** A case in which an engine differs, cut after the first word that shows it. */
export interface Mismatch {
  readonly engine: string;
  /** The case as a line of a vector file, below its profile. */
  readonly vector: string;
  /** What the engine made of it, in the same words. */
  readonly actual: string;
}

/** What came of some cases. */
export interface Comparison {
  /** Executed by the reference, those it refused among them. */
  readonly instructions: number;
  readonly mismatches: readonly Mismatch[];
}

const PATTERN = windowPattern();

/** Bytes of the window that differ from what was there, which is put back. */
function takeChanges(window: Uint8Array): Map<number, number> {
  const changed = new Map<number, number>();
  if (Buffer.compare(window, PATTERN) === 0) return changed;
  for (let offset = 0; offset < window.length; offset++) {
    if (window[offset] !== PATTERN[offset]) changed.set(offset, window[offset]!);
  }
  window.set(PATTERN);
  return changed;
}

function runOn(engine: Engine, { words, state }: ReferenceCase): Expected {
  return { ...engine.run(words, state), bytes: takeChanges(engine.window) };
}

const equalWords = (a: BigUint64Array, b: BigUint64Array): boolean => a.every((word, n) => word === b[n]);

const equalStates = (a: CpuState, b: CpuState): boolean =>
  a.pc === b.pc &&
  a.sp === b.sp &&
  a.nzcv === b.nzcv &&
  a.fpcr === b.fpcr &&
  a.fpsr === b.fpsr &&
  equalWords(a.x, b.x) &&
  equalWords(a.v, b.v);

const isEqual = (a: Expected, b: Expected): boolean =>
  a.stop === b.stop &&
  a.bytes.size === b.bytes.size &&
  equalStates(a.state, b.state) &&
  [...a.bytes].every(([offset, byte]) => b.bytes.get(offset) === byte);

const withState = (each: FuzzCase): ReferenceCase => ({
  words: each.words,
  state: stateOf(each.profile, each.seed),
});

function countOf({ words }: FuzzCase, { stop, state }: Expected): number {
  return stop === 'done' ? words.length : Number(state.pc - BigInt(CODE)) / 4 + 1;
}

/** The shortest beginning of a case that still shows it. */
function reduce(reference: CaseRunner, engine: Engine, whole: FuzzCase): Mismatch {
  const beginnings = whole.words.map((_, last) => ({ ...whole, words: whole.words.slice(0, last + 1) }));
  const expected = reference.run(beginnings.map(withState), CODE, whole.cpu);
  const { profile, seed } = whole;
  const before = stateOf(profile, seed);
  const texts = beginnings.map((each, i) => {
    const { length } = each.words;
    return {
      words: each.words,
      expected: formatChanges(before, expected[i]!, length),
      actual: formatChanges(before, runOn(engine, withState(each)), length),
    };
  });
  const shown = texts.find((each) => each.expected !== each.actual) ?? texts.at(-1)!;
  return {
    engine: engine.name,
    vector: `@${profile}\n${wordsText(shown.words)} ${seed.toString(16)}:${shown.expected}`,
    actual: shown.actual,
  };
}

/** Runs all cases. The windows of the engines must hold {@link windowPattern}. */
export function compareCases(
  reference: CaseRunner,
  contenders: readonly Contender[],
  cases: readonly FuzzCase[],
): Comparison {
  let instructions = 0;
  const mismatches: Mismatch[] = [];
  for (const cpu of new Set(cases.map((each) => each.cpu))) {
    const group = cases.filter((each) => each.cpu === cpu);
    const prepared = group.map(withState);
    const results = reference.run(prepared, CODE, cpu);
    for (const [i, expected] of results.entries()) {
      instructions += countOf(group[i]!, expected);
      for (const { engine, every } of contenders) {
        if (i % every !== 0 || isEqual(expected, runOn(engine, prepared[i]!))) continue;
        mismatches.push(reduce(reference, engine, group[i]!));
      }
    }
  }
  return { instructions, mismatches };
}
