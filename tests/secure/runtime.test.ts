import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createVirtualMachine } from 'vkvm';
import { vkvm } from '../boot/command.ts';
import { caller as kernel, runtimeCode } from './programs.ts';

const secureRuntime = { code: runtimeCode };
const MIB = 1024 * 1024;

describe('a machine with a secure runtime', () => {
  test.each(['kernel', 'exit', 'user'] as const)(
    'counts for the guest, whoever owns PSCI (%s)',
    async (psciOwner) => {
      let printed = '';
      const config = { kernel, secureRuntime, psciOwner, memory: 16 * MIB, smp: 1 };
      const output = (bytes: Uint8Array): void => void (printed += new TextDecoder().decode(bytes));
      using machine = await createVirtualMachine({ ...config, output });
      expect((await machine.run()).kind).toBe('shutdown');
      expect(printed).toBe('12-\n');
    },
  );

  test('begins afresh after a reset', async () => {
    let printed = '';
    const output = (bytes: Uint8Array): void => void (printed += new TextDecoder().decode(bytes));
    using machine = await createVirtualMachine({ kernel, secureRuntime, memory: 16 * MIB, smp: 1, output });
    await machine.run();
    machine.reset();
    await machine.run();
    expect(printed).toBe('12-\n12-\n');
  });

  test('refuses a runtime without code, and one that is too large', async () => {
    const config = { kernel, memory: 16 * MIB, smp: 1, output: () => {} };
    for (const size of [0, 16 * MIB]) {
      const machine = createVirtualMachine({ ...config, secureRuntime: { code: new Uint8Array(size) } });
      await expect(machine).rejects.toThrow('give AArch64 code');
    }
  });

  test.each([
    ['no pages', { base: 0x4000_0800, size: 0x1000, writable: false }],
    ['not in RAM', { base: 0x5000_0000, size: 0x1000, writable: true }],
    ['the runtime’s own', { base: 0x0e00_0000, size: 0x1000, writable: true }],
  ])('refuses grants that are %s', async (_, grant) => {
    const config = { kernel, memory: 16 * MIB, smp: 1, output: () => {} };
    const machine = createVirtualMachine({
      ...config,
      secureRuntime: { code: runtimeCode, grants: [grant] },
    });
    await expect(machine).rejects.toThrow('whole pages of RAM');
  });
});

describe('vkvm run --secure-runtime', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-secure-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('loads the runtime from a file', { timeout: 30_000 }, async () => {
    const files = { kernel: join(folder, 'kernel'), runtime: join(folder, 'runtime') };
    writeFileSync(files.kernel, kernel);
    writeFileSync(files.runtime, runtimeCode);
    const outcome = await vkvm(['run', '--kernel', files.kernel, '--secure-runtime', files.runtime]);
    expect(outcome).toEqual({ status: 0, stdout: '12-\n', stderr: '' });
  });
});
