import {
  EINTR,
  EINVAL,
  KVM_CREATE_DEVICE,
  KVM_EXIT_MMIO,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_PTIMER_CTL,
  KVM_REG_ARM_PTIMER_CVAL,
  KVM_REG_ARM_TIMER_CNT,
  KVM_SET_MP_STATE,
  SYSREGS,
  ENODEV,
  kvmRun,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeKernel, idle, mmio } from '../../test/fake-kernel.ts';
import { builtinGuest } from '../guest/builtin.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import { createProcess } from '../kvm/process.ts';
import { MIB } from '../loader/ram.ts';
import type { MachineHost } from '../machine/host.ts';
import { createMachine } from '../machine/machine.ts';
import { restoreMachine } from './restore.ts';
import type { RestoreParts } from './restore.ts';
import { openSnapshot } from './snapshot.ts';

const host: MachineHost = {
  monotonic: () => 0,
  wallClock: () => 1_700_000_000,
  random: (bytes) => void bytes.fill(7),
  breathe: async () => {},
  waitUntil: async () => {},
  wake: () => {},
};
const config = { kernel: builtinGuest(), memory: 8 * MIB, smp: 2, bootargs: 'quiet', output: () => {} };

/** Saves a machine on a kernel that `prepare` has changed, after the guest has done what `prepare` wrote down. */
async function save(prepare: (kernel: FakeKernel) => void = () => {}): Promise<Uint8Array> {
  const kernel = new FakeKernel();
  using machine = await createMachine({ syscalls: kernel, process: kernel.process, host, config });
  prepare(kernel);
  kernel.rest = (vcpu) => {
    machine.pause();
    return idle()(vcpu);
  };
  expect(await machine.run()).toEqual({ kind: 'paused' });
  const parts: Uint8Array[] = [];
  await machine.save((bytes) => void parts.push(bytes));
  return new Blob(parts as Uint8Array<ArrayBuffer>[]).bytes();
}

async function restore(file: Uint8Array, kernel: FakeKernel, more: Partial<RestoreParts> = {}) {
  await using snapshot = await openSnapshot([file]);
  const { process } = kernel;
  return restoreMachine({ syscalls: kernel, process, snapshot, host, output: () => {}, ...more });
}

describe('restoreMachine', () => {
  test('puts back registers, power state, memory, devices and boot files', async () => {
    const file = await save((kernel) => {
      kernel.vcpus[0]!.regs.set(xRegId(5), 0x1234n);
      kernel.vcpus[1]!.mpState = 10;
      new Uint8Array(kernel.process.memory.buffer, kernel.memslots[0]!.user, config.memory)[0x70_0000] = 0x5a;
      kernel.script.push(
        mmio(0x900_0030, { write: [0x01, 0x03] }),
        mmio(0x900_0038, { write: [0x10, 0, 0, 0] }),
      );
    });
    const kernel = new FakeKernel();
    using machine = await restore(file, kernel);
    expect(kernel.vcpus[0]!.regs.get(xRegId(5))).toBe(0x1234n);
    expect(kernel.vcpus.map(({ mpState }) => mpState)).toEqual([0, 10]);
    const ram = new Uint8Array(kernel.process.memory.buffer, kernel.memslots[0]!.user, config.memory);
    expect(ram[0x70_0000]).toBe(0x5a);
    // The UART is on and its receive interrupt unmasked, so a key raises the line.
    machine.receive(Uint8Array.of(0x78));
    expect(kernel.irqs.at(-1)).toEqual({ irq: (1 << 24) | 33, level: 1 });
    ram.fill(0);
    machine.reset();
    expect(ram.some((byte) => byte !== 0)).toBe(true);
  });

  test('sets the counter once, and last: vCPUs share it', async () => {
    const file = await save((kernel) => {
      kernel.vcpus[0]!.regs.set(KVM_REG_ARM_TIMER_CNT, 1000n);
      kernel.vcpus[1]!.regs.set(KVM_REG_ARM_TIMER_CNT, 1007n);
    });
    const kernel = new FakeKernel();
    using _machine = await restore(file, kernel);
    expect(kernel.vcpus[0]!.regs.get(KVM_REG_ARM_TIMER_CNT)).toBe(1000n);
    expect(kernel.vcpus[1]!.regs.has(KVM_REG_ARM_TIMER_CNT)).toBe(false);
  });

  test('refuses a PSCI version that the kernel lacks, naming both sides', async () => {
    const file = await save((kernel) => kernel.vcpus[0]!.regs.set(KVM_REG_ARM_PSCI_VERSION, 0x10004n));
    const kernel = new FakeKernel();
    kernel.refusedRegs.set(KVM_REG_ARM_PSCI_VERSION, -EINVAL);
    const { error } = await caught(restore(file, kernel));
    expect(error).toMatchObject({ name: 'AbiMismatchError' });
    expect(error.message).toContain('PSCI_VERSION = 1.4 (EINVAL), which the guest cannot do without');
    expect(error.message).toMatch(/saved on vkvm ABI revision \d+.*, and vkvm ABI revision/);
    expect(kernel.openFiles).toBe(0);
  });

  test('tells registers that the guest can do without, and leaves them out when it may', async () => {
    const file = await save((kernel) => {
      kernel.vcpus[0]!.regs.set(KVM_REG_ARM_PTIMER_CTL, 0n).set(KVM_REG_ARM_PTIMER_CVAL, 7n);
    });
    const lacking = () => {
      const kernel = new FakeKernel();
      kernel.missingRegs.add(KVM_REG_ARM_PTIMER_CTL).add(KVM_REG_ARM_PTIMER_CVAL);
      return kernel;
    };
    const { error } = await caught(restore(file, lacking()));
    expect(error.message).toMatch(
      /CNTP_CVAL_EL0 = 0x7 \(there is no such register\); the guest can do without/,
    );
    const lines: string[] = [];
    using _machine = await restore(file, lacking(), { dropSafe: true, report: (line) => lines.push(line) });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('left out CNTP_CVAL_EL0 = 0x7');
  });

  test('does not leave out a register that the guest needs, whatever it is told', async () => {
    const file = await save((kernel) => kernel.vcpus[0]!.regs.set(KVM_REG_ARM_PTIMER_CTL, 1n));
    const kernel = new FakeKernel();
    kernel.missingRegs.add(KVM_REG_ARM_PTIMER_CTL);
    const { error } = await caught(restore(file, kernel, { dropSafe: true }));
    expect(error.message).toContain('CNTP_CTL_EL0 = 0x1');
    expect(kernel.openFiles).toBe(0);
  });

  test('notices a write that succeeds and changes nothing', async () => {
    const midr = sysregId(SYSREGS.MIDR_EL1);
    const file = await save((kernel) => kernel.vcpus[0]!.regs.set(midr, 0x411f_d070n));
    const kernel = new FakeKernel();
    kernel.refusedRegs.set(midr, 0);
    const { error } = await caught(restore(file, kernel));
    expect(error.message).toContain('MIDR_EL1 = 0x411fd070 (reads 0x0)');
  });

  test('refuses a power state that the kernel lacks', async () => {
    const file = await save((kernel) => (kernel.vcpus[1]!.mpState = 10));
    const kernel = new FakeKernel();
    kernel.results.set(KVM_SET_MP_STATE, -EINVAL);
    const { error } = await caught(restore(file, kernel));
    expect(error.message).toContain('MP_STATE = 0xa (EINVAL)');
  });

  test('refuses another size of memory, or number of vCPUs', async () => {
    const file = await save();
    await expect(restore(file, new FakeKernel(), { wanted: { memory: 16 * MIB } })).rejects.toMatchObject({
      fault: 'does not fit',
      message: expect.stringContaining('saved with 8 MiB of memory, not 16 MiB'),
    });
    await expect(restore(file, new FakeKernel(), { wanted: { smp: 1 } })).rejects.toThrow('2 vCPUs, not 1');
  });

  test('leaves nothing behind when the kernel cannot make the machine', async () => {
    const file = await save();
    const kernel = new FakeKernel();
    kernel.results.set(KVM_CREATE_DEVICE, -ENODEV);
    await expect(restore(file, kernel)).rejects.toThrow(AbiMismatchError);
    expect(kernel.openFiles).toBe(0);
  });

  test('refuses any truncation and any flip, and leaves nothing behind', async () => {
    const file = await save((kernel) => {
      new Uint8Array(kernel.process.memory.buffer, kernel.memslots[0]!.user, config.memory).fill(
        1,
        5_000_000,
      );
    });
    const refused = async (damaged: Uint8Array) => {
      const kernel = new FakeKernel({ process: createProcess({ size: 16 * MIB, shared: false }) });
      const { error } = await caught(restore(damaged, kernel));
      expect(error.name).toBe('SnapshotError');
      expect(kernel.openFiles).toBe(0);
      expect([...kernel.mapped.values()].filter((length) => length >= config.memory)).toEqual([]);
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), (length) => refused(file.subarray(0, length))),
      { numRuns: 40 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(8 * file.length - 1), (bit) => {
        const flipped = file.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        return refused(flipped);
      }),
      { numRuns: 60 },
    );
  });
});

describe('Machine.save', () => {
  test('refuses while the machine runs, and the machine does not run while it is saved', async () => {
    const kernel = new FakeKernel();
    using machine = await createMachine({ syscalls: kernel, process: kernel.process, host, config });
    const run = machine.run();
    await expect(machine.save(() => {})).rejects.toMatchObject({ fault: 'not now' });
    machine.pause();
    expect(await run).toEqual({ kind: 'paused' });
    const save = machine.save(() => {});
    await expect(machine.run()).rejects.toThrow('the machine is saving; wait for save() to end');
    await save;
  });

  test('finishes what a vCPU waits for before it reads registers, and does not touch one that never ran', async () => {
    const kernel = new FakeKernel();
    using machine = await createMachine({ syscalls: kernel, process: kernel.process, host, config });
    const settled: number[] = [];
    kernel.rest = ({ id, memory, run }) => {
      expect(kvmRun.view(memory, run).immediate_exit).toBe(1);
      settled.push(id);
      return -EINTR;
    };
    const { memory, run } = kernel.vcpus[1]!;
    kvmRun.view(memory, run).exit_reason = KVM_EXIT_MMIO;
    await machine.save(() => {});
    expect(settled).toEqual([1]);
    expect(kvmRun.view(memory, run).immediate_exit).toBe(0);
  });

  test('ends with what the sink throws, and the machine can be saved again', async () => {
    const kernel = new FakeKernel();
    using machine = await createMachine({ syscalls: kernel, process: kernel.process, host, config });
    const full = () => {
      throw new Error('no space left');
    };
    await expect(machine.save(full)).rejects.toThrow('no space left');
    await expect(machine.save(() => {})).resolves.toBeUndefined();
  });
});

async function caught(promise: Promise<unknown>): Promise<{ error: Error }> {
  try {
    await promise;
  } catch (error) {
    return { error: error as Error };
  }
  throw new Error('it was not refused');
}
