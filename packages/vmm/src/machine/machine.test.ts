import {
  ENODEV,
  ENOMEM,
  ENOSYS,
  ENXIO,
  KVM_ARM_VCPU_INIT,
  KVM_ARM_SET_DEVICE_ADDR,
  KVM_CAP_ARM_PSCI_0_2,
  KVM_CAP_DEVICE_CTRL,
  KVM_CREATE_DEVICE,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_VCPU,
  KVM_EXIT_ARM_NISV,
  KVM_HAS_DEVICE_ATTR,
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_SUSPENDED,
  KVM_REG_ELR_EL1,
  KVM_REG_PC,
  KVM_SET_DEVICE_ATTR,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  KVM_SYSTEM_EVENT_WAKEUP,
  KVM_REG_ARM_PSCI_VERSION,
  PSCI_0_1,
  PSCI_0_2,
  PSCI_1_1,
  SYSREGS,
  VKVM_CAP_PSCI_OWNER,
  VKVM_EXIT_IDLE,
  VKVM_IDLE_STOPPED,
  VKVM_KICK_OFFSET,
  VKVM_KICK_REQUEST,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeKernel, exit, idle, mmio, print, sliceEnd, systemEvent } from '../../test/fake-kernel.ts';
import type { RunStep } from '../../test/fake-kernel.ts';
import { decodeFdt } from '../fdt/reader.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import { MIB } from '../loader/ram.ts';
import { memoryMax } from './config.ts';
import type { MachineConfig } from './config.ts';
import type { MachineHost } from './host.ts';
import { createMachine } from './machine.ts';

function testImage(): Uint8Array {
  const bytes = new Uint8Array(4096).fill(0xee);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, 0n, true);
  view.setBigUint64(16, 0x1_0000n, true);
  view.setBigUint64(24, 0xan, true);
  view.setUint32(60, 0, true);
  bytes.set(new TextEncoder().encode('ARM\x64'), 56);
  return bytes;
}

/** Time that passes only when the machine waits, or looks at the clock. */
function testHost() {
  const waits: number[] = [];
  const clock = { now: 0 };
  let onWait: (deadline: number) => void = () => {};
  const host: MachineHost = {
    monotonic: () => (clock.now += 1000),
    wallClock: () => 1_700_000_000 + clock.now / 1e9,
    random: (bytes) => void bytes.fill(7),
    breathe: async () => {},
    waitUntil: async (deadline) => {
      waits.push(deadline);
      if (Number.isFinite(deadline)) clock.now = Math.max(clock.now, deadline);
      onWait(deadline);
    },
    wake: () => {},
  };
  return { host, waits, clock, onWait: (action: (deadline: number) => void) => void (onWait = action) };
}

async function build({
  kernel = new FakeKernel(),
  ...config
}: { kernel?: FakeKernel } & Partial<Omit<MachineConfig, 'kernel'>> = {}) {
  const { host, ...control } = testHost();
  const output: string[] = [];
  const machine = await createMachine({
    syscalls: kernel,
    process: kernel.process,
    host,
    config: {
      kernel: testImage(),
      memory: 16 * MIB,
      smp: 1,
      output: (bytes) => void output.push(new TextDecoder().decode(bytes)),
      ...config,
    },
  });
  const run = (...steps: RunStep[]) => {
    kernel.script.push(...steps);
    return machine.run();
  };
  return { kernel, machine, run, console: () => output.join(''), ...control };
}

/** A kernel whose VMs have PSCI 0.1. */
function psci01(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.psci = PSCI_0_1;
  return kernel;
}

const off = systemEvent(KVM_SYSTEM_EVENT_SHUTDOWN);

describe('a new machine', () => {
  test('has its kernel, device tree and boot registers where the boot protocol wants them', async () => {
    const { kernel, machine } = await build({ initrd: new Uint8Array([1, 2, 3]), bootargs: 'quiet' });
    const [slot] = kernel.memslots;
    expect(slot).toMatchObject({ base: 0x4000_0000, size: 16 * MIB });
    const ram = new Uint8Array(kernel.process.memory.buffer, slot!.user, 16 * MIB);
    expect(ram[100]).toBe(0xee);
    const { regs } = kernel.vcpus[0]!;
    expect(regs.get(KVM_REG_PC)).toBe(0x4000_0000n);
    expect(regs.get(xRegId(0))).toBe(0x4020_0000n);
    expect(ram.slice(2 * MIB, 2 * MIB + machine.dtb.length)).toEqual(machine.dtb);
    expect([...ram.subarray(4 * MIB, 4 * MIB + 4)]).toEqual([1, 2, 3, 0]);
    const chosen = decodeFdt(machine.dtb).root.children.find(({ name }) => name === 'chosen')?.properties;
    expect(new TextDecoder().decode(chosen?.get('bootargs'))).toBe('quiet\0');
    expect([...(chosen?.get('linux,initrd-end') ?? [])]).toEqual([0, 0, 0, 0, 0x40, 0x40, 0, 3]);
  });

  test('gives back every descriptor and mapping', async () => {
    const { kernel, machine } = await build({ smp: 2 });
    machine[Symbol.dispose]();
    expect(kernel.openFiles).toBe(0);
    expect([...kernel.mapped]).toEqual([]);
  });

  test('fills a user tree with memory, command line and ramdisk', async () => {
    const { machine: first } = await build();
    const { machine } = await build({ dtb: first.dtb, memory: 24 * MIB, bootargs: 'single' });
    const { children } = decodeFdt(machine.dtb).root;
    const memory = children.filter(({ name }) => name.startsWith('memory'));
    expect(memory.map(({ properties }) => [...properties.get('reg')!])).toEqual([
      [0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x80, 0, 0],
    ]);
    expect(children.map(({ name }) => name)).toContain('pl011@9000000');
  });

  test.each([
    ['no memory', { memory: 0 }, /^0 MiB of memory: a machine with 1 vCPU has 8 to 39\d\d MiB/],
    [
      'too much memory',
      { memory: 10_000 * MIB },
      /^10000 MiB of memory: a machine with 1 vCPU has 8 to 39\d\d MiB/,
    ],
    ['odd memory', { memory: 9 * MIB }, 'memory must be a multiple of 2 MiB, not 9 MiB'],
    ['no vCPU', { smp: 0 }, 'a machine has 1 to 123 vCPUs, not 0'],
    ['more vCPUs than fit the GIC', { smp: 200 }, 'a machine has 1 to 123 vCPUs, not 200'],
    ['more vCPUs than fit the memory', { smp: 100 }, '100 vCPUs leave no room for RAM'],
    ['a broken tree', { dtb: new Uint8Array(100) }, 'the device tree is broken: not a device tree blob'],
    [
      'a large initrd',
      { initrd: new Uint8Array(20 * MIB) },
      'kernel, device tree and initrd (20 MiB) take 24 MiB and the guest has 16 MiB',
    ],
  ])('is refused with a reason: %s', async (_, config, message) => {
    await expect(build(config)).rejects.toThrow(message);
  });

  test('is refused by name when the kernel lacks what it needs', async () => {
    const kernel = new FakeKernel();
    kernel.caps.set(KVM_CAP_ARM_PSCI_0_2, 0);
    const build02 = build({ kernel, psci: PSCI_0_2 });
    await expect(build02).rejects.toThrow(AbiMismatchError);
    await expect(build02).rejects.toThrow(
      /lacks KVM_CAP_ARM_PSCI_0_2 \(since Linux 3\.16\), .* needs to offer PSCI 0\.2/,
    );
    expect(kernel.openFiles).toBe(0);
  });

  test.each([
    ['a GICv3 there is not', { gicVersion: 3 }, 'has no GICv3, which this VMM needs to give'],
    ['a GIC there is not', {}, 'has no GICv2, which this VMM needs to give'],
  ] as const)('is refused by name: %s', async (_, config, message) => {
    const kernel = new FakeKernel();
    kernel.results.set(KVM_CREATE_DEVICE, -ENODEV);
    await expect(build({ kernel, ...config })).rejects.toThrow(message);
    expect(kernel.openFiles).toBe(0);
  });

  test('makes a GICv2 by the older requests, before the vCPUs, where a GIC is no device', async () => {
    const kernel = new FakeKernel();
    kernel.caps.set(KVM_CAP_DEVICE_CTRL, 0);
    const { machine } = await build({ kernel });
    const made = [KVM_CREATE_IRQCHIP, KVM_ARM_SET_DEVICE_ADDR, KVM_ARM_SET_DEVICE_ADDR, KVM_CREATE_VCPU];
    const others: number[] = [KVM_CREATE_DEVICE, KVM_SET_DEVICE_ATTR];
    expect(kernel.requests.filter((request) => made.includes(request))).toEqual(made);
    expect(kernel.requests.filter((request) => others.includes(request))).toEqual([]);
    const names = decodeFdt(machine.dtb).root.children.map(({ properties }) =>
      new TextDecoder().decode(properties.get('compatible') ?? new Uint8Array()),
    );
    expect(names).toContain('arm,cortex-a15-gic\0');
    kernel.caps.set(KVM_CAP_DEVICE_CTRL, 0);
    await expect(build({ kernel: new FakeKernel(), smp: 9, gicVersion: 2 })).rejects.toThrow('1 to 8 vCPUs');
    await expect(build({ kernel, smp: 9 })).rejects.toThrow(
      'has no GICv3, which this VMM needs for 9 vCPUs; use a newer kernel, or --smp 8 at most',
    );
  });

  test('has PSCI 0.1 where the kernel has no other, and calls for nothing newer', async () => {
    const kernel = new FakeKernel();
    kernel.caps.set(KVM_CAP_ARM_PSCI_0_2, 0);
    kernel.missingRegs.add(KVM_REG_ARM_PSCI_VERSION);
    const { machine } = await build({ kernel });
    expect(machine.psci).toBe(PSCI_0_1);
  });

  test('is refused where calls are to be filtered and the kernel has no filter', async () => {
    const kernel = new FakeKernel();
    kernel.results.set(KVM_HAS_DEVICE_ATTR, -ENXIO);
    const smcccFilters = [{ base: 0x8600_0000, count: 1, action: 'deny' }] as const;
    await expect(build({ kernel, smcccFilters })).rejects.toThrow(AbiMismatchError);
    await expect(build({ kernel, smcccFilters })).rejects.toThrow('has no SMCCC filter (Linux 6.4)');
  });

  test('announces PSCI 0.2 where the kernel has no version to ask for', async () => {
    const kernel = new FakeKernel();
    kernel.missingRegs.add(KVM_REG_ARM_PSCI_VERSION);
    const { machine } = await build({ kernel });
    expect(machine.psci).toBe(PSCI_0_2);
    const build11 = build({ kernel, psci: PSCI_1_1 });
    await expect(build11).rejects.toThrow(AbiMismatchError);
    await expect(build11).rejects.toThrow(
      'vkvm ABI revision 1 as Linux 0.1 does not take KVM_REG_ARM_PSCI_VERSION = 1.1 (ENOENT), which this VMM (ABI revision 3) ' +
        'was asked for; use a newer kernel, PSCI 0.2 as this one has (--psci), or let this VMM answer all calls',
    );
  });

  test('says what to do when the kernel has no room for it', async () => {
    const kernel = new FakeKernel();
    kernel.results.set(KVM_CREATE_VCPU, -ENOMEM);
    await expect(build({ kernel, smp: 2 })).rejects.toThrow(
      '16 MiB of memory and 2 vCPUs do not fit into the address space',
    );
  });

  test('can have most of 4 GiB', () => {
    expect(memoryMax(4)).toBeGreaterThan(3.68 * 1024 * MIB);
    expect(memoryMax(16)).toBeGreaterThan(2.8 * 1024 * MIB);
  });
});

describe('run', () => {
  test('shows what the guest prints, and ends when it powers off', async () => {
    const { run, console } = await build();
    expect(await run(...print('hello\n'), off)).toEqual({ kind: 'shutdown' });
    expect(console()).toBe('hello\n');
  });

  test('wires the PL011 to SPI 1', async () => {
    const { kernel, run, machine } = await build();
    const unmask = mmio(0x900_0038, { write: [0x10, 0, 0, 0] });
    const enable = mmio(0x900_0030, { write: [0x01, 0x03] });
    await run(enable, unmask, off);
    machine.receive(new Uint8Array([0x41]));
    expect(kernel.irqs).toEqual([{ irq: (1 << 24) | 33, level: 1 }]);
  });

  test('presses the power key for a moment: a guest that watches both edges is interrupted twice', async () => {
    const { kernel, machine, run, waits } = await build();
    const bothEdges = mmio(0x903_0408, { write: [8, 0, 0, 0] });
    const unmask = mmio(0x903_0410, { write: [8, 0, 0, 0] });
    const clear = mmio(0x903_041c, { write: [8, 0, 0, 0] });
    await run(bothEdges, unmask, off);
    machine.endInput();
    machine.pressPowerKey();
    await run(clear);
    const irq = (1 << 24) | 39;
    expect(kernel.irqs).toEqual([1, 0, 1].map((level) => ({ irq, level })));
    expect(waits).toHaveLength(1);
  });

  test('waits for the deadline of an idle vCPU, and for input without one', async () => {
    const { run, machine, waits, onWait } = await build();
    onWait((deadline) => void (deadline === Infinity && machine.stop()));
    expect(await run(idle(50_000_000n), sliceEnd, idle())).toEqual({ kind: 'stopped' });
    expect(waits).toEqual([50_000_000, Infinity]);
  });

  test('does not wait while a vCPU has a request to look at', async () => {
    const { kernel, run, waits } = await build({ smp: 2 });
    const sendsInterrupt: RunStep = (vcpu) => {
      const first = kernel.vcpus[0]!;
      new Int32Array(vcpu.memory.buffer, first.run + VKVM_KICK_OFFSET, 1)[0] = VKVM_KICK_REQUEST;
      return idle()(vcpu);
    };
    const takesIt: RunStep = (vcpu) => {
      expect(vcpu.id).toBe(0);
      return off(vcpu);
    };
    expect(await run(idle(), sendsInterrupt, takesIt)).toEqual({ kind: 'shutdown' });
    expect(waits).toEqual([]);
  });

  test('says that a guest has halted when nothing can interrupt it any more', async () => {
    const { run, machine } = await build();
    machine.endInput();
    expect(await run(idle())).toEqual({
      kind: 'crash',
      message: 'the guest has halted without powering off: its vCPU waits and no interrupt can come any more',
    });
  });

  test('says that a guest has turned itself off', async () => {
    const { run, machine } = await build();
    machine.endInput();
    expect(await run(exit(VKVM_EXIT_IDLE, [VKVM_IDLE_STOPPED, 0, 0xffff_ffff, 0xffff_ffff]))).toMatchObject({
      kind: 'crash',
      message: 'the guest turned off its vCPU (PSCI CPU_OFF) and so can do nothing more',
    });
  });

  test('ends when it is stopped, even by a guest that never rests', async () => {
    const { kernel, run, machine } = await build();
    kernel.rest = sliceEnd;
    const stops: RunStep = (vcpu) => {
      machine.stop();
      return sliceEnd(vcpu);
    };
    expect(await run(stops)).toEqual({ kind: 'stopped' });
  });

  test('comes to its events although a guest only polls a device', async () => {
    const { kernel, run, machine } = await build();
    kernel.rest = mmio(0x900_0018, { read: 4 });
    const stops: RunStep = (vcpu) => {
      machine.stop();
      return kernel.rest(vcpu);
    };
    expect(await run(stops)).toEqual({ kind: 'stopped' });
  });

  test('makes a vCPU that wakes from suspend runnable', async () => {
    const { kernel, run } = await build();
    kernel.vcpus[0]!.mpState = KVM_MP_STATE_SUSPENDED;
    await run(systemEvent(KVM_SYSTEM_EVENT_WAKEUP), off);
    expect(kernel.vcpus[0]!.mpState).toBe(KVM_MP_STATE_RUNNABLE);
  });

  test.each([
    [
      'an access it cannot describe',
      exit(0, [], -ENOSYS),
      'an access outside of RAM by an instruction that cannot be emulated',
    ],
    [
      'an illegal state',
      exit(KVM_EXIT_FAIL_ENTRY, [], -22),
      'the guest returned to an exception level or state that does not exist',
    ],
    [
      'a failure of the kernel',
      exit(KVM_EXIT_INTERNAL_ERROR, [1, 1, 0xab, 0]),
      'an internal error of the kernel (1: 0xab)',
    ],
    [
      'an access without syndrome',
      exit(KVM_EXIT_ARM_NISV, [0, 0, 0x900_0000, 0]),
      'an access to the device address 0x9000000',
    ],
    ['an exit it does not know', exit(4711), 'exit reason 4711, which this VMM does not know'],
    [
      'an event that is neither power-off nor reset',
      systemEvent(77),
      'system event 77, which this VMM does not know',
    ],
  ])('ends in a crash that names vCPU, pc and cause: %s', async (_, step, message) => {
    const { kernel, run } = await build();
    kernel.vcpus[0]!.regs.set(KVM_REG_PC, 0xdeadn);
    const stop = await run(step);
    expect(stop).toMatchObject({
      kind: 'crash',
      message: expect.stringContaining(`vCPU 0 at pc 0xdead: ${message}`),
    });
  });

  test('notices a guest that is caught in its own exception vector', async () => {
    const { kernel, run, clock } = await build();
    const { regs } = kernel.vcpus[0]!;
    regs.set(KVM_REG_PC, 0x200n).set(KVM_REG_ELR_EL1, 0x200n).set(sysregId(SYSREGS.ESR_EL1), 0x8600_0006n);
    const second: RunStep = (vcpu) => {
      clock.now += 600_000_000;
      return sliceEnd(vcpu);
    };
    expect(await run(...Array.from({ length: 10 }, () => second))).toMatchObject({
      kind: 'crash',
      message: expect.stringContaining(
        'the exception vector itself raises an instruction fetch from an address without memory or permission (ESR_EL1 0x86000006)',
      ),
    });
  });
});

describe('the owner of PSCI', () => {
  const FILTERED = [{ base: 0x8400_0000, count: 0x20, action: 'forward' }] as const;

  test('is refused where a function would have two', async () => {
    const routes = [{ base: 0x8400_0008, count: 1, to: 'kernel' }] as const;
    const two = build({ psciOwner: 'user', psciRoutes: routes, smcccFilters: FILTERED });
    await expect(two).rejects.toThrow(/^PSCI SYSTEM_OFF \(0x84000008\) has two owners/);
    await expect(build({ psciRoutes: routes })).rejects.toThrow('need an owner that gives some away');
  });

  test('is set by the filter on a kernel that knows no owners', async () => {
    const kernel = new FakeKernel();
    kernel.caps.set(VKVM_CAP_PSCI_OWNER, 0);
    const settings = (): number =>
      kernel.requests.filter((request) => request === KVM_SET_DEVICE_ATTR).length;
    await build({ kernel, psciOwner: 'kernel' });
    const before = settings();
    await build({ kernel, psciOwner: 'user' });
    expect(settings() - 2 * before).toBe(3); // one for each range of ids
    kernel.results.set(KVM_HAS_DEVICE_ATTR, -ENXIO);
    await expect(build({ kernel, psciOwner: 'user' })).rejects.toThrow(
      'has neither VKVM_CAP_PSCI_OWNER (vkvm ABI revision 2) nor an SMCCC filter (Linux 6.4)',
    );
  });
});

describe('the power control of a machine with PSCI 0.1', () => {
  test.each([
    ['shutdown', [0x55, 0x55, 0, 0]],
    ['reset', [0x77, 0x77, 0, 0]],
  ])('ends the run: %s', async (kind, write) => {
    const { kernel, run } = await build({ psci: PSCI_0_1, kernel: psci01() });
    kernel.rest = sliceEnd;
    expect(await run(mmio(0x90f_0000, { write: [0, 0, 0, 0] }), mmio(0x90f_0000, { write }))).toEqual({
      kind,
    });
  });

  test('is all there is without PSCI, whose calls the kernel shall deny', async () => {
    const { kernel, run } = await build({ power: 'syscon' });
    const settings = ({ requests }: FakeKernel): number =>
      requests.filter((request) => request === KVM_SET_DEVICE_ATTR).length;
    const ranges = 3; // PSCI's ids of both widths, and those of 0.1
    expect(settings(kernel)).toBe(settings((await build()).kernel) + ranges);
    expect(await run(mmio(0x90f_0000, { write: [0x55, 0x55, 0, 0] }))).toEqual({ kind: 'shutdown' });
  });

  test('is not there with a newer PSCI', async () => {
    const { run } = await build();
    expect(await run(mmio(0x90f_0000, { write: [0x77, 0x77, 0, 0] }), off)).toEqual({ kind: 'shutdown' });
  });
});

describe('reset', () => {
  test('starts every vCPU, device and boot file anew, and keeps input', async () => {
    const { kernel, machine, run } = await build({ smp: 2 });
    const scribble: RunStep = (vcpu) => {
      const user = kernel.memslots[0]!.user;
      new Uint8Array(vcpu.memory.buffer, user, 4096).fill(0);
      vcpu.regs.set(KVM_REG_PC, 0n);
      return systemEvent(KVM_SYSTEM_EVENT_RESET)(vcpu);
    };
    machine.receive(new Uint8Array([0x78]));
    expect(await run(scribble)).toEqual({ kind: 'reset' });
    kernel.requests.length = 0;
    machine.reset();
    expect(kernel.requests.filter((request) => request === KVM_ARM_VCPU_INIT)).toHaveLength(2);
    expect(kernel.vcpus[0]!.regs.get(KVM_REG_PC)).toBe(0x4000_0000n);
    expect(new Uint8Array(kernel.process.memory.buffer, kernel.memslots[0]!.user, 4096)[100]).toBe(0xee);
    const enable = mmio(0x900_0030, { write: [0x01, 0x03] });
    const unmask = mmio(0x900_0038, { write: [0x10, 0, 0, 0] });
    await run(enable, unmask, off);
    expect(kernel.irqs.at(-1)).toEqual({ irq: (1 << 24) | 33, level: 1 });
  });
});
