import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const VERDICTS = ['prevented', 'detected', 'harmless'];
/** Hazards that the project knows of. */
const COUNT = 42;

/** A row of docs/hazards.md. */
interface Row {
  readonly id: string;
  readonly verdict: string;
  /** Path, and the test's title; a scenario has none. */
  readonly shown: readonly (readonly [path: string, title: string])[];
}

const parseRow = (line: string): Row => {
  const [, id = '', , verdict = '', , tests = ''] = line.split('|').map((cell) => cell.trim());
  const shown = tests.split('<br>').map((each) => {
    const [, path = '', title = ''] = /^`([^`]+)`(?: › (.+))?$/.exec(each) ?? [];
    return [path, title] as const;
  });
  return { id, verdict, shown };
};

const rows = readFileSync(join(ROOT, 'docs/hazards.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| H\d/.test(line))
  .map(parseRow);

describe('docs/hazards.md', () => {
  test('has a row for every hazard, in order', () => {
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: COUNT }, (_, n) => `H${n + 1}`));
  });

  test.each(rows)('names tests that there are: $id', ({ verdict, shown }) => {
    expect(VERDICTS).toContain(verdict);
    for (const [path, title] of shown) {
      expect(existsSync(join(ROOT, path)), `a file "${path}"`).toBe(true);
      if (path.endsWith('.json'))
        expect([title, path]).toEqual(['', expect.stringMatching(/^tests\/oracle\/scenarios\//)]);
      else
        expect(readFileSync(join(ROOT, path), 'utf8').includes(`'${title}'`), `${path}: "${title}"`).toBe(
          true,
        );
    }
  });
});
