/**
 * After an exit for a device the next KVM_RUN looks at little: see SETTLED in state/control.ts. Whatever happens to a vCPU
 * between such an exit and the next KVM_RUN must count all the same.
 */
import {
  KVM_ARM_SET_DEVICE_ADDR,
  KVM_CREATE_IRQCHIP,
  KVM_EXIT_DEBUG,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_MMIO,
  KVM_EXIT_UNKNOWN,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_MP_STATE_STOPPED,
  KVM_REG_PC,
  KVM_RUN,
  KVM_SET_GUEST_DEBUG,
  KVM_SET_MP_STATE,
  KVM_VGIC_V2_ADDR_TYPE_CPU,
  KVM_VGIC_V2_ADDR_TYPE_DIST,
  VKVM_EXIT_IDLE,
  VKVM_IDLE_STOPPED,
  VKVM_IDLE_WFI,
  kvmArmDeviceAddr,
  kvmGuestDebug,
  kvmMpState,
  kvmRun,
  kvmRunMmio,
  vkvmRunIdle,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { adopt } from '../src/index.ts';
import { DEVICE, RAM, TestProcess, TestVcpu, TestVm, named } from './machine.ts';
import type { MachineOptions } from './machine.ts';

const GICD = 0x0800_0000;
const GICC = 0x0801_0000;
const LDR = 0xb940_0022; // ldr w2, [x1]
const CNTVCT = 0xd53b_e043; // mrs x3, cntvct_el0: asks the host what time it is
const WFI = 0xd503_207f;
const HVC = 0xd400_0002;
/** Where the second vCPU begins: PSCI SYSTEM_OFF. */
const OFF = 0x2000;

/** Reads a device's register four times, and waits for an interrupt. */
const READS = [LDR, LDR, LDR, LDR, WFI];

/**
 * Two vCPUs with a GIC, of which the first has read a device's register twice and waits for the third answer.
 * @param start - where its code begins in RAM
 */
function afterExits(
  options: MachineOptions = {},
  code = READS,
  start = 0,
): Record<'vcpu' | 'other', TestVcpu> {
  const vm = new TestVm(new TestProcess(options));
  const { process } = vm;
  vm.load(code, start);
  vm.load([HVC], OFF);
  vm.slice(1000);
  process.ioctl(vm.fd, KVM_CREATE_IRQCHIP);
  const vcpu = new TestVcpu(vm, 0).start();
  const other = new TestVcpu(vm, 1).start();
  for (const [id, addr] of [
    [KVM_VGIC_V2_ADDR_TYPE_DIST, GICD],
    [KVM_VGIC_V2_ADDR_TYPE_CPU, GICC],
  ] as const) {
    process.call(vm.fd, KVM_ARM_SET_DEVICE_ADDR, kvmArmDeviceAddr, { id: BigInt(id), addr });
  }
  other.set(KVM_REG_PC, BigInt(RAM + OFF));
  other.set(xRegId(0), 0x8400_0008n);
  vcpu.set(KVM_REG_PC, BigInt(RAM + start));
  vcpu.set(xRegId(1), BigInt(DEVICE));
  for (let run = 0; run < 3; run++) expectRead(vcpu);
  return { vcpu, other };
}

function expectRead(vcpu: TestVcpu): void {
  expect(vcpu.run()).toBe(0);
  expect([vcpu.exitReason, vcpu.exit(kvmRunMmio).phys_addr]).toEqual([KVM_EXIT_MMIO, DEVICE]);
}

function expectIdle(vcpu: TestVcpu, why: number): void {
  expect([vcpu.run(), vcpu.exitReason]).toEqual([0, VKVM_EXIT_IDLE]);
  expect(vcpu.exit(vkvmRunIdle).why).toBe(why);
}

test.each([false, true])('nothing: the guest goes on. Shared memory: %s', (shared) => {
  const { vcpu } = afterExits({ shared });
  vcpu.exit(kvmRunMmio).data.set([0x78, 0x56, 0x34, 0x12]);
  expectRead(vcpu);
  expect(vcpu.get(xRegId(2))).toBe(0x1234_5678n);
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 12));
});

test.each([false, true])('another thread runs the vCPU. Shared memory: %s', (shared) => {
  // mov x5, #3 << 20; msr cpacr_el1, x5; isb
  const enableFp = [0xd2a0_0605, 0xd518_1045, 0xd503_3fdf];
  const CNT = 0x4e20_5800; // cnt v0.16b, v0.16b: each thread compiles it when it meets it first
  const { vcpu } = afterExits({ shared }, [...enableFp, LDR, LDR, LDR, CNT, LDR, CNT, LDR, WFI]);
  const { kernel, syscalls } = vcpu.vm.process;
  const second = adopt(kernel.share());
  for (const [thread, at] of [
    [second, 7],
    [syscalls, 9],
  ] as const) {
    expect(named(thread.ioctl(vcpu.fd, KVM_RUN, 0))).toBe(0);
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4 * at));
  }
});

test('the access is the last instruction of a page: the guest goes on in the next one', () => {
  const { vcpu } = afterExits({}, READS, 0xff4);
  expectRead(vcpu);
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 0x1000));
});

test('somebody traces: every exit is told of', () => {
  const told: number[] = [];
  afterExits({ trace: { kvm_userspace_exit: (_, reason) => void told.push(reason) } });
  expect(told).toEqual([KVM_EXIT_MMIO, KVM_EXIT_MMIO, KVM_EXIT_MMIO]);
});

test('it is run while its exit is traced: EDEADLK', () => {
  let run = (): unknown => 'too early';
  const answers: unknown[] = [];
  const trace = { kvm_userspace_exit: () => void answers.push(run()) };
  const { vcpu } = afterExits({ trace }, [...READS.slice(0, 4), ...READS]);
  const untraced = adopt(vcpu.vm.process.kernel.share());
  run = () => named(untraced.ioctl(vcpu.fd, KVM_RUN, 0));
  expect(run()).toBe(0);
  expectRead(vcpu);
  expect(answers.at(-1)).toBe('EDEADLK');
});

test('KVM_RUN has an argument: EINVAL, and the guest goes on after', () => {
  const { vcpu } = afterExits();
  expect(vcpu.vm.process.ioctl(vcpu.fd, KVM_RUN, 1)).toBe('EINVAL');
  expectRead(vcpu);
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 12));
});

describe.each([false, true])('the host is asked for the time. Shared memory: %s', (shared) => {
  test('and runs the vCPU that runs already: EDEADLK', () => {
    let run = (): unknown => 'too early';
    const answers: unknown[] = [];
    const now = (): number => {
      answers.push(run());
      return 0;
    };
    const { vcpu } = afterExits({ shared, host: { now, wait: () => false } }, [LDR, LDR, LDR, CNTVCT, LDR]);
    run = () => vcpu.run();
    expectRead(vcpu);
    expect(answers.at(-1)).toBe('EDEADLK');
  });

  test('and throws: EIO, and the vCPU can be run', () => {
    let isBroken = false;
    const now = (): number => {
      if (isBroken) throw new Error('no time');
      return 0;
    };
    const { vcpu } = afterExits({ shared, host: { now, wait: () => false } }, [LDR, LDR, LDR, CNTVCT, LDR]);
    isBroken = true;
    expect([vcpu.run(), vcpu.exitReason]).toEqual(['EIO', KVM_EXIT_INTERNAL_ERROR]);
    isBroken = false;
    expectRead(vcpu);
  });
});

test('exit_reason is overwritten: the guest executes the access again', () => {
  const { vcpu } = afterExits();
  kvmRun.view(vcpu.vm.process.memory, vcpu.page).exit_reason = KVM_EXIT_UNKNOWN;
  vcpu.exit(kvmRunMmio).data.set([1, 0, 0, 0]);
  expectRead(vcpu);
  expect([vcpu.get(KVM_REG_PC), vcpu.get(xRegId(2))]).toEqual([BigInt(RAM + 8), 0n]);
});

test('KVM_SET_MP_STATE: it stops', () => {
  const { vcpu } = afterExits();
  const stopped = { mp_state: KVM_MP_STATE_STOPPED };
  expect(vcpu.vm.process.call(vcpu.fd, KVM_SET_MP_STATE, kvmMpState, stopped)).toBe(0);
  expectIdle(vcpu, VKVM_IDLE_STOPPED);
});

test('SYSTEM_OFF of another vCPU: it stops', () => {
  const { vcpu, other } = afterExits();
  expect(other.run()).toBe(0);
  expectIdle(vcpu, VKVM_IDLE_STOPPED);
});

test('other memory: it goes on, and waits where it says so', () => {
  const { vcpu } = afterExits();
  expectRead(vcpu);
  const { vm } = vcpu;
  expect(vm.setMemory(1, RAM + 0x20_0000, 0x1000, vm.process.mapMemory(0x1000))).toBe(0);
  for (let run = 0; run < 2; run++) expectIdle(vcpu, VKVM_IDLE_WFI);
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 20));
});

test('KVM_SET_GUEST_DEBUG: an instruction is a step', () => {
  const { vcpu } = afterExits();
  const control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  vcpu.vm.process.call(vcpu.fd, KVM_SET_GUEST_DEBUG, kvmGuestDebug, { control });
  const reasons = [vcpu.run(), vcpu.exitReason, vcpu.run(), vcpu.exitReason];
  expect(reasons).toEqual([0, KVM_EXIT_MMIO, 0, KVM_EXIT_DEBUG]);
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 16));
});

test('a kick, or immediate_exit: EINTR, and the access is complete', () => {
  const { vcpu } = afterExits();
  vcpu.kick();
  expect(vcpu.run()).toBe('EINTR');
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 12));
  expectRead(vcpu);
  const run = kvmRun.view(vcpu.vm.process.memory, vcpu.page);
  run.immediate_exit = 1;
  expect(vcpu.run()).toBe('EINTR');
  expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 16));
});
