import { describe, expect, test } from 'vitest';
import { ReplayClock } from './clock.ts';

describe('the clock of a replay', () => {
  test('moves when it is read, and when it is told to', () => {
    const clock = new ReplayClock();
    expect(clock.now()).toBeLessThan(clock.now());
    clock.advanceTo(5000);
    expect(clock.time).toBe(5000);
    clock.advanceTo(10);
    clock.advance(10);
    expect(clock.time).toBe(5010);
  });

  test('stands still for what takes no time', () => {
    const clock = new ReplayClock();
    const [before, after] = clock.still(() => [clock.now(), clock.now()] as const);
    expect(after).toBe(before);
    expect(clock.now()).toBeGreaterThan(after);
  });

  test('interrupts who reads it, once', () => {
    const clock = new ReplayClock();
    let count = 0;
    clock.interrupt(() => (count += 1));
    expect(clock.isInterruptionDue).toBe(true);
    clock.now();
    clock.now();
    expect(count).toBe(1);
    expect(clock.isInterruptionDue).toBe(false);
  });
});
