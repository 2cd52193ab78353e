import { describe, expect, test } from 'vitest';
import { createMachineHost } from './host.ts';

describe('createMachineHost', () => {
  test('ends a wait at its deadline, neither earlier nor much later', async () => {
    const { monotonic, waitUntil } = createMachineHost();
    for (const delay of [0, 200_000, 3_000_000]) {
      const deadline = monotonic() + delay;
      while (monotonic() < deadline) await waitUntil(deadline);
      expect(monotonic() - deadline).toBeLessThan(500_000_000);
    }
  });

  test('ends a wait without a deadline when it is woken', async () => {
    const { waitUntil, wake } = createMachineHost();
    const wait = waitUntil(Infinity);
    wake();
    await expect(wait).resolves.toBeUndefined();
    wake(); // with nobody waiting it does nothing
  });

  test('lets events happen when it breathes', async () => {
    const { breathe } = createMachineHost();
    const events: string[] = [];
    setTimeout(() => events.push('timer'), 0);
    while (events.length === 0) await breathe();
    expect(events).toEqual(['timer']);
  });

  test('counts the monotonic clock from 2026 in nanoseconds', () => {
    const { monotonic, wallClock } = createMachineHost();
    const since2026 = wallClock() - Date.UTC(2026, 0, 1) / 1000;
    expect(Math.abs(monotonic() / 1e9 - since2026)).toBeLessThan(3600);
  });
});
