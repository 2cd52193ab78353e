import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { KINDS, measure } from './measure.ts';

/* A tenth of what `pnpm memory` runs. */
const FUNCTIONS = 20_000;

const isKnown = existsSync('/proc/self/status');

test.skipIf(!isKnown).each(Object.entries(KINDS))(
  'RAM that is touched, and hot functions without end: %s',
  { timeout: 300_000 },
  async (_, kind) => {
    const { status, regions, peak, bound, stderr } = await measure({ count: FUNCTIONS, ...kind });
    expect(status, stderr).toBe(0);
    expect(regions).toBeGreaterThanOrEqual(FUNCTIONS);
    expect(peak).toBeLessThanOrEqual(bound);
  },
);
