/** The interpreter and compiled code side by side while a Linux boots: what each step leaves is the same. */
import { createKernel, type Tier } from '@vkvm/kernel';
import { createMachine, createProcess, encodeScript, processSize } from '@vkvm/vmm';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { debianGuest, type Guest } from '../boot/command.ts';
import { Lockstep, type Side } from './lockstep.ts';

const debian = await debianGuest('cloud');

const MEMORY = 256 * 2 ** 20;
/** Instructions from one comparison to the next: compiled code has to be left there, wherever it is. */
const SLICE = 500;
/** Comparisons, if there shall be more or fewer. */
const WANTED = process.env.VKVM_LOCKSTEP;

describe.skipIf(typeof debian === 'string')('over the boot of a Linux', () => {
  // VKVM_LOCKSTEP=Infinity compares all of it, which takes ten minutes for the first.
  test.each<readonly [tier: Tier, runs: number]>([
    ['all', 50_000],
    ['evict', 5000],
  ])('what tier %s leaves is what the interpreter leaves', { timeout: 7_200_000 }, async (tier, few) => {
    const runs = Number(WANTED ?? few);
    const { kernel, initrd } = debian as Guest;
    const config = {
      kernel: await readFile(kernel),
      initrd: await readFile(initrd),
      bootargs: `console=ttyAMA0 ${encodeScript('sha256sum /init')}`,
      memory: MEMORY,
      smp: 1,
      deterministic: true,
      output: () => undefined,
    };
    const side = (choice: Tier): Side => {
      const process = createProcess({ size: processSize(config), shared: false });
      return { process, syscalls: createKernel({ tier: choice }).attach(process) };
    };
    const sides = [side('none'), side(tier)] as const;
    const lockstep = new Lockstep(sides, {
      slice: SLICE,
      thorough: 1000,
      afterRun: (done) => {
        if (done === runs) machine.stop();
      },
    });
    using machine = await createMachine({ syscalls: lockstep, process: sides[0].process, config });
    const { kind } = await machine.run();
    lockstep.compareMemory();
    expect(kind).toBe(Number.isFinite(runs) ? 'stopped' : 'shutdown');
  });
});
