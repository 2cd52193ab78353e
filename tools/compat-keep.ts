/**
 * `pnpm compat:keep r1`: keeps the packages of an ABI revision, as tarballs, for the compatibility tests. What is
 * kept is never written again: it stands for what users have installed.
 */

import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packPackages, workspaceVersion } from '../tests/pack/pack.ts';

const compat = join(import.meta.dirname, '../tests/compat');

/** @returns what went wrong, if anything */
function keep(revision: string | undefined): string | undefined {
  if (revision === undefined || !/^r[1-9]\d*$/.test(revision)) return 'usage: pnpm compat:keep rN';
  if (workspaceVersion() === '0.0.0') return 'the packages have no version yet: pnpm bump';
  const folder = join(compat, revision);
  mkdirSync(folder, { recursive: true });
  const kept = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  if (kept.length > 0) return `${revision} is kept already: ${kept.join(', ')}`;
  // Beside it, not in it: a build that fails shall leave nothing half kept.
  const scratch = mkdtempSync(join(compat, '.keep-'));
  try {
    for (const tarball of packPackages(scratch)) {
      renameSync(tarball, join(folder, basename(tarball)));
      console.log(`tests/compat/${revision}/${basename(tarball)}`);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return undefined;
}

const fault = keep(process.argv[2]);
if (fault !== undefined) {
  console.error(`compat:keep: ${fault}`);
  process.exitCode = 2;
}
