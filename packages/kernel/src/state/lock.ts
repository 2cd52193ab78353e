/**
 * Locks as words of the process memory: 0 free, 1 held, 2 held and waited for.
 *
 * Order: VM_LOCK → VCPU_MUTEX → STATE_LOCK → VGIC_LOCK; the process lock (arena.ts) is taken last and alone. In guest code
 * only the vCPU's own mutex is held, and in a call of a secure runtime that of its vCPU.
 */
import type { Host } from '../host.ts';
import { InternalError } from './internal-error.ts';
import type { Words } from './words.ts';

export const FREE = 0;
export const HELD = 1;
const CONTENDED = 2;

/** @returns whether the lock was free and is now held */
export function tryLock(words: Words, address: number): boolean {
  if (!words.isShared) {
    if (words.get32(address) !== FREE) return false;
    words.set32(address, HELD);
    return true;
  }
  return Atomics.compareExchange(words.i32, address >>> 2, FREE, HELD) === FREE;
}

/**
 * Takes a lock, waiting for its holder.
 * @returns false if the lock is held and this thread may not wait; nothing is taken then
 */
export function lockOrRefuse(words: Words, address: number, host: Host): boolean {
  if (tryLock(words, address)) return true;
  if (!words.isShared) return false;
  const index = address >>> 2;
  while (Atomics.exchange(words.i32, index, CONTENDED) !== FREE) {
    if (!host.wait(words.i32, index, CONTENDED, Infinity)) return false;
  }
  return true;
}

/**
 * Takes a lock that is held for a moment only; a thread that may not wait spins.
 * @throws InternalError if nobody else can hold it: the memory has one thread
 */
export function lock(words: Words, address: number, host: Host): void {
  while (!lockOrRefuse(words, address, host)) {
    if (words.memory.buffer instanceof ArrayBuffer)
      throw new InternalError(`lock ${address.toString(16)} taken twice`);
  }
}

export function unlock(words: Words, address: number, host: Host): void {
  if (!words.isShared) {
    words.set32(address, FREE);
    return;
  }
  const index = address >>> 2;
  if (Atomics.exchange(words.i32, index, FREE) === CONTENDED) host.wake(words.i32, index);
}

/** Runs `body` while the lock is held. */
export function withLock<T>(words: Words, address: number, host: Host, body: () => T): T {
  lock(words, address, host);
  try {
    return body();
  } finally {
    unlock(words, address, host);
  }
}
