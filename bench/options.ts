/** The command line of `pnpm bench`. */

import { parseArgs } from 'node:util';
import { KERNELS } from './kernels.ts';
import type { KernelName } from './kernels.ts';

export interface BenchOptions {
  /** How often each machine runs each guest; the medians are reported. */
  readonly rounds: number;
  /** Kernels of the benchmark guest to report, in its order. */
  readonly kernels: readonly KernelName[];
  /** Whether to boot Linux too. */
  readonly boot: boolean;
  /** A file like the output of `vkvm guest debian --json`, to boot another guest than that. */
  readonly guest: string | undefined;
  readonly json: boolean;
  readonly qemuOnly: boolean;
}

/** A command line that makes no sense. The message names the option and what it takes. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `usage: pnpm bench [options]
  --rounds N      runs of each guest on each machine, alternating (default 3)
  --only A,B      only these kernels, or 'boot'; one of ${[...KERNELS.map(({ name }) => name), 'boot'].join(', ')}
  --guest FILE    JSON with kernel, initrd and marker: boot these instead of \`vkvm guest debian\`
  --no-boot       leave the Linux boot out
  --qemu-only     leave vkvm out
  --json          print the result as JSON
`;

/** @throws {@link UsageError} an unknown option, or a value that the option does not take */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { rounds, only, boot, guest, json, ...rest } = parse(args);
  if (!/^[1-9]\d{0,2}$/.test(rounds))
    throw new UsageError(`--rounds takes a number from 1 to 999, not '${rounds}'`);
  const names = only?.split(',') ?? [...KERNELS.map(({ name }) => name), 'boot'];
  const kernels = KERNELS.map(({ name }) => name).filter((name) => names.includes(name));
  const unknown = names.find((name) => name !== 'boot' && !kernels.some((kernel) => kernel === name));
  if (unknown !== undefined) throw new UsageError(`--only knows no '${unknown}'`);
  return {
    rounds: Number(rounds),
    kernels,
    boot: boot && names.includes('boot'),
    guest,
    json,
    qemuOnly: rest['qemu-only'],
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowNegative: true,
      options: {
        rounds: { type: 'string', default: '3' },
        only: { type: 'string' },
        boot: { type: 'boolean', default: true },
        guest: { type: 'string' },
        json: { type: 'boolean', default: false },
        'qemu-only': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
