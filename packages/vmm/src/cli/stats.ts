/** What `--stats` says at the end of a run. */
import type { EngineStats } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';

const seconds = (nanoseconds: number): string => `${(nanoseconds / 1e9).toFixed(2)} s`;

/** @param elapsed - nanoseconds @param more - what else there is to say of the exits */
export function describeStats(
  { stats, engineStats }: Pick<Machine, 'stats' | 'engineStats'>,
  elapsed: number,
  more: string,
): string[] {
  const counts = Object.entries(stats.exits)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`);
  const engines = engineStats.flatMap((each, index) =>
    each ? [describeEngine(each, engineStats.length === 1 ? '' : `vCPU ${index}: `)] : [],
  );
  return [
    `ran ${seconds(elapsed)}, of it idle ${seconds(stats.idle)}; ` +
      `exits: ${counts.join(', ') || 'none'}${more}`,
    ...engines,
  ];
}

function describeEngine(stats: EngineStats, whose: string): string {
  const { instructions, compiledInstructions: compiled } = stats;
  return (
    `${whose}${instructions} instructions: ${instructions - compiled} interpreted, ${compiled} compiled; ` +
    `${stats.regions} regions of ${stats.regionInstructions} instructions in ${stats.codeBytes} bytes, ` +
    `waited ${Math.round(stats.compileTime / 1e6)} ms for them; ${stats.tlbFills} TLB fills`
  );
}
