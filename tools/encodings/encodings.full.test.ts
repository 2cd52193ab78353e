import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { CODE, stateOf } from '../../packages/kernel/test/cpu-state.ts';
import { Reference } from '../vectors/reference.ts';
import { binutilsVersion, hasBinutils } from './binutils.ts';
import { compareWithBinutils, wordsOf } from './census.ts';
import { readRecord } from './record.ts';
import { DISAGREEMENTS } from './reviewed.ts';
import { SAMPLES } from './samples.ts';

/** Words of each disagreement that the reference is asked about. */
const ASKED = 50;

const hasReference = (): boolean =>
  ['aarch64-linux-gnu-gcc', 'qemu-aarch64-static'].every(
    (name) => spawnSync(name, ['--version']).error === undefined,
  );

describe('binutils and the decode table', () => {
  test('agree on every sample, and on what is beyond', { timeout: 600_000 }, (context) => {
    if (!hasBinutils()) return context.skip('binutils-aarch64-linux-gnu is not installed');
    const { binutils, samples } = readRecord();
    if (binutilsVersion() !== binutils) return context.skip('binutils is another version');
    for (const sample of SAMPLES) {
      const { mismatches, census } = compareWithBinutils(wordsOf(sample));
      expect(mismatches.slice(0, 20)).toEqual([]);
      expect(census).toEqual(samples[sample.name]);
    }
  });

  test('disagree where the reference is as the list says', { timeout: 600_000 }, (context) => {
    if (!hasBinutils() || !hasReference())
      return context.skip('binutils, gcc or qemu-user-static is missing');
    using reference = new Reference();
    const reviewed = compareWithBinutils(wordsOf(SAMPLES[0]!)).reviewed;
    for (const { why, reference: says } of DISAGREEMENTS.filter((each) => each.reference !== 'not asked')) {
      const words = (reviewed.get(why) ?? []).slice(0, ASKED);
      expect(words.length, why).toBeGreaterThan(0);
      const cases = words.map((word, seed) => ({ words: [word], state: stateOf('aligned', seed) }));
      const stops = reference.run(cases, CODE, 'max').map(({ stop }) => stop === 'undefined');
      expect(new Set(stops), why).toEqual(new Set([says === 'SIGILL']));
    }
  });
});
