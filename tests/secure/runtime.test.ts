import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createVirtualMachine } from 'vkvm';
import { vkvm } from '../boot/command.ts';
import { imageOf } from './image.ts';

const words = (path: string): Uint8Array => {
  const text = readFileSync(join(import.meta.dirname, path), 'utf8');
  const lines = text.split('\n').filter((line) => /^[0-9a-f]{8} /.test(line));
  return new Uint8Array(Uint32Array.from(lines, (line) => Number.parseInt(line, 16)).buffer);
};

const secureRuntime = words('../../packages/kernel/test/guest/secure-runtime.hex');
const kernel = imageOf(words('caller.hex'));
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

  test('is not saved as if it had none', async () => {
    const config = { kernel, secureRuntime, memory: 16 * MIB, smp: 1, output: () => {} };
    using machine = await createVirtualMachine(config);
    await expect(machine.save(() => {})).rejects.toThrow('cannot be saved');
  });

  test('refuses a runtime without code, and one that is too large', async () => {
    const config = { kernel, memory: 16 * MIB, smp: 1, output: () => {} };
    for (const size of [0, 16 * MIB]) {
      const machine = createVirtualMachine({ ...config, secureRuntime: new Uint8Array(size) });
      await expect(machine).rejects.toThrow('give AArch64 code');
    }
  });
});

describe('vkvm run --secure-runtime', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-secure-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('loads the runtime from a file', { timeout: 30_000 }, async () => {
    const files = { kernel: join(folder, 'kernel'), runtime: join(folder, 'runtime') };
    writeFileSync(files.kernel, kernel);
    writeFileSync(files.runtime, secureRuntime);
    const outcome = await vkvm(['run', '--kernel', files.kernel, '--secure-runtime', files.runtime]);
    expect(outcome).toEqual({ status: 0, stdout: '12-\n', stderr: '' });
  });
});
