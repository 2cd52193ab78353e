/** Hazards of docs/hazards.md that no other test shows, each with a guest. */
import type { ProfileName, Process, Syscalls } from '@vkvm/uapi';
import {
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_PC,
  KVM_RUN,
  PROFILES,
  PSCI_0_1,
  PSCI_0_2,
  PSCI_1_0,
  PSCI_1_1,
  kvmRun,
  kvmRunSystemEvent,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { CELLS, ENDS, PROBES } from '../psci-matrix/cells.ts';
import type { Cell, Registers } from '../psci-matrix/cells.ts';
import { KernelGuest, ProfileKernel } from '../psci-matrix/kernel-guest.ts';
import { observeMachine } from '../psci-matrix/machine-guest.ts';

const RECORDED = PROFILES.filter(({ recorded }) => recorded).map(({ name }) => name);
const [OFF, RESET] = ENDS.map(({ call }) => call) as [Registers, Registers];
const VERSION = PROBES.find(({ heading }) => heading === 'VERSION')!.call;
/** CPU_ON of the second CPU, at an entry point that no instruction can have, with a context. */
const ON_UNALIGNED: Registers = [0xc400_0003n, 1n, 0x4000_0002n, 0x77n];

const cell = (profile: ProfileName, rest: Partial<Cell> = {}): Cell => ({
  profile,
  version: PSCI_1_0,
  owner: 'kernel',
  conduit: 'hvc',
  ...rest,
});

/** What the kernel of a profile makes of one call. */
function callOn(profile: ProfileName, registers: Registers) {
  using kernel = new ProfileKernel(profile);
  using guest = new KernelGuest(kernel, cell(profile));
  return guest.call(registers);
}

describe('H2: a system event of before Linux 5.18', () => {
  test.each(RECORDED)('has its flags where data[0] is now, and no count: %s', (profile) => {
    const { exit } = callOn(profile, OFF);
    const data = profile === 'linux-5.10' ? [] : [0n];
    expect(exit).toEqual({ reason: 'system_event', type: 1, data });
  });

  test.each(RECORDED)('ends a machine like a new one: %s', async (profile) => {
    expect((await observeMachine(cell(profile), [OFF])).stop).toEqual({ kind: 'shutdown' });
  });
});

/** Changes each system event before the VMM sees it. */
const forging =
  (event: { readonly type?: number; readonly ndata?: number }) =>
  (syscalls: Syscalls, { memory }: Process): Syscalls => {
    const pages = new Map<number, number>();
    return {
      open: (path) => syscalls.open(path),
      close: (fd) => syscalls.close(fd),
      munmap: (address, length) => syscalls.munmap(address, length),
      eventfd: (initial, flags) => syscalls.eventfd(initial, flags),
      read: (fd, address, length) => syscalls.read(fd, address, length),
      write: (fd, address, length) => syscalls.write(fd, address, length),
      mmap(fd, length, prot, offset) {
        const address = syscalls.mmap(fd, length, prot, offset);
        if (fd >= 0) pages.set(fd, address);
        return address;
      },
      ioctl(fd, request, arg) {
        const result = syscalls.ioctl(fd, request, arg);
        const page = pages.get(fd);
        if (request === KVM_RUN && page !== undefined) {
          if (kvmRun.view(memory, page).exit_reason === KVM_EXIT_SYSTEM_EVENT) {
            Object.assign(kvmRunSystemEvent.view(memory, page), event);
          }
        }
        return result;
      },
    };
  };

describe('H3: a count of data that is wrong', () => {
  test.each([0, 16, 17, 0xffff_ffff])('does not keep a machine from ending: %i', async (ndata) => {
    const between = forging({ ndata });
    expect((await observeMachine(cell('linux-7.3'), [OFF], { between })).stop).toEqual({ kind: 'shutdown' });
  });
});

describe('H4: a system event that nobody knows', () => {
  test('is neither a power-off nor a reset', async () => {
    const { stop } = await observeMachine(cell('linux-7.3'), [OFF], { between: forging({ type: 6 }) });
    expect(stop).toMatchObject({ kind: 'crash' });
    expect('message' in stop && stop.message).toContain('system event 6, which this VMM does not know');
  });
});

describe('H9: a PSCI version', () => {
  test.each(RECORDED)('is the VM’s: the last write counts, through whichever vCPU: %s', (profile) => {
    using kernel = new ProfileKernel(profile);
    using vm = kernel.createVm();
    using first = vm.createVcpu(0);
    using second = vm.createVcpu(1);
    for (const vcpu of [first, second]) vcpu.init(vm.preferredTarget(), [KVM_ARM_VCPU_PSCI_0_2]);
    first.setReg(KVM_REG_ARM_PSCI_VERSION, BigInt(PSCI_1_0));
    second.setReg(KVM_REG_ARM_PSCI_VERSION, BigInt(PSCI_0_2));
    expect(first.getReg(KVM_REG_ARM_PSCI_VERSION)).toBe(BigInt(PSCI_0_2));
  });
});

describe('H17: an entry point that is not aligned', () => {
  test.each(['kernel', 'exit', 'user'] as const)('is taken, whoever serves CPU_ON: %s', async (owner) => {
    const { results } = await observeMachine(cell('linux-7.3', { owner }), [ON_UNALIGNED, OFF], { smp: 2 });
    expect(results).toEqual([0n]);
  });
});

describe('H25: KVM_ARM_VCPU_INIT again', () => {
  test.each(RECORDED)('with another POWER_OFF is what older kernels refuse: %s', (profile) => {
    using kernel = new ProfileKernel(profile);
    using vm = kernel.createVm();
    using vcpu = vm.createVcpu(0);
    const target = vm.preferredTarget();
    vcpu.init(target, [KVM_ARM_VCPU_PSCI_0_2]);
    const again = (): void => vcpu.init(target, [KVM_ARM_VCPU_PSCI_0_2, KVM_ARM_VCPU_POWER_OFF]);
    if (profile === 'linux-5.10' || profile === 'linux-6.1') expect(again).toThrow('EINVAL');
    else expect(again).not.toThrow();
  });

  test.each(RECORDED)('is not what a reset of a machine needs: %s', async (profile) => {
    const { stop, results } = await observeMachine(cell(profile), [VERSION, RESET], { smp: 2, resets: 2 });
    expect(stop).toEqual({ kind: 'reset' });
    expect(results).toEqual([PSCI_1_0, PSCI_1_0, PSCI_1_0].map(BigInt));
  });
});

describe('H26, H27: a CPU that was just turned on, and never ran', () => {
  test.each(RECORDED)('has the registers of its entry: %s', (profile) => {
    using kernel = new ProfileKernel(profile);
    using guest = new KernelGuest(kernel, cell(profile), { smp: 2 });
    const { registers } = guest.call(ON_UNALIGNED);
    expect(registers[0]).toBe(0n);
    expect(guest.register(1, KVM_REG_PC)).toBe(0x4000_0002n);
    expect(guest.register(1, xRegId(0))).toBe(0x77n);
  });
});

describe('H38: the version that the guest reads', () => {
  test.each(RECORDED)('is the one that one_reg reads: %s', (profile) => {
    using kernel = new ProfileKernel(profile);
    for (const each of CELLS) {
      if (each.profile !== profile || each.owner !== 'kernel' || each.conduit !== 'hvc') continue;
      using guest = new KernelGuest(kernel, each);
      const [x0] = guest.call(VERSION).registers;
      const isOld = guest.version === PSCI_0_1;
      expect(BigInt.asIntN(64, x0)).toBe(isOld ? -1n : BigInt(guest.version ?? 0));
    }
  });
});

describe('H41: the flag of SYSTEM_RESET2', () => {
  test('tells it from SYSTEM_RESET; a VMM that ignores it resets too', async () => {
    const reset2: Registers = [0xc400_0012n, 0n, 0x1234n, 0n];
    using kernel = new ProfileKernel('linux-7.3');
    using guest = new KernelGuest(kernel, cell('linux-7.3', { version: PSCI_1_1 }));
    const warm = guest.call(reset2);
    expect(warm.exit).toEqual({ reason: 'system_event', type: 2, data: [1n] });
    expect(warm.registers.slice(1, 3)).toEqual([0n, 0x1234n]);
    expect(guest.call(RESET).exit).toEqual({ reason: 'system_event', type: 2, data: [0n] });
    const { stop } = await observeMachine(cell('linux-7.3', { version: PSCI_1_1 }), [reset2]);
    expect(stop).toEqual({ kind: 'reset' });
  });
});
