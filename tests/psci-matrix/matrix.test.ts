/**
 * Profile × PSCI version × owner × conduit, every cell with a guest: once on the bare kernel, which refuses as Linux
 * does, and once on a machine, whose guard refuses before anything runs. `vitest run -u` writes the tables anew.
 */
import { PROFILES } from '@vkvm/uapi';
import { AbiMismatchError } from '@vkvm/vmm';
import { describe, expect, test } from 'vitest';
import { CELLS, ENDS, PROBES, showResult, showVersion } from './cells.ts';
import type { Cell } from './cells.ts';
import { KernelGuest, ProfileKernel } from './kernel-guest.ts';
import type { Observation } from './kernel-guest.ts';
import { observeMachine } from './machine-guest.ts';

const AXES = ['profile', 'PSCI', 'owner', 'conduit'];
const HEADINGS = [...PROBES, ...ENDS].map(({ heading }) => heading);

const axes = ({ profile, version, owner, conduit }: Cell): string[] => [
  profile,
  showVersion(version),
  owner,
  conduit,
];

/** The last column of a row may be a sentence, which no other row gives way to. */
const columnWidth = (row: readonly string[], n: number): number =>
  n < row.length - 1 ? (row[n]?.length ?? 0) : 0;

/** Rows with columns of equal width, by those of the first row. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((row) => columnWidth(row, n))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

const showCall = ({ exit, registers }: Observation): string => {
  if (exit.reason === 'system_event') return `event ${exit.type}`;
  return exit.reason === 'psci' ? 'exit' : showResult(registers[0]);
};

function kernelRow(kernel: ProfileKernel, cell: Cell): string[] {
  using guest = new KernelGuest(kernel, cell);
  const calls = [...PROBES, ...ENDS].map(({ call }) => showCall(guest.call(call)));
  const version = guest.version === undefined ? 'none' : showVersion(guest.version);
  return [...axes(cell), guest.refusals.join(', ') || '-', version, ...calls];
}

async function machineRow(cell: Cell, notes: string[]): Promise<string[]> {
  try {
    const ends: string[] = [];
    let results: readonly bigint[] = [];
    for (const { call } of ENDS) {
      const seen = await observeMachine(cell, [...PROBES.map((probe) => probe.call), call]);
      results = seen.results;
      const last = results[PROBES.length];
      ends.push(last === undefined ? seen.stop.kind : showResult(last));
    }
    return [...axes(cell), ...results.slice(0, PROBES.length).map(showResult), ...ends];
  } catch (error) {
    if (!(error instanceof AbiMismatchError)) throw error;
    const note = error.message;
    if (!notes.includes(note)) notes.push(note);
    return [...axes(cell), `refused [${notes.indexOf(note) + 1}]`];
  }
}

describe('the mismatch matrix', { timeout: 120_000 }, () => {
  test('of the kernel: what each profile refuses, and what a guest sees of what is left', async () => {
    const rows = PROFILES.flatMap(({ name }) => {
      using kernel = new ProfileKernel(name);
      return CELLS.filter(({ profile }) => profile === name).map((cell) => kernelRow(kernel, cell));
    });
    expect(rows).toHaveLength(CELLS.length);
    const head = [...AXES, 'refused', 'one_reg', ...HEADINGS];
    await expect(table([head, ...rows])).toMatchFileSnapshot('kernel.txt');
  });

  test('of machines: what a guest sees, or why there is none', async () => {
    const notes: string[] = [];
    const rows: string[][] = [];
    for (const cell of CELLS) rows.push(await machineRow(cell, notes));
    const legend = notes.map((note, n) => `[${n + 1}] ${note}\n`).join('');
    await expect(`${table([[...AXES, ...HEADINGS], ...rows])}\n${legend}`).toMatchFileSnapshot('machine.txt');
  });
});
