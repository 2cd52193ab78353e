/** A kernel that is over at once measures how a machine warms up: such ones are repeated, within one boot. */
import { KERNELS } from './kernels.ts';
import type { GuestName, KernelName, KernelResult } from './kernels.ts';

/** What a kernel shall take on QEMU at least. In milliseconds. */
const LEAST = 300;
/** More than that is asked for: no two runs take the same time. */
const MARGIN = 1.1;

export type Repeats = ReadonlyMap<KernelName, number>;

/** @param results - what QEMU took for each kernel once @returns how often each is to run */
export const repeatsFor = (results: readonly KernelResult[]): Repeats =>
  new Map(
    KERNELS.flatMap(({ name }) => {
      const result = results.find((candidate) => candidate.name === name);
      return result ? [[name, timesFor(result.microseconds / 1000)]] : [];
    }),
  );

const timesFor = (milliseconds: number): number =>
  milliseconds >= LEAST ? 1 : Math.ceil((LEAST * MARGIN) / Math.max(milliseconds, 1));

/** @returns the guest's command line, which names a number for each of its kernels: see guest/frame.h */
export const commandLineOf = (guest: GuestName, repeats: Repeats): string =>
  `repeat=${KERNELS.filter((kernel) => kernel.guest === guest)
    .map(({ name }) => repeats.get(name) ?? 1)
    .join(',')}`;
