/** Directories of the host as entries of an archive. */
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { CpioEntry } from '../../guest/cpio.ts';

/**
 * Everything below a directory, parents first, in the order of names. Sockets and devices are left out.
 *
 * @param isWanted - asked with each path, relative and without a leading slash; below a directory it does not want
 *   nothing is read
 */
export async function readTree(root: string, isWanted: (path: string) => boolean): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  const visit = async (path: string): Promise<void> => {
    const full = join(root, path);
    const stat = await lstat(full);
    const mode = stat.mode & 0o7777;
    if (stat.isSymbolicLink()) entries.push({ kind: 'link', path, target: await readlink(full) });
    else if (stat.isFile()) entries.push({ kind: 'file', path, mode, data: await readFile(full) });
    else if (stat.isDirectory()) {
      if (path !== '') entries.push({ kind: 'directory', path, mode });
      for (const name of (await readdir(full)).toSorted()) {
        const below = path === '' ? name : `${path}/${name}`;
        if (isWanted(below)) await visit(below);
      }
    }
  };
  await visit('');
  return entries;
}
