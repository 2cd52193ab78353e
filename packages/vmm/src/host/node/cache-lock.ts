/** One process at a time fills the cache: apt's lists are one directory, and the second finds what the first has put. */
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds between two looks at a lock that another process has. */
const POLL = 100;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** Makes the file with our process id in it. @returns false if there is one */
async function tryLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Drops the lock of a process that is gone. */
async function dropStale(path: string): Promise<void> {
  const holder = Number(await readFile(path, 'utf8').catch(() => ''));
  // 0: it is just being written, or just gone.
  if (holder !== 0 && !isAlive(holder)) await rm(path, { force: true });
}

/**
 * Waits until no other process has the lock.
 *
 * @param onWait - called once if it must wait
 * @returns gives the lock back when disposed of
 */
export async function lockCache(cache: string, onWait: () => void): Promise<AsyncDisposable> {
  await mkdir(cache, { recursive: true });
  const path = join(cache, 'lock');
  for (let isFirst = true; !(await tryLock(path)); isFirst = false) {
    if (isFirst) onWait();
    await dropStale(path);
    await pause(POLL);
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/** Where something is kept, and whom to tell. */
export interface CacheOptions {
  readonly cache: string;
  readonly progress: (line: string) => void;
  /** Fetch it even if it is there. */
  readonly refresh: boolean;
}

/** What `read` finds in the cache, or else what `fetch` puts there; no two processes fetch at once. */
export async function cachedOr<T>(
  { cache, progress, refresh }: CacheOptions,
  read: () => Promise<T | undefined>,
  fetch: () => Promise<T>,
): Promise<T> {
  const find = async (): Promise<T | undefined> => (refresh ? undefined : read());
  const found = await find();
  if (found !== undefined) return found;
  const lock = await lockCache(cache, () => progress('waiting for another vkvm that fetches packages'));
  try {
    return (await find()) ?? (await fetch());
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}
