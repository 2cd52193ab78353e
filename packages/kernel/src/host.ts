/** What the kernel needs of the platform. Every field has a default made of globals only, in Node and in browsers. */
export interface Host {
  /** Monotonic time in nanoseconds since some fixed instant, the same for all threads of the process. */
  now(): number;
  /** Wall-clock time in nanoseconds since 1970 (for PTP and stolen time). */
  realTime(): bigint;
  /**
   * Waits until the word at `index` of `words` differs from `seen`, a notify, or the monotonic `deadline` (ns; Infinity
   * = none).
   * @returns false where this thread may not wait
   */
  wait(words: Int32Array, index: number, seen: number, deadline: number): boolean;
  /** Wakes every thread that waits on the word. */
  wake(words: Int32Array, index: number): void;
  /** Fills with cryptographically random bytes (TRNG, RNDR). */
  random(bytes: Uint8Array<ArrayBuffer>): void;
  /** A line for the developer: an instruction that is not implemented, a guest that wedges. At most one a cause. */
  report(message: string): void;
}

const MS = 1e6;
/** 2026-01-01 in ms since 1970: near enough that nanoseconds since it are exact to a few units in a double. */
const EPOCH_MS = 1_767_225_600_000;

export function defaultHost(): Host {
  // performance.timeOrigin differs between threads; its sum with now() does not.
  const origin = (performance.timeOrigin - EPOCH_MS) * MS;
  return {
    now: () => origin + performance.now() * MS,
    realTime: () => BigInt(Date.now()) * 1_000_000n,
    wait(words, index, seen, deadline) {
      const left = deadline === Infinity ? Infinity : Math.max(0, (deadline - this.now()) / MS);
      try {
        Atomics.wait(words, index, seen, left);
        return true;
      } catch {
        return false; // a TypeError: unshared memory, or the thread of a page
      }
    },
    wake: (words, index) => void Atomics.notify(words, index),
    random: (bytes) => void crypto.getRandomValues(bytes),
    report: () => undefined,
  };
}
