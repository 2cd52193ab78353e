/**
 * `pnpm abi`: the tables of `@vkvm/uapi` against the frozen ledgers.
 *
 * - `check` (or nothing): every ledger is contained in the tables, and that of today's revision equals them; status 1
 *   if not
 * - `diff A B`: what lies between two ledgers; `today` is the tables
 * - `freeze`: writes the ledger of today's revision
 */

import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ABI_REVISION } from '../packages/uapi/src/index.ts';
import { brokenBy, createLedger, diffLedgers } from '../packages/uapi/src/ledger.ts';
import type { Ledger, LedgerChange } from '../packages/uapi/src/ledger.ts';

const folder = join(import.meta.dirname, '../packages/uapi/abi');
const today = `r${ABI_REVISION}`;

const ledgerFile = (revision: string): string => join(folder, `${revision}.json`);

function readLedger(revision: string): Ledger | undefined {
  if (revision === 'today') return createLedger();
  return existsSync(ledgerFile(revision))
    ? JSON.parse(readFileSync(ledgerFile(revision), 'utf8'))
    : undefined;
}

/** `+ path: new`, `- path: old` or `! path: old -> new`. */
function formatChange({ path, older, newer }: LedgerChange): string {
  if (older === undefined) return `+ ${path}: ${newer}`;
  return newer === undefined ? `- ${path}: ${older}` : `! ${path}: ${older} -> ${newer}`;
}

/** @returns the exit status */
function print(heading: string, changes: readonly LedgerChange[]): number {
  console.log(`${heading}: ${changes.length === 0 ? 'no difference' : `${changes.length} differences`}`);
  for (const change of changes) console.log(`  ${formatChange(change)}`);
  return changes.length === 0 ? 0 : 1;
}

function check(): number {
  const revisions = globSync('r*.json', { cwd: folder }).map((file) => basename(file, '.json'));
  const tables = createLedger();
  const outcomes = revisions.toSorted().map((revision) => {
    const frozen = readLedger(revision);
    if (frozen === undefined) return 0;
    return print(
      `${revision} and the tables`,
      revision === today ? diffLedgers(frozen, tables) : brokenBy(frozen, tables),
    );
  });
  if (!revisions.includes(today)) {
    console.error(`abi: ${today} is not frozen; pnpm abi freeze`);
    return 1;
  }
  return Math.max(...outcomes);
}

function diff(older: string | undefined, newer: string | undefined): number {
  const [before, after] = [older, newer].map((revision) =>
    revision === undefined ? undefined : readLedger(revision),
  );
  if (before === undefined || after === undefined) return usage();
  print(`${older} and ${newer}`, diffLedgers(before, after));
  return 0;
}

/** Never overwrites: a ledger that was released stays as it is, and only its author knows whether it was. */
function freeze(): number {
  if (existsSync(ledgerFile(today))) {
    console.error(
      `abi: ${today} is frozen. Raise ABI_REVISION; or, if ${today} was never released, delete it first`,
    );
    return 2;
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(ledgerFile(today), `${JSON.stringify(createLedger(), undefined, 2)}\n`);
  console.log(`packages/uapi/abi/${today}.json`);
  return 0;
}

function usage(): number {
  console.error('usage: pnpm abi [check | diff rA rB|today | freeze]');
  return 2;
}

const [command = 'check', ...args] = process.argv.slice(2);
const commands: Readonly<Record<string, () => number>> = {
  check,
  diff: () => diff(args[0], args[1]),
  freeze,
};
process.exitCode = (commands[command] ?? usage)();
