/**
 * `pnpm isa-fuzz`: random instructions in random states, on our engines and on QEMU's user-mode emulator.
 *
 * Options: `--seed N` (default 1), `--count N` instructions (default 10 million), `--jobs N` threads, `--fresh` starts
 * anew. Without it a campaign of the same seed goes on where it stopped, as long as the instruction table is the same.
 * Status 1 if anything differs.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { windowPattern } from '../packages/kernel/test/cpu-state.ts';
import { evaluatorEngine } from '../packages/kernel/test/engine.ts';
import { interpreterEngine } from '../packages/kernel/test/interpreter-engine.ts';
import { chunkOf, tableFingerprint } from './isa-fuzz/cases.ts';
import { compareCases, type Comparison, type Contender } from './isa-fuzz/compare.ts';
import { Progress } from './isa-fuzz/progress.ts';
import { Reference } from './vectors/reference.ts';

/** The evaluator is slow, and a test replays all recorded cases on it. */
const EVALUATOR_EVERY = 16;
/** Seconds between two words of progress. */
const REPORT = process.stderr.isTTY ? 1 : 20;
/** Mismatches that are printed. */
const SHOWN = 20;

const CACHE = join(import.meta.dirname, '../node_modules/.cache/isa-fuzz');

/** What a thread is made with. */
interface WorkerStart {
  readonly seed: number;
}
interface Finished {
  readonly chunk: number;
  readonly comparison: Comparison;
}

function serveChunks({ seed }: WorkerStart): void {
  const reference = new Reference();
  const contenders: readonly Contender[] = [
    { engine: interpreterEngine(), every: 1 },
    { engine: evaluatorEngine(), every: EVALUATOR_EVERY },
  ];
  for (const { engine } of contenders) engine.window.set(windowPattern());
  parentPort!.on('message', (chunk: number | 'end') => {
    if (chunk === 'end') {
      reference[Symbol.dispose]();
      parentPort!.close();
      return;
    }
    let comparison: Comparison;
    try {
      comparison = compareCases(reference, contenders, chunkOf(seed, chunk));
    } catch (error) {
      reference[Symbol.dispose]();
      throw error;
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node's, not a window
    parentPort!.postMessage({ chunk, comparison } satisfies Finished);
  });
}

const grouped = (number: number): string => Math.round(number).toLocaleString('en').replaceAll(',', ' ');

interface Campaign {
  readonly seed: number;
  readonly count: number;
  readonly jobs: number;
  readonly progress: Progress;
}

/** @returns when enough is done or the user has had enough */
async function runCampaign({ seed, count, jobs, progress }: Campaign): Promise<void> {
  let next = progress.done.chunks;
  let isStopped = false;
  const before = progress.instructions;
  const start = performance.now();
  let reported = 0;
  const report = (): void => {
    const seconds = (performance.now() - start) / 1000;
    if (seconds - reported < REPORT) return;
    reported = seconds;
    const rate = (progress.instructions - before) / seconds;
    const left = Math.max(0, Math.ceil((count - progress.instructions) / rate));
    process.stderr.write(
      `${process.stderr.isTTY ? '\r\x1b[K' : ''}isa-fuzz: ${grouped(progress.instructions)} of ${grouped(count)}` +
        ` instructions, ${grouped(rate)}/s, ${left} s left, ${progress.done.mismatches.length} mismatches` +
        (process.stderr.isTTY ? '' : '\n'),
    );
  };
  process.once('SIGINT', () => (isStopped = true));
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { seed } satisfies WorkerStart,
      });
      const give = (): void => {
        const message = isStopped || progress.instructions >= count ? 'end' : next++;
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node's, not a window
        worker.postMessage(message);
      };
      worker.on('message', ({ chunk, comparison }: Finished) => {
        progress.add(chunk, comparison);
        report();
        give();
      });
      // An interrupt from the terminal ends the reference too.
      worker.on('error', (error) => (isStopped ? resolve() : reject(error)));
      worker.on('exit', () => resolve());
      give();
    });
  await Promise.all(Array.from({ length: jobs }, work));
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

function numberOf(option: string, text: string, limit: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > limit)
    throw new RangeError(`--${option} takes a number from 1 to ${limit}, not '${text}'`);
  return value;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '10000000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      fresh: { type: 'boolean', default: false },
    },
  });
  const seed = numberOf('seed', values.seed, 0xffff_ffff);
  const count = numberOf('count', values.count, 1e12);
  const path = join(CACHE, `${seed}.json`);
  if (values.fresh) rmSync(path, { force: true });
  const progress = Progress.open(path, { seed, table: tableFingerprint() });
  await runCampaign({ seed, count, jobs: numberOf('jobs', values.jobs, 256), progress });
  const { chunks, instructions, mismatches } = progress.done;
  for (const { engine, vector, actual } of mismatches.slice(0, SHOWN))
    console.log(`${vector}\n  the ${engine}: ${actual}`);
  console.log(
    `seed ${seed}: ${chunks} chunks, ${grouped(instructions)} instructions, ${mismatches.length} mismatches`,
  );
  if (instructions < count) console.log('not done: the same command goes on from here');
  return mismatches.length === 0 && instructions >= count ? 0 : 1;
}

if (isMainThread) process.exitCode = await main();
else serveChunks(workerData as WorkerStart);
