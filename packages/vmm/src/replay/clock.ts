/** Time that passes only as a replay lets it: the same in each run, and no test waits. */

/** Nanoseconds that pass while the clock is read: whoever polls it sees it move. */
const TICK = 100;

/** The monotonic clock of a replayed kernel. */
export class ReplayClock {
  #now = 0;

  #tick = TICK;

  #interruption: (() => void) | undefined;

  /** Nanoseconds. Give it to the kernel as its clock. */
  readonly now = (): number => {
    const interruption = this.#interruption;
    this.#interruption = undefined;
    interruption?.();
    return (this.#now += this.#tick);
  };

  /** Has something happen when the kernel looks at the clock next: while it is in the middle of what it does. */
  interrupt(action: () => void): void {
    this.#interruption = action;
  }

  /** Whether an interruption has not happened yet. */
  get isInterruptionDue(): boolean {
    return this.#interruption !== undefined;
  }

  /** The time, without letting any pass. */
  get time(): number {
    return this.#now;
  }

  /** Does what takes no time: a counter that is set and read in it has not moved. */
  still<T>(action: () => T): T {
    this.#tick = 0;
    try {
      return action();
    } finally {
      this.#tick = TICK;
    }
  }

  /** Lets time pass. */
  advance(nanoseconds: number): void {
    this.#now += nanoseconds;
  }

  /** Lets time pass up to a moment; one in the past is no matter. */
  advanceTo(nanoseconds: number): void {
    this.#now = Math.max(this.#now, nanoseconds);
  }
}
