/** What a running machine asks of the place it runs in. */

/** Clock, chance and the event loop. */
export interface MachineHost {
  /** Nanoseconds of the clock that the kernel's idle deadlines are on. */
  readonly monotonic: () => number;
  /** Seconds since the epoch, with a fraction. */
  readonly wallClock: () => number;
  /** Fills `bytes` with randomness. */
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Lets the events that have piled up happen. */
  readonly breathe: () => Promise<void>;
  /** Waits until `deadline` on the monotonic clock (`Infinity`: for ever), or until {@link MachineHost.wake}. */
  readonly waitUntil: (deadline: number) => Promise<void>;
  /** Ends a wait. Without one it does nothing. */
  readonly wake: () => void;
}

/** Timers of the event loop are late by up to this; the rest of a wait is spent blocking. Nanoseconds. */
const TIMER_SLACK = 1_500_000;

/**
 * Start of vkvm's monotonic clock, milliseconds since 1970: 2026-01-01. Clocks of different threads start at different
 * moments (`timeOrigin`); counted from a common one they agree, and nanoseconds are still exact to a few units.
 */
const CLOCK_EPOCH = 1_767_225_600_000;

/** A host made of what every JavaScript platform has. */
export function createMachineHost(): MachineHost {
  const origin = (performance.timeOrigin - CLOCK_EPOCH) * 1e6;
  const monotonic = (): number => origin + performance.now() * 1e6;
  const breathe = createBreathe();
  let wakeUp = (): void => {};

  const sleep = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = Number.isFinite(milliseconds)
        ? setTimeout(done, milliseconds)
        : setInterval(() => {}, 2 ** 30);
      function done(): void {
        clearTimeout(timer);
        wakeUp = () => {};
        resolve();
      }
      wakeUp = done;
    });

  return {
    monotonic,
    wallClock: () => Date.now() / 1000,
    random: (bytes) => void crypto.getRandomValues(bytes),
    breathe,
    waitUntil: async (deadline) => {
      const remaining = deadline - monotonic();
      if (remaining > TIMER_SLACK)
        return sleep(Math.min(Math.floor((remaining - TIMER_SLACK) / 1e6) + 1, 2 ** 30));
      if (remaining > 0) pause(remaining);
      return breathe();
    },
    wake: () => wakeUp(),
  };
}

const pauseWord =
  typeof SharedArrayBuffer === 'undefined' ? undefined : new Int32Array(new SharedArrayBuffer(4));

/** Blocks for a time too short for a timer; where a thread may not block it returns at once. */
function pause(nanoseconds: number): void {
  if (pauseWord === undefined) return;
  try {
    Atomics.wait(pauseWord, 0, 0, nanoseconds / 1e6);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the main thread of a page
  }
}

/** A turn of the event loop without the delay that timers have. */
function createBreathe(): () => Promise<void> {
  if (typeof setImmediate === 'function') return () => new Promise((resolve) => setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  let resume = (): void => {};
  port1.onmessage = () => resume();
  return () =>
    new Promise((resolve) => {
      resume = resolve;
      port2.postMessage(0);
    });
}
