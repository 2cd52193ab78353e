/** The test of both sides, for some programs or for all. */
import { expect, test } from 'vitest';
import type { Program } from './programs.ts';
import { missingTool, runInGuest, runOnReference, userlandGuest } from './sides.ts';

/** Defines the test: every program ends well, and its output has the same bytes on both sides. */
export function testPrograms(programs: readonly Program[]): void {
  test('give what they give on the reference', { timeout: 300_000 }, async (context) => {
    const missing = missingTool();
    if (missing !== undefined) return context.skip(`${missing} is not installed`);
    const guest = await userlandGuest();
    if (typeof guest === 'string') return context.skip(guest);
    const [inGuest, expected] = [await runInGuest(guest, programs), runOnReference(guest, programs)];
    for (const [i, { name }] of programs.entries()) {
      expect(inGuest[i], name).toEqual(expected[i]);
      expect(expected[i]!.status, name).toBe(0);
    }
  });
}
