/** A profile as text: where the time went, and which functions retired the instructions. */
import type { Profiler, StackSample } from './profiler.ts';
import type { Symbols } from './symbols.ts';

/** Functions that the text names. */
const SHOWN = 25;

/** The name of an address, or what can be said of it. */
export function nameOf(symbols: Symbols, el: 0 | 1, address: bigint): string {
  const name = symbols.find(address);
  if (name !== undefined) return name;
  return el === 0 ? 'user space' : `0x${(address & ~0xfffn).toString(16)}`;
}

/** Names of a sample, outermost first; a function that calls itself stands once for each call. */
export function namesOf(symbols: Symbols, { el, addresses }: StackSample): string[] {
  const names = addresses.map((address, depth) =>
    // A return address may lie behind the end of its function.
    nameOf(symbols, el, depth === 0 ? address : address - 4n),
  );
  return [`EL${el}`, ...names.toReversed()];
}

const percent = (part: number, whole: number): string =>
  `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`.padStart(7);

const seconds = (nanoseconds: number): string => `${(nanoseconds / 1e9).toFixed(2)} s`;

/** Where vkvm's time went: names and nanoseconds. */
export function subsystemsOf({ timeline }: Profiler): readonly (readonly [name: string, time: number])[] {
  const last = timeline.at(-1);
  if (!last) return [];
  const { time, running, compiling, idle } = last;
  return [
    ['guest code', running - compiling],
    ['waiting for compiled code', compiling],
    ['devices and exits', Math.max(0, time - running - idle)],
    ['idle', idle],
  ];
}

/** Functions by the samples that found the guest in them, the most frequent first. */
export function functionsOf(profiler: Profiler, symbols: Symbols): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const { el, addresses, count } of profiler.stacks.values()) {
    const name = nameOf(symbols, el, addresses[0]!);
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return [...counts].toSorted(([, a], [, b]) => b - a);
}

/** @returns lines */
export function describeProfile(profiler: Profiler, symbols: Symbols): string[] {
  const subsystems = subsystemsOf(profiler);
  const time = subsystems.reduce((sum, [, each]) => sum + each, 0);
  const functions = functionsOf(profiler, symbols);
  const samples = functions.reduce((sum, [, count]) => sum + count, 0);
  return [
    `profile of ${seconds(time)}:`,
    ...subsystems.map(([name, each]) => `${percent(each, time)}  ${name}`),
    `instructions, by ${samples} samples:`,
    ...functions.slice(0, SHOWN).map(([name, count]) => `${percent(count, samples)}  ${name}`),
  ];
}
