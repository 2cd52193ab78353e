import { PROFILES, releaseNumber } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { PROFILE, formatArena } from './arena.ts';
import { holds, isOneOf, releases, since } from './profile.ts';
import { Words } from './words.ts';

function inProfile(name: string): { readonly words: Words } {
  const words = new Words(new WebAssembly.Memory({ initial: 64, maximum: 64 }));
  formatArena(words, PROFILES.find((row) => row.name === name)!.number);
  return { words };
}

describe('the profile of a process', () => {
  test('is the newest unless another is chosen', () => {
    const words = new Words(new WebAssembly.Memory({ initial: 64, maximum: 64 }));
    formatArena(words);
    expect(words.get32(PROFILE)).toBe(releaseNumber('7.3'));
  });

  test('is in the ranges that include its release', () => {
    const memory = inProfile('linux-6.1');
    expect(holds(memory, releases({}))).toBe(true);
    expect(holds(memory, releases({ since: '6.1' }))).toBe(true);
    expect(holds(memory, releases({ until: '6.1' }))).toBe(false);
    expect(holds(memory, releases({ since: '5.10', until: '6.12' }))).toBe(true);
    expect(holds(memory, releases({ since: '6.4' }))).toBe(false);
    expect(since(memory, releaseNumber('5.18'))).toBe(true);
    expect(since(memory, releaseNumber('6.4'))).toBe(false);
  });

  test('is told apart by name where fixes came out of order', () => {
    const memory = inProfile('linux-6.12');
    expect(isOneOf(memory, ['linux-5.10', 'linux-6.12'])).toBe(true);
    expect(isOneOf(memory, ['linux-6.1', 'linux-7.3'])).toBe(false);
  });
});
