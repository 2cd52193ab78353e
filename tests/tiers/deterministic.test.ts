/** `--deterministic`: two runs are one, in every tier. */
import { expect, test } from 'vitest';
import { vkvm } from '../boot/command.ts';

const TIERS = ['none', 'none', 'hot', 'all', 'evict'];

/** Instructions that each vCPU has retired. */
const retired = (stderr: string): string[] => stderr.match(/\d+ instructions:/g) ?? [];

test('the built-in guest prints the same each time, times included', { timeout: 60_000 }, async () => {
  const options = ['--guest', 'builtin', '--smp', '2', '--deterministic', '--stats'];
  const outcomes = await Promise.all(
    TIERS.map((tier) => vkvm(['start', ...options], { env: { VKVM_TIER: tier }, input: 'not read' })),
  );
  // Its timer has a period of 10 ms, and nothing else takes that long.
  expect(outcomes[0]!.stdout).toContain('5 timer interrupts in 50 ms');
  expect(retired(outcomes[0]!.stderr)).toHaveLength(2);
  for (const { status, stdout, stderr } of outcomes) {
    expect([status, stdout]).toEqual([0, outcomes[0]!.stdout]);
    expect(retired(stderr)).toEqual(retired(outcomes[0]!.stderr));
  }
});
