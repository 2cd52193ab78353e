/** A guest that is debugged by user space, through the system calls. */
import {
  KVM_ARM_IRQ_TYPE_CPU,
  KVM_CAP_ARM_NISV_TO_USER,
  KVM_EXIT_ARM_NISV,
  KVM_EXIT_DEBUG,
  KVM_EXIT_MMIO,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_IRQ_LINE,
  KVM_MP_STATE_RUNNABLE,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_SET_GUEST_DEBUG,
  KVM_SET_MP_STATE,
  SYSREGS,
  encodeIrq,
  kvmGuestDebug,
  kvmIrqLevel,
  kvmMpState,
  kvmRun,
  kvmRunDebug,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { DEVICE, RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

const NOP = 0xd503_201f;
const HVC = 0xd400_0002;
const WFI = 0xd503_207f;
const STORE = 0xb900_0281; // str w1, [x20]
const POST_INDEXED = 0xf840_8681; // ldr x1, [x20], #8
/** A step after an instruction that executed, and one after what the hypervisor did for the guest. */
const EXECUTED = 0xcb00_0022;
const EMULATED = 0xca00_0022;

/** A vCPU that single-steps these instructions. x20 is an address without memory. */
function stepped(profile: ProfileName, ...words: readonly number[]): TestVcpu {
  const vm = new TestVm(new TestProcess({ profile }));
  vm.load([...words, NOP, NOP, NOP]);
  vm.slice(10_000);
  const vcpu = new TestVcpu(vm).start();
  vcpu.set(xRegId(20), BigInt(DEVICE));
  const control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  vm.process.call(vcpu.fd, KVM_SET_GUEST_DEBUG, kvmGuestDebug, { control });
  return vcpu;
}

/** @returns where the next step ends, from the start of RAM, and its syndrome */
function step(vcpu: TestVcpu): readonly number[] {
  expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_DEBUG]);
  return [Number(vcpu.get(KVM_REG_PC)) - RAM, vcpu.exit(kvmRunDebug).hsr];
}

const setImmediateExit = (vcpu: TestVcpu, value: number): void => {
  kvmRun.view(vcpu.vm.process.memory, vcpu.page).immediate_exit = value;
};

describe('a single step', () => {
  test.each([
    ['linux-5.10', [8, EXECUTED]],
    ['linux-6.1', [4, EMULATED]],
    ['linux-6.12', [4, EMULATED]],
    ['linux-7.3', [4, EMULATED]],
  ] as const)('over an access that user space serves: %s', (profile, expected) => {
    const vcpu = stepped(profile, STORE);
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_MMIO]);
    expect(step(vcpu)).toEqual(expected);
  });

  test.each([
    ['linux-6.12', [8, EXECUTED]],
    ['linux-7.3', [4, EMULATED]],
  ] as const)('over an access that is completed by immediate_exit: %s', (profile, expected) => {
    const vcpu = stepped(profile, STORE);
    vcpu.run();
    setImmediateExit(vcpu, 1);
    expect(vcpu.run()).toBe('EINTR');
    setImmediateExit(vcpu, 0);
    expect(step(vcpu)).toEqual(expected);
  });

  test.each([
    ['tlbi vmalle1', 0xd508_871f],
    ['ic iallu', 0xd508_751f],
    ['msr cntv_ctl_el0, xzr', 0xd51b_e33f],
    ['msr ttbr0_el1, xzr', 0xd518_201f],
  ])('over %s is one that KVM does not see', (_, word) => {
    for (const profile of ['linux-5.10', 'linux-7.3'] as const) {
      expect(step(stepped(profile, word)), profile).toEqual([4, EXECUTED]);
    }
  });

  test.each([
    ['mrs x1, mdscr_el1', 0xd530_0241],
    ['msr dbgbvr0_el1, xzr', 0xd510_009f],
    ['dc isw, xzr', 0xd508_765f],
  ])('over %s is one that KVM emulates', (_, word) => {
    expect(step(stepped('linux-5.10', word))).toEqual([8, EXECUTED]);
    expect(step(stepped('linux-7.3', word))).toEqual([4, EMULATED]);
  });

  test('into the exception that EL0 gets for a register that EL1 keeps from it', () => {
    const vcpu = stepped('linux-5.10', 0xd53b_e041); // mrs x1, cntvct_el0
    vcpu.set(sysregId(SYSREGS.VBAR_EL1), BigInt(RAM));
    vcpu.set(KVM_REG_PSTATE, 0x3c0n);
    expect(step(vcpu)).toEqual([0x400, EMULATED]);
  });

  test('does not end at an access that user space refuses', () => {
    const vcpu = stepped('linux-7.3', POST_INDEXED);
    expect([vcpu.run(), vcpu.run()]).toEqual(['ENOSYS', 'ENOSYS']);
    vcpu.vm.enableCap(KVM_CAP_ARM_NISV_TO_USER);
    for (let n = 0; n < 2; n++) expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_ARM_NISV]);
  });

  test.each([
    ['linux-5.10', [8, EXECUTED], [8, EXECUTED]],
    ['linux-6.12', [4, EMULATED], [8, EXECUTED]],
    ['linux-7.3', [4, EMULATED], [4, EMULATED]],
  ] as const)('over a WFI waits: %s', (profile, afterInterrupt, afterKick) => {
    const raise = (vcpu: TestVcpu): void => {
      const irq = encodeIrq(KVM_ARM_IRQ_TYPE_CPU, 0, 0);
      vcpu.vm.process.call(vcpu.vm.fd, KVM_IRQ_LINE, kvmIrqLevel, { irq, level: 1 });
    };
    const awake = stepped(profile, WFI);
    raise(awake);
    expect(step(awake)).toEqual([4, EXECUTED]);

    const woken = stepped(profile, WFI);
    woken.run();
    expect(woken.exitReason).not.toBe(KVM_EXIT_DEBUG);
    raise(woken);
    expect(step(woken)).toEqual(afterInterrupt);

    const kicked = stepped(profile, WFI);
    kicked.run();
    expect(kicked.exitReason).not.toBe(KVM_EXIT_DEBUG);
    kicked.kick();
    expect(kicked.run()).toBe('EINTR');
    expect(step(kicked)).toEqual(afterKick);
  });

  test('over CPU_OFF ends when the vCPU runs again', () => {
    const vcpu = stepped('linux-7.3', HVC);
    vcpu.set(xRegId(0), 0x8400_0002n);
    vcpu.run();
    expect(vcpu.exitReason).not.toBe(KVM_EXIT_DEBUG);
    vcpu.vm.process.call(vcpu.fd, KVM_SET_MP_STATE, kvmMpState, { mp_state: KVM_MP_STATE_RUNNABLE });
    expect(step(vcpu)).toEqual([4, EMULATED]);
  });
});
