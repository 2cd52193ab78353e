import { copyFileSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createProject, PACKAGES, run, tarballsIn } from './pack.ts';

const hello = join(import.meta.dirname, '../../examples/hello-vcpu/main.ts');

describe('the packed packages in an empty project', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-pack-'));
  const project = join(folder, 'project');

  beforeAll(() => {
    createProject(project, tarballsIn(inject('tarballs')));
  }, 120_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  describe.each(PACKAGES)('$name', ({ name }) => {
    const installed = join(project, 'node_modules', name);

    test('is imported by its name, from JavaScript', () => {
      const { status, stderr } = run(process.execPath, ['-e', `await import('${name}')`], project);
      expect(stderr).toBe('');
      expect(status).toBe(0);
    });

    test('brings its licence, its sources for the debugger, and no tests', () => {
      expect(existsSync(join(installed, 'LICENSE'))).toBe(true);
      expect(existsSync(join(installed, 'src/index.ts'))).toBe(true);
      expect(globSync('**/*.test.*', { cwd: installed })).toEqual([]);
    });

    test('depends on released versions only', () => {
      expect(readFileSync(join(installed, 'package.json'), 'utf8')).not.toContain('workspace:');
    });
  });

  test('run hello vCPU to its power-off', () => {
    copyFileSync(hello, join(project, 'main.ts'));
    const { status, stdout, stderr } = run(process.execPath, ['main.ts'], project);
    expect(stderr).toBe('');
    expect(stdout).not.toBe('');
    expect(status).toBe(0);
  });
});
