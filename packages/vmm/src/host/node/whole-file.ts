/** Files that are read as a whole. */
import { closeSync, fstatSync, openSync, read, readFile } from 'node:fs';

/** Most bytes that Node reads at once. */
const READ_MAX = 0x7fff_ffff;

/** What a function of Node's calls back with. */
const answerOf = <T>(call: (done: (error: Error | null, answer: T) => void) => void): Promise<T> =>
  new Promise((resolve, reject) => call((error, answer) => (error ? reject(error) : resolve(answer))));

/**
 * Reads a file with one request, where Node's own functions make one for each half of a megabyte. It is under way when
 * this returns: the caller need not let events happen meanwhile. Of what has no size, such as a pipe, each piece is one.
 */
export async function readWholeFile(path: string): Promise<Uint8Array> {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size > 0 && size <= READ_MAX) {
      const bytes = new Uint8Array(size);
      const length = await answerOf<number>((done) => read(fd, bytes, 0, size, 0, done));
      if (length === size) return bytes;
    }
    return await answerOf<Uint8Array>((done) => readFile(fd, done));
  } finally {
    closeSync(fd);
  }
}
