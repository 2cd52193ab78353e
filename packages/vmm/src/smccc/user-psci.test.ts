import {
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  KVM_REG_PC,
  PSCI_0_1,
  PSCI_0_2,
  PSCI_1_0,
  PSCI_1_3,
  SYSREGS,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeKernel } from '../../test/fake-kernel.ts';
import { openKvm } from '../kvm/kvm.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import { CpuPower } from './cpu-power.ts';
import { UserPsci } from './user-psci.ts';

const CPU_SUSPEND = 0x8400_0001;
const CPU_OFF = 0x8400_0002;
const CPU_ON = 0xc400_0003;
const CPU_ON_32 = 0x8400_0003;
const FEATURES = 0x8400_000a;
const SYSTEM_SUSPEND = 0xc400_000e;

const SCTLR_EL1 = sysregId(SYSREGS.SCTLR_EL1);
const EE = 1n << 25n;

/** Three vCPUs, of which the first one is on. */
function machine(version: PsciVersion = PSCI_1_3, canSuspend = true) {
  const kernel = new FakeKernel();
  const vm = openKvm(kernel, kernel.process).createVm();
  const vcpus = [0, 1, 2].map((id) => vm.createVcpu(id));
  for (const vcpu of vcpus.slice(1)) vcpu.mpState = KVM_MP_STATE_STOPPED;
  const resets: number[] = [];
  const power = new CpuPower({
    vcpus,
    affinities: [0, 1, 0x100],
    hasMpState: true,
    reset: ({ id }) => void resets.push(id),
  });
  const psci = new UserPsci({ version, power, canSuspend });
  const [caller, second] = vcpus as [Vcpu, Vcpu, Vcpu];
  const call = (functionId: number, ...args: bigint[]): (number | bigint)[] => {
    const { results } = psci.call({ functionId, args }, caller);
    return [Number(BigInt.asIntN(64, results[0] as bigint)), ...results.slice(1)];
  };
  return { psci, call, caller, second, vcpus, resets };
}

describe('CPU_ON', () => {
  test('resets its target and starts it at the entry point, with the context in x0', () => {
    const { call, second, resets } = machine();
    expect(call(CPU_ON, 1n, 0x4000_1000n, 0xfedc_ba98_7654_3210n)).toEqual([0, 0n, 0n, 0n]);
    expect(resets).toEqual([1]);
    expect([second.getReg(KVM_REG_PC), second.getReg(xRegId(0))]).toEqual([
      0x4000_1000n,
      0xfedc_ba98_7654_3210n,
    ]);
    expect(second.mpState).toBe(KVM_MP_STATE_RUNNABLE);
  });

  test('of the 32-bit convention sees words', () => {
    const { call, second } = machine();
    expect(call(CPU_ON_32, 0x5a5a_0000_0001n, 0x5a5a_4000_1000n, 0x5a5a_0000_0007n)[0]).toBe(0);
    expect([second.getReg(KVM_REG_PC), second.getReg(xRegId(0))]).toEqual([0x4000_1000n, 7n]);
  });

  test('hands the caller’s byte order on', () => {
    const { call, caller, second } = machine();
    caller.setReg(SCTLR_EL1, EE);
    call(CPU_ON, 1n, 0n, 0n);
    expect(second.getReg(SCTLR_EL1) & EE).toBe(EE);
  });

  test.each([
    ['itself', PSCI_1_3, 0n, -4],
    ['itself, in version 0.2', PSCI_0_2, 0n, -4],
    ['an affinity that nobody has', PSCI_1_3, 2n, -2],
    ['reserved bits', PSCI_1_3, 0x8000_0001n, -2],
    ['bits above Aff3', PSCI_1_3, 0x100_0000_0001n, -2],
  ] as const)('refuses %s', (_, version, affinity, result) => {
    const { call, resets } = machine(version);
    expect(call(CPU_ON, affinity, 0n, 0n)[0]).toBe(result);
    expect(resets).toEqual([]);
  });

  test('of version 0.1 has an id and an error of its own', () => {
    const { call, second } = machine(PSCI_0_1);
    expect(call(CPU_ON, 1n, 0n, 0n)[0]).toBe(-1);
    expect(call(0x95c1_ba60, 0n, 0n, 0n)[0]).toBe(-2);
    expect(call(0x95c1_ba60, 1n, 0x4000_1000n, 0n)[0]).toBe(0);
    expect(second.getReg(KVM_REG_PC)).toBe(0x4000_1000n);
  });

  test('counts a SUSPENDED vCPU as on', () => {
    const { call, second } = machine();
    second.mpState = KVM_MP_STATE_SUSPENDED;
    expect(call(CPU_ON, 1n, 0n, 0n)[0]).toBe(-4);
  });
});

test('CPU_OFF stops the caller', () => {
  const { call, caller } = machine();
  call(CPU_OFF);
  expect(caller.mpState).toBe(KVM_MP_STATE_STOPPED);
});

describe('CPU_SUSPEND', () => {
  test('makes the caller SUSPENDED, which goes on where it was when it is woken', () => {
    const { psci, call, caller, resets } = machine();
    caller.setReg(xRegId(0), 0n);
    expect(call(CPU_SUSPEND, 0x1_0000n, 0x4000_1000n, 7n)).toEqual([0, 0n, 0n, 0n]);
    expect(caller.mpState).toBe(KVM_MP_STATE_SUSPENDED);
    psci.wake(caller);
    expect([caller.mpState, caller.getReg(KVM_REG_PC), resets]).toEqual([KVM_MP_STATE_RUNNABLE, 0n, []]);
  });

  test('returns at once where the kernel has no such state', () => {
    const { call, caller } = machine(PSCI_1_3, false);
    expect(call(CPU_SUSPEND)[0]).toBe(0);
    expect(caller.mpState).toBe(KVM_MP_STATE_RUNNABLE);
  });
});

describe('SYSTEM_SUSPEND', () => {
  test('is refused while another CPU is on', () => {
    const { call, caller, second } = machine();
    second.mpState = KVM_MP_STATE_RUNNABLE;
    expect(call(SYSTEM_SUSPEND, 0x4000_1000n, 7n)).toEqual([-3, 0n, 0n, 0n]);
    expect(caller.mpState).toBe(KVM_MP_STATE_RUNNABLE);
  });

  test('keeps the call in the registers, and starts from reset there when it is woken', () => {
    const { psci, caller, resets } = machine();
    const { results } = psci.call({ functionId: SYSTEM_SUSPEND, args: [0x4000_1000n, 7n, 8n] }, caller);
    expect(results).toEqual([BigInt(SYSTEM_SUSPEND), 0x4000_1000n, 7n, 8n]);
    expect([caller.mpState, resets]).toEqual([KVM_MP_STATE_SUSPENDED, []]);
    results.forEach((value, n) => caller.setReg(xRegId(n), value));
    psci.wake(caller);
    expect([caller.mpState, resets]).toEqual([KVM_MP_STATE_RUNNABLE, [0]]);
    expect([caller.getReg(KVM_REG_PC), caller.getReg(xRegId(0))]).toEqual([0x4000_1000n, 7n]);
  });

  test('is there, and announced, from 1.0 on and where vCPUs can be SUSPENDED', () => {
    const announced = ({ call }: ReturnType<typeof machine>) => call(FEATURES, BigInt(SYSTEM_SUSPEND))[0];
    expect(announced(machine())).toBe(0);
    expect(announced(machine(PSCI_1_0))).toBe(0);
    expect(announced(machine(PSCI_1_3, false))).toBe(-1);
    expect(machine(PSCI_1_3, false).call(SYSTEM_SUSPEND, 0n, 0n)[0]).toBe(-1);
    expect(machine(PSCI_0_2).call(SYSTEM_SUSPEND, 0n, 0n)[0]).toBe(-1);
  });
});

describe('the end of the machine', () => {
  test.each([
    ['SYSTEM_OFF', 0x8400_0008, [], 'shutdown', [0n, 0n, 0n]],
    ['SYSTEM_RESET', 0x8400_0009, [], 'reset', [0n, 0n, 0n]],
    ['SYSTEM_RESET2', 0xc400_0012, [0n, 5n, 6n], 'reset', [0n, 5n, 6n]],
    ['SYSTEM_RESET2, vendor', 0x8400_0012, [0x5a_8000_0000n, 5n, 6n], 'reset', [0x8000_0000n, 5n, 6n]],
    ['SYSTEM_OFF2', 0xc400_0015, [1n, 0n], 'shutdown', [0n, 0n, 0n]],
  ] as const)(
    '%s stops every vCPU, and whoever goes on reads a failure',
    (_, functionId, args, kind, rest) => {
      const { psci, caller, vcpus } = machine();
      for (const vcpu of vcpus) vcpu.mpState = KVM_MP_STATE_RUNNABLE;
      const { results, action } = psci.call({ functionId, args }, caller);
      expect([action, vcpus.map(({ mpState }) => mpState)]).toEqual([
        { kind },
        Array.from({ length: 3 }, () => KVM_MP_STATE_STOPPED),
      ]);
      expect(results).toEqual([BigInt.asUintN(64, -6n), ...rest]);
    },
  );

  test('does not come of a type that is reserved', () => {
    const { call, vcpus } = machine();
    expect(call(0xc400_0012, 1n)[0]).toBe(-2);
    expect(call(0xc400_0015, 2n)[0]).toBe(-2);
    expect(call(0xc400_0015, 1n, 1n)[0]).toBe(-2);
    expect(vcpus[0]?.mpState).toBe(KVM_MP_STATE_RUNNABLE);
  });
});
