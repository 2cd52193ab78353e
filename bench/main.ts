/** `pnpm bench`: vkvm against QEMU's translator, on the benchmark guest and on a boot of Debian's Linux. */

import { cpus } from 'node:os';
import { BenchError, listen } from './console.ts';
import { qemu, qemuVersion, vkvm } from './contenders.ts';
import type { BootFiles, Contender } from './contenders.ts';
import { linuxGuest } from './linux-guest.ts';
import type { LinuxGuest } from './linux-guest.ts';
import { faultsOf, KERNELS, parseKernelLine } from './kernels.ts';
import type { GuestName, KernelName, KernelResult } from './kernels.ts';
import { commandLineOf, repeatsFor } from './repeats.ts';
import type { Repeats } from './repeats.ts';
import { parseOptions, USAGE, UsageError } from './options.ts';
import { formatReport, means, summarize } from './report.ts';
import type { Report, Row } from './report.ts';

/** Longer than the slowest machine needs for one guest. In milliseconds. */
const LIMIT = 300_000;

const GUESTS: readonly GuestName[] = ['bench', 'fp'];
const guestFiles = (name: GuestName, repeats: Repeats): BootFiles => ({
  kernel: `${import.meta.dirname}/guest/${name}.elf`,
  memory: 256,
  append: commandLineOf(name, repeats),
});

const bootOptions = { append: 'console=ttyAMA0', memory: 512 };

/** Runs a benchmark guest once, as far as the last kernel that is wanted. */
async function runKernels(
  contender: Contender,
  guest: GuestName,
  wanted: readonly KernelName[],
  repeats: Repeats = new Map(),
): Promise<KernelResult[]> {
  const results: KernelResult[] = [];
  const onLine = (line: string): boolean => {
    const result = parseKernelLine(line);
    if (result !== undefined) results.push(result);
    return result?.name === wanted.at(-1);
  };
  await listen(contender.command(guestFiles(guest, repeats)), { onLine, limit: LIMIT });
  const [fault] = faultsOf(results, wanted);
  if (fault !== undefined) throw new BenchError(`${contender.name}: ${fault}`);
  return results;
}

/** Boots Linux once. @returns milliseconds from the start of the process to the first line of user space */
async function runBoot(contender: Contender, guest: LinuxGuest): Promise<number> {
  let reached = false;
  const onLine = (line: string): boolean => (reached = line.includes(guest.marker));
  const time = await listen(contender.command({ ...guest, ...bootOptions }), { onLine, limit: LIMIT });
  if (!reached)
    throw new BenchError(`${contender.name}: the guest ended before it printed '${guest.marker}'`);
  return time;
}

/**
 * Runs something on every machine in turn, round after round; each round starts with another machine.
 *
 * @returns what `run` gave, by machine
 */
async function alternate<T>(
  contenders: readonly Contender[],
  rounds: number,
  run: (contender: Contender) => Promise<T>,
): Promise<Record<Contender['name'], T[]>> {
  const results: Record<Contender['name'], T[]> = { vkvm: [], qemu: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      console.error(`round ${round + 1} of ${rounds}: ${contender.name}`);
      results[contender.name].push(await run(contender));
    }
  }
  return results;
}

async function measureKernels(
  contenders: readonly Contender[],
  rounds: number,
  guest: GuestName,
  wanted: readonly KernelName[],
): Promise<Row[]> {
  if (wanted.length === 0) return [];
  const repeats = contenders.includes(qemu) ? repeatsFor(await runKernels(qemu, guest, wanted)) : undefined;
  const runs = await alternate(contenders, rounds, (contender) =>
    runKernels(contender, guest, wanted, repeats),
  );
  return wanted.map((name) => {
    const times = (of: readonly KernelResult[][]): number[] =>
      of
        .flatMap((run) => run.filter((result) => result.name === name))
        .map((result) => result.microseconds / 1000);
    return summarize(name, { vkvm: times(runs.vkvm), qemu: times(runs.qemu) });
  });
}

async function bench(args: readonly string[]): Promise<string> {
  const options = parseOptions(args);
  const { rounds, kernels: wanted, boot: withBoot, json, qemuOnly } = options;
  const version = qemuVersion();
  const contenders = [...(qemuOnly ? [] : [vkvm]), ...(version === undefined ? [] : [qemu])];
  if (contenders.length === 0) throw new BenchError('--qemu-only, but there is no qemu-system-aarch64');
  // First, because it may have to download.
  const guest = withBoot ? linuxGuest(options.guest) : undefined;

  const kernels: Row[] = [];
  for (const guestName of GUESTS) {
    const ofGuest = KERNELS.filter((kernel) => kernel.guest === guestName && wanted.includes(kernel.name));
    const names = ofGuest.map(({ name }) => name);
    kernels.push(...(await measureKernels(contenders, rounds, guestName, names)));
  }
  const boots = guest && (await alternate(contenders, rounds, (contender) => runBoot(contender, guest)));
  const report: Report = {
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cpus: cpus().length,
      node: process.versions.node,
      qemu: version,
    },
    rounds,
    kernels,
    ...means(kernels),
    ...(boots && { boot: summarize('Linux to user space', boots) }),
  };
  return json ? JSON.stringify(report, undefined, 2) : formatReport(report);
}

try {
  console.log(await bench(process.argv.slice(2)));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`bench: ${error.message}\n${USAGE}`);
    process.exitCode = 2;
  } else if (error instanceof BenchError) {
    console.error(`bench: ${error.message}`);
    process.exitCode = 1;
  } else throw error;
}
