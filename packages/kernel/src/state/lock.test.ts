import { describe, expect, test } from 'vitest';

import { InternalError } from './internal-error.ts';
import { lock, lockOrRefuse, tryLock, unlock, withLock } from './lock.ts';
import { Words } from './words.ts';

const ADDRESS = 64;

/** @param onWait - what happens elsewhere while this thread waits; false = this thread may not wait */
function setUp(shared: boolean, onWait: () => boolean = () => false) {
  const words = new Words(new WebAssembly.Memory({ initial: 1, maximum: 1, shared }));
  const wakes: number[] = [];
  const host = { wait: onWait, wake: (_: Int32Array, index: number) => void wakes.push(index) };
  return { words, wakes, host: host as unknown as Parameters<typeof lock>[2] };
}

describe.each([false, true])('a lock (shared memory: %s)', (shared) => {
  test('is held by one, until it is given back', () => {
    const { words, host } = setUp(shared);
    expect(tryLock(words, ADDRESS)).toBe(true);
    expect(tryLock(words, ADDRESS)).toBe(false);
    unlock(words, ADDRESS, host);
    expect(tryLock(words, ADDRESS)).toBe(true);
  });

  test('is given back when its body throws', () => {
    const { words, host } = setUp(shared);
    expect(() =>
      withLock(words, ADDRESS, host, () => {
        throw new RangeError('on purpose');
      }),
    ).toThrow('on purpose');
    expect(tryLock(words, ADDRESS)).toBe(true);
  });

  test('is refused to a thread that may not wait', () => {
    const { words, host } = setUp(shared);
    lock(words, ADDRESS, host);
    expect(lockOrRefuse(words, ADDRESS, host)).toBe(false);
  });
});

describe('a lock that is waited for', () => {
  test('wakes who waits, and only then', () => {
    const { words, wakes, host } = setUp(true, () => {
      unlock(words, ADDRESS, host);
      return true;
    });
    lock(words, ADDRESS, host);
    unlock(words, ADDRESS, host);
    expect(wakes).toEqual([]);
    lock(words, ADDRESS, host);
    expect(lockOrRefuse(words, ADDRESS, host)).toBe(true);
    expect(wakes).toEqual([ADDRESS / 4]);
  });

  test('by the one thread of its memory is a mistake of ours', () => {
    const { words, host } = setUp(false);
    lock(words, ADDRESS, host);
    expect(() => lock(words, ADDRESS, host)).toThrow(InternalError);
  });
});
