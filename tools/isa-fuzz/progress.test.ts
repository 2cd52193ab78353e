import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Progress } from './progress.ts';

const SEED = { seed: 1, table: 2 };
const NONE = { instructions: 10, mismatches: [] };
const ONE = { instructions: 5, mismatches: [{ engine: 'e', vector: 'v', actual: 'a' }] };

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vkvm-progress-'));
  path = join(directory, 'kept/1.json');
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('the progress of a campaign', () => {
  test('keeps what is done before the first chunk that is missing', () => {
    const progress = Progress.open(path, SEED);
    progress.add(1, ONE);
    expect(progress.done).toMatchObject({ chunks: 0, instructions: 0 });
    expect(progress.instructions).toBe(5);
    progress.add(0, NONE);
    expect(progress.done).toMatchObject({ chunks: 2, instructions: 15 });
    expect(Progress.open(path, SEED).done).toEqual(progress.done);
    expect(progress.done.mismatches).toEqual(ONE.mismatches);
  });

  test('starts anew for another seed, another table, or a file that is cut off', () => {
    Progress.open(path, SEED).add(0, NONE);
    expect(Progress.open(path, { ...SEED, seed: 9 }).done.chunks).toBe(0);
    expect(Progress.open(path, { ...SEED, table: 9 }).done.chunks).toBe(0);
    expect(Progress.open(path, SEED).done.chunks).toBe(1);
    writeFileSync(path, '{"format": 1, "se');
    expect(Progress.open(path, SEED).done.chunks).toBe(0);
  });
});
