import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { command } from './command.ts';
import { startCompiler } from './compiler-thread.ts';

vi.mock(import('./compiler-thread.ts'), () => ({
  startCompiler: vi.fn<typeof startCompiler>(() => ({ post: () => undefined, take: () => undefined })),
}));
afterEach(() => vi.clearAllMocks());

const scenario = join(import.meta.dirname, '../../../tests/oracle/scenarios/wfi-timer.json');

test('a guest that is run has a thread that compiles', async () => {
  expect(await command(['start', '--guest', 'builtin'])).toBe(0);
  expect(startCompiler).toHaveBeenCalledOnce();
});

test.each([
  ['replayed', ['replay', scenario, '--profile', 'linux-6.12']],
  ['run the same each time', ['start', '--guest', 'builtin', '--deterministic']],
])('a guest that is %s has none: it would be one for each kernel, or answer at any time', async (_, args) => {
  expect(await command(args)).toBe(0);
  expect(startCompiler).not.toHaveBeenCalled();
});
