/**
 * Eventfds as words of the process memory: a 64-bit count, flags, how many descriptors and users hold it, and what
 * irqfd.ts keeps beside them.
 */
import { EAGAIN, EFD_SEMAPHORE, EINVAL } from '@vkvm/uapi';

import { EVENTFDS, EVENTFD_SIZE, MAX_DESCRIPTORS } from './arena.ts';
import type { Words } from './words.ts';

const COUNT = 0; // u64, atomic
const FLAGS = 8; // u32
const HOLDERS = 12; // u32

const MAX_COUNT = 0xffff_ffff_ffff_fffen;

/** The process lock is held. @returns its address, or 0 if there is none left */
export function createEventfd(words: Words, initial: number, flags: number): number {
  const table = words.get32(EVENTFDS);
  for (let n = 0; n < MAX_DESCRIPTORS; n++) {
    const address = table + n * EVENTFD_SIZE;
    if (words.get32(address + HOLDERS) !== 0) continue;
    words.set64(address + COUNT, BigInt(initial));
    words.set32(address + FLAGS, flags);
    words.set32(address + HOLDERS, 1);
    return address;
  }
  return 0;
}

/** One more user. The process lock is held. */
export function holdEventfd(words: Words, address: number): void {
  words.set32(address + HOLDERS, words.get32(address + HOLDERS) + 1);
}

/** The process lock is held. */
export function releaseEventfd(words: Words, address: number): void {
  words.set32(address + HOLDERS, words.get32(address + HOLDERS) - 1);
}

export const countOf = (words: Words, address: number): bigint => Atomics.load(words.u64, address >>> 3);

/** Takes the count, or 1 of it with EFD_SEMAPHORE. @returns it, or -EAGAIN where it is 0 (a read never waits here) */
export function readEventfd(words: Words, address: number): bigint | number {
  const index = (address + COUNT) >>> 3;
  const semaphore = (words.get32(address + FLAGS) & EFD_SEMAPHORE) !== 0;
  for (;;) {
    const count = Atomics.load(words.u64, index);
    if (count === 0n) return -EAGAIN;
    const taken = semaphore ? 1n : count;
    if (Atomics.compareExchange(words.u64, index, count, count - taken) === count) return taken;
  }
}

/** Adds to the count. @returns 0, -EINVAL for all ones, -EAGAIN where it would overflow */
export function writeEventfd(words: Words, address: number, value: bigint): number {
  if (value > MAX_COUNT) return -EINVAL;
  const index = (address + COUNT) >>> 3;
  for (;;) {
    const count = Atomics.load(words.u64, index);
    if (count + value > MAX_COUNT) return -EAGAIN;
    if (Atomics.compareExchange(words.u64, index, count, count + value) === count) return 0;
  }
}
