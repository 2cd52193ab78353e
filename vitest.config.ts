import { defineConfig } from 'vitest/config';

/** Tests that need minutes; `pnpm test` leaves them out, `pnpm test:full` runs them too. */
const full = '**/*.full.test.ts';

/** Tests of the packages as users get them. */
const packed = 'tests/{pack,compat}/**/*.test.ts';

const never = ['**/*.browser.test.ts', '**/node_modules/**', '**/dist/**'];

/** `VKVM_TIER=all pnpm test:tier` runs the guests of tests with all of their code compiled. */
const setupFiles = process.env.VKVM_TIER ? ['./packages/kernel/test/every-tier.ts'] : [];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{packages/*/src,tools,bench}/**/*.test.ts'],
          exclude: [...never, full],
        },
      },
      {
        test: {
          name: 'contract',
          setupFiles,
          include: ['{packages/*/test,tests}/**/*.test.ts'],
          exclude: [...never, full, packed],
        },
      },
      {
        test: {
          name: 'packed',
          globalSetup: ['./tests/pack/setup.ts'],
          include: [packed],
          exclude: never,
        },
      },
      {
        test: {
          name: 'full',
          include: [`{packages,tests,tools,bench}/${full}`],
          exclude: never,
        },
      },
    ],
  },
});
