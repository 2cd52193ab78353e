/** Profile rfc-2013 on a whole machine: GICv2 without devices, PSCI 0.1, and the exit that was proposed. */
import { createKernel } from '@vkvm/kernel';
import { KVM_RUN, VKVM_RFC_2013_EXIT_PSCI, kvmRun } from '@vkvm/uapi';
import type { Process, Syscalls } from '@vkvm/uapi';
import { AbiMismatchError, builtinGuest, createMachine, createProcess, processSize } from '@vkvm/vmm';
import type { Machine, MachineConfig } from '@vkvm/vmm';
import { describe, expect, test } from 'vitest';

const MIB = 0x10_0000;

interface Booted {
  readonly machine: Machine;
  readonly printed: () => string;
}

async function boot(
  options: Partial<MachineConfig> = {},
  between = (syscalls: Syscalls, _process: Process): Syscalls => syscalls,
): Promise<Booted> {
  let printed = '';
  const config: MachineConfig = {
    kernel: builtinGuest(),
    memory: 16 * MIB,
    smp: 4,
    ...options,
    output: (bytes) => void (printed += new TextDecoder().decode(bytes)),
  };
  const process = createProcess({ size: processSize(config), shared: false });
  const syscalls = between(createKernel({ profile: 'rfc-2013' }).attach(process), process);
  const machine = await createMachine({ syscalls, process, config });
  machine.endInput();
  return { machine, printed: () => printed };
}

describe('the built-in guest on rfc-2013', () => {
  test.each([
    ['kernel', 'hvc'],
    ['kernel', 'smc'],
    ['exit', 'hvc'],
    ['exit', 'smc'],
  ] as const)(
    'turns on its CPUs and powers off, and does so again: %s by %s',
    async (psciOwner, psciConduit) => {
      const { machine, printed } = await boot({ psciOwner, psciConduit });
      using _ = machine;
      for (const _run of [1, 2]) {
        expect(await machine.run()).toEqual({ kind: 'shutdown' });
        machine.reset();
      }
      expect(printed().match(/PSCI 0\.1\n/g)).toHaveLength(2);
      expect(printed().match(/4 CPU\(s\) came up through PSCI\n/g)).toHaveLength(2);
      expect(printed().match(/GICv2\n5 timer interrupts in \d+ ms\n/g)).toHaveLength(2);
    },
  );

  test('does without PSCI', async () => {
    const { machine, printed } = await boot({ power: 'syscon', smp: 1 });
    using _ = machine;
    expect(await machine.run()).toEqual({ kind: 'shutdown' });
    expect(printed()).toContain('no PSCI\n');
  });
});

/** A guest that makes one call and turns the machine off by the syscon, with what it got in the value's place. */
function caller(id: number): Uint8Array {
  const movz = (rd: number, value: number, half: number): number =>
    0xd280_0000 | (half << 21) | (value << 5) | rd;
  const movk = (rd: number, value: number, half: number): number =>
    0xf280_0000 | (half << 21) | (value << 5) | rd;
  const code = [
    movz(0, id & 0xffff, 0),
    movk(0, id >>> 16, 1),
    0xd400_0002, // hvc #0
    movz(1, 0x0900, 1), // the PL011
    0x1100_4000 | (0 << 5) | 2, // add w2, w0, #16
    0xb900_0000 | (1 << 5) | 2, // str w2, [x1]
    movz(1, 0x090f, 1),
    movz(2, 0x5555, 0),
    0xb900_0000 | (1 << 5) | 2,
    0x1400_0000, // b .
  ];
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x1400_0010, true); // b to 64
  view.setBigUint64(16, 0x1000n, true);
  bytes.set(new TextEncoder().encode('ARM\u0064'), 56);
  code.forEach((word, n) => view.setUint32(64 + 4 * n, word >>> 0, true));
  return bytes;
}

describe('exit 24 on rfc-2013', () => {
  const MIGRATE = 0x95c1_ba61;

  test('carries the calls that are not about one CPU to the VMM, which answers them', async () => {
    const reasons: number[] = [];
    const pages = new Map<number, number>();
    const watched = (syscalls: Syscalls, { memory }: Process): Syscalls => ({
      open: (path) => syscalls.open(path),
      close: (fd) => syscalls.close(fd),
      munmap: (address, length) => syscalls.munmap(address, length),
      eventfd: (initial, flags) => syscalls.eventfd(initial, flags),
      read: (fd, address, length) => syscalls.read(fd, address, length),
      write: (fd, address, length) => syscalls.write(fd, address, length),
      mmap(fd, length, prot, offset) {
        const address = syscalls.mmap(fd, length, prot, offset);
        pages.set(fd, address);
        return address;
      },
      ioctl(fd, request, argument) {
        const result = syscalls.ioctl(fd, request, argument);
        if (request === KVM_RUN) reasons.push(kvmRun.view(memory, pages.get(fd)!).exit_reason);
        return result;
      },
    });
    const options = { kernel: caller(MIGRATE), smp: 1, psciOwner: 'exit' } as const;
    const { machine, printed } = await boot(options, watched);
    using _ = machine;
    expect(await machine.run()).toEqual({ kind: 'shutdown' });
    expect(reasons).toContain(VKVM_RFC_2013_EXIT_PSCI);
    expect(printed().charCodeAt(0)).toBe(16 - 1); // NOT_SUPPORTED
  });
});

describe('what rfc-2013 cannot have', () => {
  test.each([
    ['a newer PSCI', { psci: 0x1_0001 }, 'lacks KVM_CAP_ARM_PSCI_0_2 (since Linux 3.16)'],
    ['power that user space moves', { psciOwner: 'user' }, 'this kernel has no KVM_CAP_MP_STATE'],
    ['a GICv3', { gicVersion: 3 }, 'has no GICv3'],
    ['more vCPUs than a GICv2 has', { smp: 9 }, 'has no GICv3, which this VMM needs for 9 vCPUs'],
  ] as const)('is refused by name: %s', async (_, options, message) => {
    const refused = boot(options);
    await expect(refused).rejects.toThrow(AbiMismatchError);
    await expect(refused).rejects.toThrow(message);
  });

  test('is to be saved: there is no request for it', async () => {
    const { machine } = await boot();
    using _ = machine;
    const saved = machine.save(() => Promise.resolve());
    await expect(saved).rejects.toThrow(AbiMismatchError);
    await expect(saved).rejects.toThrow('lacks KVM_CAP_DEVICE_CTRL, which this VMM needs to save');
  });
});
