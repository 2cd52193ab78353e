import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { windowPattern } from '../../packages/kernel/test/cpu-state.ts';
import { evaluatorEngine } from '../../packages/kernel/test/engine.ts';
import { interpreterEngine } from '../../packages/kernel/test/interpreter-engine.ts';
import { Reference } from '../vectors/reference.ts';
import { CHUNK_CASES, chunkOf } from './cases.ts';
import { compareCases, type Contender } from './compare.ts';

const hasReference = (): boolean =>
  ['aarch64-linux-gnu-gcc', 'qemu-aarch64-static'].every(
    (name) => spawnSync(name, ['--version']).error === undefined,
  );

test('a short campaign finds nothing', { timeout: 300_000 }, (context) => {
  if (!hasReference()) return context.skip('gcc-aarch64-linux-gnu or qemu-user-static is not installed');
  using reference = new Reference();
  const contenders: readonly Contender[] = [
    { engine: interpreterEngine(), every: 1 },
    { engine: evaluatorEngine(), every: 2 },
  ];
  for (const { engine } of contenders) engine.window.set(windowPattern());
  for (const chunk of [0, 1, 2, 3]) {
    const { instructions, mismatches } = compareCases(reference, contenders, chunkOf(1, chunk));
    expect(mismatches).toEqual([]);
    expect(instructions).toBeGreaterThan(CHUNK_CASES);
  }
});
