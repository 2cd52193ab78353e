/** Owners of PSCI: which call exits, in what form, and what completes it. */
import {
  KVM_ARM_VM_SMCCC_CTRL,
  KVM_ARM_VM_SMCCC_FILTER,
  KVM_ENABLE_CAP,
  KVM_EXIT_HYPERCALL,
  KVM_EXIT_INTR,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_GET_MP_STATE,
  KVM_MP_STATE_STOPPED,
  KVM_REG_PC,
  KVM_SET_DEVICE_ATTR,
  KVM_SMCCC_FILTER_FWD_TO_USER,
  VKVM_CAP_PSCI_OWNER,
  VKVM_EXIT_IDLE,
  VKVM_EXIT_PSCI,
  VKVM_PSCI_CONDUIT_HVC,
  VKVM_PSCI_CONDUIT_SMC,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_KERNEL,
  VKVM_PSCI_OWNER_USER,
  VKVM_PSCI_ROUTE,
  VKVM_PSCI_ROUTE_TO_KERNEL,
  VKVM_PSCI_ROUTE_TO_USER,
  VKVM_RFC_2013_EXIT_PSCI,
  kvmDeviceAttr,
  kvmEnableCap,
  kvmMpState,
  kvmRun,
  kvmSmcccFilter,
  vkvmPsciRoute,
  vkvmRunPsci,
  xRegId,
} from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { PSCI_0_2, RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

const HVC = 0xd400_0002;
const SMC = 0xd400_0003;
const STAY = 0x1400_0000; // b .

const PSCI_VERSION = 0x8400_0000;
const CPU_ON = 0xc400_0003;
const SYSTEM_OFF = 0x8400_0008;

/** A vCPU about to make calls, one instruction each. */
function guest(owner: number, instructions: readonly number[] = [HVC, STAY]): TestVcpu {
  const vm = new TestVm(new TestProcess());
  vm.load(instructions);
  vm.slice(1000);
  expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(owner))).toBe(0);
  return new TestVcpu(vm).start();
}

const route = (
  { process, fd }: TestVm,
  base: number,
  count: number,
  owner: number,
  reserved = 0,
): number | string => process.call(fd, VKVM_PSCI_ROUTE, vkvmPsciRoute, { base, count, owner, reserved });

/** Makes the call; one before it stays unanswered. @returns who took it */
function ownerOf(vcpu: TestVcpu, id: number): string {
  kvmRun.view(vcpu.vm.process.memory, vcpu.page).exit_reason = 0;
  vcpu.set(KVM_REG_PC, BigInt(RAM));
  vcpu.set(xRegId(0), BigInt(id));
  vcpu.run();
  return vcpu.exitReason === VKVM_EXIT_PSCI ? 'user' : 'kernel';
}

function answer(vcpu: TestVcpu, ret: readonly bigint[]): void {
  vkvmRunPsci.view(vcpu.vm.process.memory, vcpu.page).ret = ret;
}

const results = (vcpu: TestVcpu): (bigint | string)[] => [0, 1, 2, 3].map((n) => vcpu.get(xRegId(n)));

const mpState = ({ fd, vm: { process } }: TestVcpu): number => {
  process.ioctl(fd, KVM_GET_MP_STATE, process.arg);
  return kvmMpState.read(process.memory, process.arg).mp_state;
};

describe('the PSCI exit', () => {
  test.each([
    ['HVC', HVC, VKVM_PSCI_CONDUIT_HVC],
    ['SMC', SMC, VKVM_PSCI_CONDUIT_SMC],
  ])('carries the call of an %s out, and its results back into x0 to x3', (_, instruction, conduit) => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER, [instruction, STAY]);
    const args = [1, 2, 3, 4, 5, 6, 7].map((n) => 0xa5a5_0000_0000_0000n + BigInt(n));
    args.forEach((value, n) => vcpu.set(xRegId(n + 1), value));
    vcpu.set(xRegId(0), 0xffff_ffff_0000_0000n + BigInt(CPU_ON));
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, VKVM_EXIT_PSCI]);
    const { fn, conduit: found, args: passed, ret } = vcpu.exit(vkvmRunPsci);
    expect([fn, found, passed, ret]).toEqual([CPU_ON, conduit, args, [0n, 0n, 0n, 0n]]);
    answer(vcpu, [10n, 11n, 12n, 0xffff_ffff_ffff_ffffn]);
    expect([vcpu.run(), vcpu.exitReason]).toEqual(['EINTR', KVM_EXIT_INTR]);
    expect(results(vcpu)).toEqual([10n, 11n, 12n, 0xffff_ffff_ffff_ffffn]);
    expect([vcpu.get(xRegId(4)), vcpu.get(KVM_REG_PC)]).toEqual([args[3], BigInt(RAM + 4)]);
  });

  test('is completed by a KVM_RUN that immediate_exit ends', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    vcpu.set(xRegId(0), BigInt(SYSTEM_OFF));
    vcpu.run();
    answer(vcpu, [1n, 2n, 3n, 4n]);
    kvmRun.view(vcpu.vm.process.memory, vcpu.page).immediate_exit = 1;
    expect(vcpu.run()).toBe('EINTR');
    expect(results(vcpu)).toEqual([1n, 2n, 3n, 4n]);
  });

  test('leaves the registers to one_reg if user space overwrites exit_reason', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    vcpu.set(xRegId(0), BigInt(SYSTEM_OFF));
    vcpu.run();
    kvmRun.view(vcpu.vm.process.memory, vcpu.page).exit_reason = 0;
    vcpu.set(xRegId(0), 77n);
    vcpu.run();
    expect(vcpu.get(xRegId(0))).toBe(77n);
  });

  test('is forgotten by KVM_ARM_VCPU_INIT: a machine that is reset does not get the result of its last call', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    vcpu.set(xRegId(0), BigInt(SYSTEM_OFF));
    vcpu.run();
    vcpu.start();
    vcpu.set(KVM_REG_PC, BigInt(RAM + 4));
    vcpu.set(xRegId(0), 0x1234n);
    vcpu.run();
    expect(vcpu.get(xRegId(0))).toBe(0x1234n);
  });

  test('is not made for an SMC with an immediate', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER, [SMC | (1 << 5), STAY]);
    vcpu.set(xRegId(0), BigInt(SYSTEM_OFF));
    expect([vcpu.run(), vcpu.get(xRegId(0))]).toEqual(['EINTR', 0xffff_ffff_ffff_ffffn]);
  });
});

describe('the owner', () => {
  test('exit: shows the power state that the kernel moves by MP_STATE', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_EXIT);
    expect(ownerOf(vcpu, 0x8400_0002)).toBe('kernel'); // CPU_OFF
    expect([vcpu.exitReason, mpState(vcpu)]).toEqual([VKVM_EXIT_IDLE, KVM_MP_STATE_STOPPED]);
  });

  test('does not take calls that are not PSCI', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    expect(ownerOf(vcpu, 0x8000_0000)).toBe('kernel');
    expect(vcpu.get(xRegId(0))).toBe(0x1_0001n);
    expect(ownerOf(vcpu, 0x8400_0020)).toBe('kernel');
    expect(ownerOf(vcpu, 0x8400_0050)).toBe('kernel');
  });

  test('comes after the SMCCC filter', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    const { process, fd } = vcpu.vm;
    const at = process.arg + 0x100;
    kvmSmcccFilter.write(process.memory, at, {
      base: PSCI_VERSION,
      nr_functions: 1,
      action: KVM_SMCCC_FILTER_FWD_TO_USER,
    });
    const values = { group: KVM_ARM_VM_SMCCC_CTRL, attr: BigInt(KVM_ARM_VM_SMCCC_FILTER), addr: at };
    expect(process.call(fd, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, values)).toBe(0);
    ownerOf(vcpu, PSCI_VERSION);
    expect(vcpu.exitReason).toBe(KVM_EXIT_HYPERCALL);
    expect(ownerOf(vcpu, SYSTEM_OFF)).toBe('user');
  });

  test('is one of three, chosen before the first run, and nothing of the struct may be set besides', () => {
    const vm = new TestVm(new TestProcess());
    const pad = new Uint8Array(64);
    pad[63] = 1;
    expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, 3n)).toBe('EINVAL');
    expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, 1n << 32n)).toBe('EINVAL');
    expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, 1n, 1n)).toBe('EINVAL');
    expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, 1n, 0n, 0n, 1n)).toBe('EINVAL');
    const enable = (values: object): number | string =>
      vm.process.call(vm.fd, KVM_ENABLE_CAP, kvmEnableCap, { cap: VKVM_CAP_PSCI_OWNER, ...values });
    expect(enable({ flags: 1 })).toBe('EINVAL');
    expect(enable({ pad })).toBe('EINVAL');
    expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, 2n)).toBe(0);
    vm.load([STAY]);
    vm.slice(100);
    new TestVcpu(vm).start().run();
    expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, 0n)).toBe('EBUSY');
    expect(route(vm, PSCI_VERSION, 1, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe('EBUSY');
  });
});

describe('VKVM_PSCI_ROUTE', () => {
  test('sends chosen functions back to the kernel', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    expect(route(vcpu.vm, PSCI_VERSION, 1, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe(0);
    expect(route(vcpu.vm, 0xc400_0003, 2, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe(0);
    const taken = [
      PSCI_VERSION,
      0x8400_0001,
      0x8400_0003,
      0xc400_0002,
      0xc400_0003,
      0xc400_0004,
      0xc400_0005,
    ];
    expect(taken.map((id) => ownerOf(vcpu, id))).toEqual([
      'kernel',
      'user',
      'user',
      'user',
      'kernel',
      'kernel',
      'user',
    ]);
    expect(ownerOf(vcpu, PSCI_VERSION)).toBe('kernel');
    expect(vcpu.get(xRegId(0))).toBe(0x1_0003n);
  });

  test('sends functions out that the owner leaves to the kernel', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_EXIT);
    expect(route(vcpu.vm, 0x8400_0001, 4, VKVM_PSCI_ROUTE_TO_USER)).toBe(0);
    expect(ownerOf(vcpu, 0x8400_0003)).toBe('user');
    expect(ownerOf(vcpu, SYSTEM_OFF)).toBe('user');
    expect(ownerOf(vcpu, 0xc400_0004)).toBe('kernel');
  });

  test('gives an id one owner: a second route is refused', () => {
    const { vm } = guest(VKVM_PSCI_OWNER_USER);
    expect(route(vm, 0x8400_0002, 3, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe(0);
    expect(route(vm, 0x8400_0004, 2, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe('EEXIST');
    expect(route(vm, 0x8400_0002, 3, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe('EEXIST');
    expect(route(vm, 0x8400_0005, 1, VKVM_PSCI_ROUTE_TO_KERNEL)).toBe(0);
  });

  test('is for PSCI functions, for owners there are, and has reserved bits', () => {
    const { vm } = guest(VKVM_PSCI_OWNER_USER);
    expect(route(vm, PSCI_VERSION, 0, 0)).toBe('EINVAL');
    expect(route(vm, PSCI_VERSION, 0x21, 0)).toBe('EINVAL');
    expect(route(vm, 0x83ff_ffff, 2, 0)).toBe('EINVAL');
    expect(route(vm, 0x8400_0050, 1, 0)).toBe('EINVAL');
    expect(route(vm, PSCI_VERSION, 0xffff_ffff, 0)).toBe('EINVAL');
    expect(route(vm, PSCI_VERSION, 1, 2)).toBe('EINVAL');
    expect(route(vm, PSCI_VERSION, 1, 0, 1)).toBe('EINVAL');
    expect(route(vm, PSCI_VERSION, 0x20, 0)).toBe(0);
    expect(route(vm, 0x95c1_ba5e, 4, 0)).toBe(0);
  });

  test('means nothing where the kernel serves all', () => {
    const { vm } = guest(VKVM_PSCI_OWNER_KERNEL);
    expect(route(vm, PSCI_VERSION, 1, VKVM_PSCI_ROUTE_TO_USER)).toBe('EINVAL');
  });

  test('is taken back when the owner is chosen again', () => {
    const vcpu = guest(VKVM_PSCI_OWNER_USER);
    route(vcpu.vm, 0x8400_0000, 0x20, VKVM_PSCI_ROUTE_TO_KERNEL);
    vcpu.vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(VKVM_PSCI_OWNER_USER));
    expect(ownerOf(vcpu, SYSTEM_OFF)).toBe('user');
  });
});

describe('number 24', () => {
  const exits = (profile: ProfileName): (number | string)[] => {
    const vm = new TestVm(new TestProcess({ profile }));
    vm.load([HVC, STAY]);
    vm.slice(1000);
    const vcpu = new TestVcpu(vm);
    expect(vcpu.init(profile === 'rfc-2013' ? 0 : PSCI_0_2)).toBe(0);
    ownerOf(vcpu, SYSTEM_OFF);
    const first = vcpu.exitReason;
    answer(vcpu, [5n, 6n, 7n, 8n]);
    vcpu.run();
    return [first, ...results(vcpu).map(String)];
  };

  test.each(['linux-5.10', 'linux-6.1', 'linux-6.12', 'linux-7.3'] as const)(
    'is a system event in %s, whose data nobody reads back',
    (profile) => {
      expect(exits(profile).slice(0, 2)).toEqual([KVM_EXIT_SYSTEM_EVENT, String(0xffff_ffff_ffff_fffan)]);
    },
  );

  test('is the PSCI exit in rfc-2013, where nobody has to ask for it', () => {
    expect(exits('rfc-2013')).toEqual([VKVM_RFC_2013_EXIT_PSCI, '5', '6', '7', '8']);
  });
});

test('a VM that says nothing behaves as Linux', () => {
  const vm = new TestVm(new TestProcess());
  vm.load([HVC, STAY]);
  vm.slice(1000);
  const vcpu = new TestVcpu(vm);
  vcpu.init(PSCI_0_2);
  ownerOf(vcpu, SYSTEM_OFF);
  expect(vcpu.exitReason).toBe(KVM_EXIT_SYSTEM_EVENT);
});
