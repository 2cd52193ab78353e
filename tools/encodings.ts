/**
 * `pnpm encodings`: writes docs/instructions.md.
 *
 * With `--record` it first asks binutils about the samples (two minutes) and keeps what it said; status 1 and the words,
 * if there is no agreement.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binutilsVersion } from './encodings/binutils.ts';
import { compareWithBinutils, wordsOf, type Census } from './encodings/census.ts';
import { smallestMarch } from './encodings/extensions.ts';
import { instructionsPage } from './encodings/page.ts';
import { writeRecord } from './encodings/record.ts';
import { SAMPLES } from './encodings/samples.ts';

const PAGE = join(import.meta.dirname, '../docs/instructions.md');
/** Mismatches that are printed. */
const SHOWN = 40;

/** @returns how many words there is no agreement on */
function record(): number {
  const samples: Record<string, Census> = {};
  const [beyond, reviewed] = [new Map<string, number>(), new Map<string, number>()];
  let wrong = 0;
  for (const sample of SAMPLES) {
    const comparison = compareWithBinutils(wordsOf(sample));
    samples[sample.name] = comparison.census;
    for (const [name, words] of comparison.beyond) beyond.set(name, (beyond.get(name) ?? 0) + words);
    for (const [why, words] of comparison.reviewed)
      reviewed.set(why, (reviewed.get(why) ?? 0) + words.length);
    for (const { word, expected, opinion } of comparison.mismatches) {
      if (wrong++ >= SHOWN) continue;
      console.log(
        `${word.toString(16).padStart(8, '0')} ${opinion.text}: ${opinion.verdict}, not ${expected}`,
      );
    }
    console.log(
      `${sample.name}: ${comparison.census.words} words, ${comparison.mismatches.length} mismatches`,
    );
  }
  const sorted = (map: ReadonlyMap<string, number>): Record<string, number> =>
    Object.fromEntries([...map].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeRecord({
    binutils: binutilsVersion(),
    march: smallestMarch(),
    samples,
    beyond: sorted(beyond),
    reviewed: sorted(reviewed),
  });
  return wrong;
}

if (process.argv.includes('--record') && record() > 0) process.exitCode = 1;
writeFileSync(PAGE, instructionsPage());
