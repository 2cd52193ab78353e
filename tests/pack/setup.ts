/** Packs the packages once for all tests that need them packed: a build empties the folders that another would pack. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { packPackages } from './pack.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder with the tarballs of all packages, as they are now. */
    readonly tarballs: string;
  }
}

/** @returns what removes the tarballs */
export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-packed-'));
  packPackages(folder);
  project.provide('tarballs', folder);
  return () => rmSync(folder, { recursive: true });
}
