/** Profile rfc-2013: PSCI 0.1 as Linux 3.12 serves it. Source: its arch/arm/kvm/psci.c and arch/arm64/kvm/handle_exit.c. */
import {
  KVM_CREATE_IRQCHIP,
  KVM_REG_ELR_EL1,
  KVM_REG_PC,
  PSCI_0_1_FUNCTIONS,
  SYSREGS,
  VKVM_CAP_PSCI_OWNER,
  VKVM_PSCI_OWNER_KERNEL,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { POWER_OFF, RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

const HVC = 0xd400_0002;
const SMC = 0xd400_0003;
const STAY = 0x1400_0000; // b .
const VECTORS = 0x1000;
/** ESR_EL1 of an undefined instruction: class 0, a 32-bit instruction. */
const UNDEFINED = 0x0200_0000n;

const [, , CPU_ON, MIGRATE] = PSCI_0_1_FUNCTIONS.map(({ id }) => BigInt(id)) as [
  bigint,
  bigint,
  bigint,
  bigint,
];

function guest(instruction = HVC): TestVcpu {
  const vm = new TestVm(new TestProcess({ profile: 'rfc-2013' }));
  vm.load([instruction, STAY]);
  vm.load(
    Array.from({ length: 0x200 }, () => STAY),
    VECTORS,
  );
  vm.slice(16);
  expect(vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(VKVM_PSCI_OWNER_KERNEL))).toBe(0);
  const vcpu = new TestVcpu(vm);
  expect(vcpu.init(0)).toBe(0);
  vcpu.set(KVM_REG_PC, BigInt(RAM));
  vcpu.set(sysregId(SYSREGS.VBAR_EL1), BigInt(RAM + VECTORS));
  return vcpu;
}

/** Makes a call. @returns x0 to x3 */
function call(vcpu: TestVcpu, ...x: readonly bigint[]): (bigint | string)[] {
  x.forEach((value, n) => vcpu.set(xRegId(n), value));
  vcpu.set(KVM_REG_PC, BigInt(RAM));
  vcpu.run();
  return [0, 1, 2, 3].map((n) => vcpu.get(xRegId(n)));
}

const signed = ([x0]: readonly (bigint | string)[]): bigint => BigInt.asIntN(64, x0 as bigint);

describe('a function id that Linux 3.12 does not know', () => {
  test.each([
    ['PSCI_VERSION', 0x8400_0000n],
    ['SMCCC_VERSION', 0x8000_0000n],
    ['a workaround', 0x8000_8000n],
    ['one that is nobody’s', 0x1234_5678n],
  ])('is an undefined instruction, and changes no register: %s', (_, id) => {
    for (const [instruction, elr] of [
      [HVC, RAM + 4],
      [SMC, RAM],
      [SMC | (1 << 5), RAM],
    ] as const) {
      const vcpu = guest(instruction);
      expect(call(vcpu, id, 1n, 2n, 3n)).toEqual([id, 1n, 2n, 3n]);
      expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + VECTORS + 0x200));
      expect(vcpu.get(sysregId(SYSREGS.ESR_EL1))).toBe(UNDEFINED);
      expect(vcpu.get(KVM_REG_ELR_EL1)).toBe(BigInt(elr));
    }
  });
});

describe('a call of PSCI 0.1', () => {
  test.each([
    ['HVC', HVC],
    ['SMC', SMC],
    ['SMC with an immediate', SMC | (1 << 5)],
  ])('by %s has a result in x0 alone', (_, instruction) => {
    expect(call(guest(instruction), MIGRATE, 1n, 2n, 3n)).toEqual([0xffff_ffff_ffff_ffffn, 1n, 2n, 3n]);
  });

  test('CPU_ON names a CPU by its place among the VM’s, whatever its affinity is', () => {
    const vcpu = guest();
    const other = new TestVcpu(vcpu.vm, 5);
    expect(other.init(POWER_OFF)).toBe(0);
    const on = (target: bigint): bigint => signed(call(vcpu, CPU_ON, target, BigInt(RAM + 4), 0n));
    expect(on(5n)).toBe(-2n);
    expect(on(0x1_0000_0001n)).toBe(-2n);
    expect(on(0xff00_0001n)).toBe(-2n);
    expect(on(1n)).toBe(0n);
    expect(on(1n)).toBe(-2n);
    expect(other.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });
});

test('KVM_CREATE_IRQCHIP comes before the first vCPU', () => {
  const vm = new TestVm(new TestProcess({ profile: 'rfc-2013' }));
  expect(vm.process.ioctl(vm.fd, KVM_CREATE_IRQCHIP)).toBe(0);
  const late = guest().vm;
  expect(late.process.ioctl(late.fd, KVM_CREATE_IRQCHIP)).toBe('EEXIST');
});
