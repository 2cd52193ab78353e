import { describe, expect, test } from 'vitest';
import { ReplayClock } from './clock.ts';
import { runFor, runToEnd } from './schedule.ts';
import type { Progress, RunResult, VcpuRun } from './vcpu-run.ts';

const NS_PER_MS = 1e6;

/** A vCPU that does at each turn what the test says. */
class ScriptedRun implements Pick<VcpuRun, 'slice' | 'kick' | 'isKicked'> {
  isKicked = false;
  turns = 0;
  readonly #turn: (turn: number) => Progress;
  #isOver = false;

  constructor(turn: (turn: number) => Progress) {
    this.#turn = turn;
  }

  slice(): Progress {
    if (this.#isOver) return 'over';
    const progress = this.#turn((this.turns += 1));
    this.#isOver = progress === 'over';
    return progress;
  }

  kick(): RunResult {
    return { ret: this.#isOver ? 0 : -4, kicked: !this.#isOver };
  }
}

const scripted = (turn: (turn: number) => Progress): VcpuRun & ScriptedRun =>
  new ScriptedRun(turn) as unknown as VcpuRun & ScriptedRun;

describe('a run without real time', () => {
  test('ends by itself, or by a kick when its time is up', () => {
    const clock = new ReplayClock();
    expect(
      runToEnd(
        clock,
        100,
        scripted((turn) => (turn < 3 ? 'busy' : 'over')),
        [],
      ),
    ).toEqual({
      ret: 0,
      kicked: false,
    });
    expect(clock.time).toBeLessThan(100 * NS_PER_MS);
    const spins = scripted(() => 'busy');
    expect(runToEnd(clock, 100, spins, []).kicked).toBe(true);
    expect(spins.turns).toBeLessThan(100);
  });

  test('is over at once where it waits for nothing that can come', () => {
    const clock = new ReplayClock();
    const waits = scripted(() => Infinity);
    expect(runToEnd(clock, 2000, waits, []).kicked).toBe(true);
    expect(waits.turns).toBe(1);
  });

  test('leaps to the moment that a vCPU waits for, if that is in time', () => {
    const clock = new ReplayClock();
    const wait = (milliseconds: number) =>
      scripted((turn) => (turn === 1 ? clock.time + milliseconds * NS_PER_MS : 'over'));
    expect(runToEnd(clock, 100, wait(50), []).kicked).toBe(false);
    expect(clock.time).toBeGreaterThanOrEqual(50 * NS_PER_MS);
    expect(runToEnd(clock, 100, wait(150), []).kicked).toBe(true);
  });

  test('lets other threads run, and looks again at one that they have woken', () => {
    const clock = new ReplayClock();
    let sent = false;
    const waits = scripted(() => (sent ? 'over' : Infinity));
    const sends = scripted(() => {
      sent = true;
      waits.isKicked = true;
      return 'over';
    });
    expect(runToEnd(clock, 100, waits, [sends]).kicked).toBe(false);
  });

  test('leaves threads as they are when time is up', () => {
    const clock = new ReplayClock();
    const spins = scripted(() => 'busy');
    runFor(clock, 10, [spins]);
    expect(spins.turns).toBeGreaterThan(1);
    expect(clock.time).toBeGreaterThanOrEqual(10 * NS_PER_MS);
  });
});
