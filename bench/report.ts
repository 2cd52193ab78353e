/** From measured times to what is printed. */

import { KERNELS } from './kernels.ts';
import { geometricMean, median } from './statistics.ts';

/** Milliseconds of one thing, one for each round, by machine. A machine that did not run has none. */
export interface Times {
  readonly vkvm: readonly number[];
  readonly qemu: readonly number[];
}

/** One line of the report: medians in milliseconds, and how many times as long as QEMU vkvm takes. */
export interface Row {
  readonly name: string;
  readonly vkvm?: number;
  readonly qemu?: number;
  readonly ratio?: number;
}

export interface Report {
  readonly machine: Machine;
  readonly rounds: number;
  readonly kernels: readonly Row[];
  readonly geometricMean?: Means;
  /** Process start to the first line of user space. */
  readonly boot?: Row;
}

/** Of the kernels' ratios, where there are any. */
export interface Means {
  /** Of the guest `bench`. */
  readonly all?: number;
  /** The same without `chase` and `mmu`. */
  readonly withoutTlbBound?: number;
  /** Of the guest `fp`. */
  readonly floatingPoint?: number;
}

/** Where the numbers come from. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly node: string;
  readonly qemu?: string | undefined;
}

/** @returns the medians of one thing's times, and their ratio where both machines ran */
export function summarize(name: string, { vkvm, qemu }: Times): Row {
  const row = {
    name,
    ...(vkvm.length > 0 && { vkvm: median(vkvm) }),
    ...(qemu.length > 0 && { qemu: median(qemu) }),
  };
  return row.vkvm !== undefined && row.qemu !== undefined ? { ...row, ratio: row.vkvm / row.qemu } : row;
}

/** @returns the geometric means of the rows' ratios, or nothing if there is no ratio */
export function means(rows: readonly Row[]): Pick<Report, 'geometricMean'> {
  const ratios = rows.flatMap(({ name, ratio }) => (ratio === undefined ? [] : [{ name, ratio }]));
  if (ratios.length === 0) return {};
  const meanOf = (belongs: (kernel: (typeof KERNELS)[number]) => boolean): number | undefined => {
    const names = new Set<string>(KERNELS.filter(belongs).map(({ name }) => name));
    const chosen = ratios.filter(({ name }) => names.has(name));
    return chosen.length === 0 ? undefined : geometricMean(chosen.map(({ ratio }) => ratio));
  };
  const all = meanOf(({ guest }) => guest === 'bench');
  const withoutTlbBound = meanOf(({ guest, tlbBound }) => guest === 'bench' && !tlbBound);
  const floatingPoint = meanOf(({ guest }) => guest === 'fp');
  return {
    geometricMean: {
      ...(all !== undefined && { all }),
      ...(withoutTlbBound !== undefined && { withoutTlbBound }),
      ...(floatingPoint !== undefined && { floatingPoint }),
    },
  };
}

/** @returns the report as a table for a terminal */
export function formatReport({ machine, rounds, kernels, geometricMean: mean, boot }: Report): string {
  const line = (name: string, vkvm: string, qemu: string, ratio: string): string =>
    `${name.padEnd(24)}${vkvm.padStart(12)}${qemu.padStart(12)}${ratio.padStart(10)}`;
  const number = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? '-';
  const row = ({ name, vkvm, qemu, ratio }: Row): string =>
    line(name, number(vkvm, 1), number(qemu, 1), number(ratio, 2));
  const meanLine = (name: string, value: number | undefined): string[] =>
    value === undefined ? [] : [line(name, '', '', number(value, 2))];
  return [
    `${machine.cpus} × ${machine.cpu}`,
    `Node ${machine.node}, ${machine.qemu ?? 'no QEMU'}; median of ${rounds}`,
    '',
    line('', 'vkvm ms', 'QEMU ms', 'ratio'),
    ...kernels.map(row),
    ...meanLine('geometric mean', mean?.all),
    ...meanLine('  without chase and mmu', mean?.withoutTlbBound),
    ...meanLine('  of floating point', mean?.floatingPoint),
    ...(boot === undefined ? [] : [row(boot)]),
  ].join('\n');
}
