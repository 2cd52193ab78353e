import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProject, run } from '../pack/pack.ts';

/** The revisions whose packages are kept here, as users have installed them. */
const REVISIONS = globSync('r*', { cwd: import.meta.dirname });
const hello = join(import.meta.dirname, '../../examples/hello-vcpu/main.ts');

describe.each(REVISIONS)('the packages of ABI revision %s', (revision) => {
  const kept = join(import.meta.dirname, revision);
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-compat-'));
  const project = join(folder, 'project');

  beforeAll(() => {
    const tarballs = globSync('*.tgz', { cwd: kept }).map((name) => join(kept, name));
    createProject(project, tarballs);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test('are four', () => {
    expect(globSync('*.tgz', { cwd: kept })).toHaveLength(4);
  });

  test('run hello vCPU', () => {
    writeFileSync(join(project, 'main.ts'), readFileSync(hello));
    const { status, stdout, stderr } = run(process.execPath, ['main.ts'], project);
    expect(stderr).toBe('');
    expect(stdout).toBe('Hi\nThe guest powered off.\n');
    expect(status).toBe(0);
  });

  test('carry the ledger of their revision, which the sources still have unchanged', () => {
    const ledger = `abi/${revision}.json`;
    const installed = readFileSync(join(project, 'node_modules/@vkvm/uapi', ledger), 'utf8');
    expect(JSON.parse(installed)).toEqual(
      JSON.parse(readFileSync(join(import.meta.dirname, '../../packages/uapi', ledger), 'utf8')),
    );
  });
});
