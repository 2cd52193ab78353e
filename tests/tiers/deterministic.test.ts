/** `--deterministic`: two runs are one, in every tier. */
import { expect, test } from 'vitest';
import { vkvm } from '../boot/command.ts';

const TIERS = ['none', 'none', 'hot', 'all'];

test('the built-in guest prints the same each time, times included', { timeout: 60_000 }, async () => {
  const options = ['--guest', 'builtin', '--smp', '2', '--deterministic'];
  const outcomes = await Promise.all(
    TIERS.map((tier) => vkvm(['start', ...options], { env: { VKVM_TIER: tier }, input: 'not read' })),
  );
  // Its timer has a period of 10 ms, and nothing else takes that long.
  expect(outcomes[0]!.stdout).toContain('5 timer interrupts in 50 ms');
  for (const outcome of outcomes) expect(outcome).toEqual({ ...outcomes[0], status: 0, stderr: '' });
});
