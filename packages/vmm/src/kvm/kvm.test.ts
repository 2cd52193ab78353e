import {
  KVM_CAP_ARM_PSCI_0_2,
  ENOENT,
  ENOSYS,
  EINVAL,
  EFAULT,
  KVM_CAP_ONE_REG,
  KVM_EXIT_ARM_NISV,
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HYPERCALL,
  KVM_EXIT_MEMORY_FAULT,
  KVM_REG_PC,
  KVM_SET_ONE_REG,
  VKVM_CAP_ABI_REVISION,
  VKVM_CAP_PROFILE,
  VKVM_EXIT_PSCI,
  vkvmRunPsci,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeKernel, exit, idle, mmio, sliceEnd, systemEvent } from '../../test/fake-kernel.ts';
import { checkAbi, identifyKernel } from './abi-check.ts';
import { KvmError, ProcessError } from './error.ts';
import { openKvm } from './kvm.ts';
import { createProcess } from './process.ts';

function vcpuOf(kernel: FakeKernel) {
  const kvm = openKvm(kernel, kernel.process);
  const vm = kvm.createVm();
  return { kvm, vm, vcpu: vm.createVcpu(0) };
}

describe('Vcpu', () => {
  test('moves registers through memory', () => {
    const { vcpu } = vcpuOf(new FakeKernel());
    vcpu.setReg(KVM_REG_PC, 0xffff_0000_1234_5678n);
    expect(vcpu.getReg(KVM_REG_PC)).toBe(0xffff_0000_1234_5678n);
    expect([...vcpu.getRegBytes(KVM_REG_PC)]).toEqual([0x78, 0x56, 0x34, 0x12, 0, 0, 0xff, 0xff]);
  });

  test('names the request that failed and its errno', () => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    kernel.results.set(KVM_SET_ONE_REG, -ENOENT);
    const failed = expect.objectContaining({ name: 'KvmError', request: 'KVM_SET_ONE_REG', errno: 'ENOENT' });
    expect(() => vcpu.setReg(1n, 0n)).toThrow(failed);
  });

  test('answers an MMIO load in place and tells a store from it', () => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    kernel.script.push(mmio(0x1_0900_0018, { read: 4 }), mmio(0x900_0000, { write: [0x41] }));
    const load = vcpu.run();
    expect(load).toMatchObject({ reason: 'mmio', address: 0x1_0900_0018, isWrite: false });
    if (load.reason === 'mmio') load.data.set([1, 2, 3, 4]);
    const { run } = kernel.vcpus[0]!;
    expect([...new Uint8Array(kernel.process.memory.buffer, run + 40, 4)]).toEqual([1, 2, 3, 4]);
    const store = vcpu.run();
    expect(store).toMatchObject({
      reason: 'mmio',
      address: 0x900_0000,
      isWrite: true,
      data: new Uint8Array([0x41]),
    });
    expect(store).toBe(load); // no allocation per exit
  });

  test('gives each access the bytes that it has', () => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    const lengths = [4, 4, 1, 8, 2, 4];
    kernel.script.push(...lengths.map((read) => mmio(0x900_0000, { read })));
    const places = lengths.map(() => {
      const load = vcpu.run();
      return load.reason === 'mmio' ? [load.data.byteOffset, load.data.length] : [];
    });
    const { run } = kernel.vcpus[0]!;
    expect(places).toEqual(lengths.map((length) => [run + 40, length]));
  });

  test.each([
    ['the end of a slice', sliceEnd, { reason: 'intr' }],
    ['idle without a deadline', idle(), { reason: 'idle', deadline: Infinity }],
    ['idle until a deadline', idle(5_000_000n), { reason: 'idle', deadline: 5_000_000 }],
    ['a power-off', systemEvent(1), { reason: 'system_event', type: 1, data: [0n] }],
    [
      'a forwarded call',
      exit(KVM_EXIT_HYPERCALL, [0x8400_0001]),
      { reason: 'hypercall', functionId: 0x8400_0001 },
    ],
    [
      'an illegal state',
      exit(KVM_EXIT_FAIL_ENTRY, [], -EINVAL),
      { reason: 'fail_entry', illegalState: true },
    ],
    [
      'no entry',
      exit(KVM_EXIT_FAIL_ENTRY, [1]),
      { reason: 'fail_entry', illegalState: false, hardwareReason: 1n },
    ],
    [
      'no syndrome',
      exit(KVM_EXIT_ARM_NISV, [5, 0, 0x1000, 0]),
      { reason: 'arm_nisv', iss: 5n, address: 0x1000 },
    ],
    [
      'a memory fault',
      exit(KVM_EXIT_MEMORY_FAULT, [0, 0, 0x2000, 0, 0x1000, 0], -EFAULT),
      { reason: 'memory_fault', address: 0x2000, size: 0x1000 },
    ],
    ['a reason nobody knows', exit(4711), { reason: 'unsupported', exitReason: 4711 }],
  ])('reports %s', (_, step, expected) => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    kernel.script.push(step);
    expect(vcpu.run()).toMatchObject(expected);
  });

  test('brings a PSCI call out and its results back', () => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    kernel.script.push(exit(VKVM_EXIT_PSCI, [0xc400_0003, 1, 11, 0, 12, 0]));
    const call = vcpu.run();
    if (call.reason !== 'psci') throw new Error(call.reason);
    expect([call.functionId, call.conduit, call.args.slice(0, 3)]).toEqual([
      0xc400_0003,
      'smc',
      [11n, 12n, 0n],
    ]);
    call.ret = [1n, 2n, 3n, 4n];
    expect(vkvmRunPsci.view(kernel.process.memory, vcpu.runPage).ret).toEqual([1n, 2n, 3n, 4n]);
  });

  test.each([
    ['a kernel without system events', 0, 'psci'],
    ['one with them', 1, 'system_event'],
  ])('number-24: takes exit 24 of %s for what it is', (_, psci02, reason) => {
    const kernel = new FakeKernel();
    kernel.caps.set(KVM_CAP_ARM_PSCI_0_2, psci02);
    const { vcpu } = vcpuOf(kernel);
    kernel.script.push(exit(24, [1]));
    expect(vcpu.run().reason).toBe(reason);
  });

  test('throws what no exit describes', () => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    kernel.script.push(exit(0, [], -ENOSYS));
    expect(() => vcpu.run()).toThrow(KvmError);
    kernel.script.push(exit(0, [], -ENOSYS));
    expect(() => vcpu.run()).toThrow('KVM_RUN: ENOSYS');
  });

  test('shows a kick until it is taken', () => {
    const { vcpu } = vcpuOf(new FakeKernel());
    expect(vcpu.isKicked).toBe(false);
    vcpu.kick();
    expect(vcpu.isKicked).toBe(true);
    vcpu.clearKick();
    expect(vcpu.isKicked).toBe(false);
  });

  test('is closed once', () => {
    const kernel = new FakeKernel();
    const { vcpu } = vcpuOf(kernel);
    const before = kernel.openFiles;
    vcpu[Symbol.dispose]();
    vcpu[Symbol.dispose]();
    expect(kernel.openFiles).toBe(before - 1);
  });
});

describe('checkAbi', () => {
  test('names both sides and the remedy when the kernel lacks something', () => {
    const kernel = new FakeKernel();
    kernel.caps
      .set(VKVM_CAP_ABI_REVISION, 1)
      .set(VKVM_CAP_PROFILE, (7 << 16) | 3)
      .set(KVM_CAP_ONE_REG, 0);
    using kvm = openKvm(kernel, kernel.process);
    expect(() => checkAbi(kvm, [{ cap: KVM_CAP_ONE_REG, purpose: 'set boot registers' }])).toThrow(
      'vkvm ABI revision 1 as Linux 7.3 lacks KVM_CAP_ONE_REG, which this VMM (ABI revision 3) needs to set boot registers; ' +
        'use a newer kernel (vkvm: a @vkvm/kernel as new as the @vkvm/vmm, a newer profile), or ask for less',
    );
  });

  test('refuses another API version', () => {
    const kernel = new FakeKernel();
    kernel.apiVersion = 11;
    using kvm = openKvm(kernel, kernel.process);
    expect(() => checkAbi(kvm, [])).toThrow('the kernel speaks KVM API version 11, this VMM 12');
  });

  test('takes a kernel that is not vkvm, and one of a later revision', () => {
    const kernel = new FakeKernel();
    using kvm = openKvm(kernel, kernel.process);
    kernel.caps.set(VKVM_CAP_ABI_REVISION, 0);
    expect(checkAbi(kvm, [])).toEqual({ revision: 0, name: 'a kernel other than vkvm' });
    kernel.caps.set(VKVM_CAP_ABI_REVISION, 99);
    expect(identifyKernel(kvm).revision).toBe(99);
    expect(() => checkAbi(kvm, [])).not.toThrow();
  });
});

describe('createProcess', () => {
  test('reserves whole pages, shared or not', () => {
    expect(createProcess({ size: 100_000, shared: false }).memory.buffer.byteLength).toBe(131_072);
    expect(createProcess({ size: 65_536, shared: true }).memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test('says what to do when the host refuses', () => {
    const tooMuch = () => createProcess({ size: 2 ** 33, shared: false });
    expect(tooMuch).toThrow(ProcessError);
    expect(tooMuch).toThrow('does not give the 8192 MiB of memory that the machine needs; use less --memory');
  });
});
