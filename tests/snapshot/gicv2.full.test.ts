import { readFileSync } from 'node:fs';
import { createKernel } from '@vkvm/kernel';
import {
  createMachine,
  createProcess,
  encodeScript,
  openSnapshot,
  processSize,
  restoreMachine,
} from '@vkvm/vmm';
import type { MachineConfig } from '@vkvm/vmm';
import { expect, test } from 'vitest';
import { debianGuest } from '../boot/command.ts';

const guest = await debianGuest('cloud');

const start = (config: Pick<MachineConfig, 'memory' | 'smp'>) => {
  const process = createProcess({ size: processSize(config), shared: false });
  return { process, syscalls: createKernel().attach(process) };
};

test.skipIf(typeof guest === 'string')(
  'Debian on a GICv2 with two CPUs goes on after it was saved',
  { timeout: 120_000 },
  async () => {
    const { kernel, initrd } = guest as Exclude<typeof guest, string>;
    let output = '';
    const print = (bytes: Uint8Array): void => void (output += new TextDecoder().decode(bytes));
    const config: MachineConfig = {
      kernel: readFileSync(kernel),
      initrd: readFileSync(initrd),
      bootargs: `console=ttyAMA0 quiet ${encodeScript('for i in 1 2 3 4; do echo turn $i; sleep 0.1; done; grep GIC /proc/interrupts')}`,
      memory: 256 * 1024 * 1024,
      smp: 2,
      gicVersion: 2,
      output: (bytes) => {
        print(bytes);
        if (output.includes('turn 2')) machine.pause();
      },
    };
    const parts: Uint8Array[] = [];
    using machine = await createMachine({ ...start(config), config });
    expect(await machine.run()).toEqual({ kind: 'paused' });
    await machine.save((bytes) => void parts.push(bytes));

    await using snapshot = await openSnapshot(parts);
    using again = await restoreMachine({ ...start(snapshot.config), snapshot, output: print });
    expect(await again.run()).toEqual({ kind: 'shutdown' });
    expect(output).toMatch(/turn 1\s+turn 2\s+turn 3\s+turn 4/);
    expect(output).toMatch(/GIC-0\s+27 Level\s+arch_timer/);
  },
);
