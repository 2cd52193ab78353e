import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockCache } from './cache-lock.ts';

let cache: string;
beforeEach(() => void (cache = mkdtempSync(join(tmpdir(), 'vkvm-lock-'))));
afterEach(() => rmSync(cache, { recursive: true }));

const never = (): void => {
  throw new Error('it waits');
};

describe('lockCache', () => {
  test('makes the second wait until the first is done', async () => {
    const first = await lockCache(cache, never);
    const order: string[] = [];
    let waits: () => void;
    const waiting = new Promise<void>((resolve) => (waits = resolve));
    const lockAgain = async (): Promise<void> => {
      const lock = await lockCache(cache, () => waits());
      order.push('second');
      await lock[Symbol.asyncDispose]();
    };
    const second = lockAgain();
    await waiting;
    order.push('first');
    await first[Symbol.asyncDispose]();
    await second;
    expect(order).toEqual(['first', 'second']);
    expect(existsSync(join(cache, 'lock'))).toBe(false);
  });

  test('does not wait for a process that is gone', async () => {
    const { pid } = spawnSync('true');
    writeFileSync(join(cache, 'lock'), String(pid));
    const lock = await lockCache(cache, () => {});
    expect(readFileSync(join(cache, 'lock'), 'utf8')).toBe(String(process.pid));
    await lock[Symbol.asyncDispose]();
  });

  test('makes the cache, and says why if it cannot', async () => {
    await (await lockCache(join(cache, 'new/one'), never))[Symbol.asyncDispose]();
    writeFileSync(join(cache, 'file'), '');
    await expect(lockCache(join(cache, 'file/in'), never)).rejects.toThrow('ENOTDIR');
  });
});
