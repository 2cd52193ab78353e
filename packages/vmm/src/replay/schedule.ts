/** The threads of a scenario in turns, on a clock that moves when they have all had one. */
import type { ReplayClock } from './clock.ts';
import type { RunResult, VcpuRun } from './vcpu-run.ts';

/** Turns that each vCPU gets before its time is up: the bound of what a kicked guest executes. */
const TURNS = 40;
const NS_PER_MS = 1e6;

/**
 * Lets vCPUs run for a time, or until one of them is done.
 *
 * @param until - stop early when this one is over
 */
export function runFor(
  clock: ReplayClock,
  milliseconds: number,
  threads: readonly VcpuRun[],
  until?: VcpuRun,
): void {
  const duration = milliseconds * NS_PER_MS;
  const end = clock.time + duration;
  for (let turn = 0; turn < TURNS && clock.time <= end; turn += 1) {
    let busy = false;
    let deadline = Infinity;
    for (const thread of threads) {
      const progress = thread.slice();
      if (thread === until && progress === 'over') return;
      if (progress === 'busy') busy = true;
      else if (progress !== 'over') deadline = Math.min(deadline, progress);
    }
    if (busy) clock.advance(duration / TURNS);
    else if (!threads.some((thread) => thread.isKicked)) {
      if (deadline > end) return;
      clock.advanceTo(deadline);
    }
  }
}

/** Runs a vCPU until it is over, or else kicks it. @param others - vCPUs that run meanwhile */
export function runToEnd(
  clock: ReplayClock,
  milliseconds: number,
  thread: VcpuRun,
  others: readonly VcpuRun[],
): RunResult {
  runFor(clock, milliseconds, [thread, ...others], thread);
  return thread.kick();
}
