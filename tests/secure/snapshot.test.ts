/** A machine with a secure runtime, saved and restored. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSnapshot } from '@vkvm/vmm';
import { afterAll, describe, expect, test } from 'vitest';
import { vkvm } from '../boot/command.ts';
import { Traveller, sectionsOf } from '../snapshot/travel.ts';
import { SAVED_OUTPUT, runtimeCode, saved } from './programs.ts';

const secureRuntime = {
  code: runtimeCode,
  budget: 5000,
  grants: [{ base: 0x4070_0000, size: 0x1000, writable: true }],
};

/** Of a snapshot, what is about the runtime. */
const secureSections = (snapshot: Uint8Array): unknown[] =>
  sectionsOf(snapshot).filter(({ type }) => ['CONF', 'SCOD', 'SCPU', 'SRAM'].includes(type));

describe('a machine with a secure runtime', { timeout: 60_000 }, () => {
  test.each(['kernel', 'exit', 'user'] as const)(
    'goes on in another process at every stop, whoever owns PSCI (%s)',
    async (psciOwner) => {
      const traveller = await Traveller.start(saved, { secureRuntime, psciOwner });
      let stops = 0;
      while ((await traveller.step()).kind === 'paused') {
        await traveller.goOn(await traveller.save());
        stops += 1;
      }
      expect(traveller.output).toBe(SAVED_OUTPUT);
      expect(stops).toBeGreaterThan(4);
    },
  );

  test('is the same after it was restored: code, budget, grants, registers and memory', async () => {
    const traveller = await Traveller.start(saved, { secureRuntime });
    while (!traveller.output.includes('c')) await traveller.step();
    const before = await traveller.save();
    expect(secureSections(before)).toHaveLength(4);
    await traveller.goOn(before);
    expect(secureSections(await traveller.save())).toEqual(secureSections(before));
    await using snapshot = await openSnapshot([before]);
    const { budget, grants } = secureRuntime;
    expect(snapshot.config.secureRuntime).toEqual({ budget, grants });
  });

  test('begins afresh when it is reset after it was restored', async () => {
    const traveller = await Traveller.start(saved, { secureRuntime });
    while (!traveller.output.includes('c')) await traveller.step();
    await traveller.goOn(await traveller.save());
    traveller.place.machine.reset();
    traveller.output = '';
    await traveller.place.machine.run();
    expect(traveller.output).toBe(SAVED_OUTPUT);
  });

  test('goes on with a kernel that behaves as another Linux', async () => {
    const traveller = await Traveller.start(saved, { secureRuntime, profile: 'linux-6.12' });
    while (!traveller.output.includes('c')) await traveller.step();
    await traveller.goOn(await traveller.save(), { profile: 'linux-7.3', dropSafe: true });
    await traveller.place.machine.run();
    expect(traveller.output).toBe(SAVED_OUTPUT);
  });
});

describe('vkvm save --secure-runtime', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vkvm-secure-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('writes a file that vkvm restore goes on with', { timeout: 60_000 }, async () => {
    const files = { kernel: join(folder, 'kernel'), runtime: join(folder, 'runtime') };
    const file = join(folder, 'guest.vkvm');
    writeFileSync(files.kernel, saved);
    writeFileSync(files.runtime, runtimeCode);
    const boot = ['--kernel', files.kernel, '--secure-runtime', files.runtime];
    const first = await vkvm(['save', file, '--at', '21', ...boot]);
    expect(first).toMatchObject({ status: 0 });
    const second = await vkvm(['restore', file]);
    expect(second).toMatchObject({ status: 0, stderr: '' });
    // The command grants nothing: the guest finds its page as it was, all zero.
    expect(first.stdout + second.stdout).toBe(SAVED_OUTPUT.replaceAll(/[a-f]/g, '\0'));
  });
});
