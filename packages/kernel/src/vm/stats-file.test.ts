import { KVM_GET_STATS_FD, kvmStatsHeader, xRegId } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { DEVICE, TestProcess, TestVcpu, TestVm, named } from '../../test/machine.ts';

/** Reads a stats file to its end, in pieces. */
function readAll({ process, fd }: { process: TestProcess; fd: number }, piece = 100): Uint8Array {
  const found: number[] = [];
  for (;;) {
    const length = process.syscalls.read(fd, process.arg, piece);
    expect(length).toBeGreaterThanOrEqual(0);
    if (length === 0) return Uint8Array.from(found);
    found.push(...new Uint8Array(process.memory.buffer, process.arg, length));
  }
}

/** The counters by name, as a VMM would find them. */
function parse(bytes: Uint8Array): { id: string; counters: Record<string, bigint> } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const header = kvmStatsHeader.read(bytes.buffer, bytes.byteOffset);
  const textAt = (offset: number) => {
    const name = bytes.subarray(offset, offset + header.name_size);
    return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
  };
  const counters: Record<string, bigint> = {};
  for (let n = 0; n < header.num_desc; n++) {
    const descriptor = header.desc_offset + n * (16 + header.name_size);
    const offset = view.getUint32(descriptor + 8, true);
    counters[textAt(descriptor + 16)] = view.getBigUint64(header.data_offset + offset, true);
  }
  return { id: textAt(header.id_offset), counters };
}

describe('the stats file', () => {
  const setUp = () => {
    const process = new TestProcess();
    const vm = new TestVm(process);
    const vcpu = new TestVcpu(vm).start();
    vm.load([0xd400_0002, 0xb900_0020]); // hvc #0; str w0, [x1]
    vcpu.set(xRegId(1), BigInt(DEVICE));
    return { process, vm, vcpu };
  };

  test('of a vCPU counts what it left guest code for', () => {
    const { process, vcpu } = setUp();
    const fd = process.syscalls.ioctl(vcpu.fd, KVM_GET_STATS_FD);
    expect(parse(readAll({ process, fd })).counters).toMatchObject({ hvc_exit_stat: 0n, mmio_exit_user: 0n });
    expect(vcpu.run()).toBe(0);
    const { id, counters } = parse(readAll({ process, fd }));
    expect(id).toBe('kvm/vcpu-0');
    expect(counters).toMatchObject({ hvc_exit_stat: 1n, mmio_exit_user: 1n, mmio_exit_kernel: 0n });
    expect(counters['exits']).toBeGreaterThanOrEqual(1n);
  });

  test('of a VM counts TLB flushes', () => {
    const { process, vm, vcpu } = setUp();
    const fd = process.syscalls.ioctl(vm.fd, KVM_GET_STATS_FD);
    const before = parse(readAll({ process, fd }));
    vm.setMemory(1, 0x6000_0000, 0x1000, process.mapMemory(0x1000));
    expect(parse(readAll({ process, fd })).counters['remote_tlb_flush']).toBe(
      before.counters['remote_tlb_flush']! + 1n,
    );
    expect(before.id).toBe('kvm');
    expect(vcpu.fd).toBeGreaterThan(0);
  });

  test('keeps its VM, is read only, and takes no requests', () => {
    const { process, vm, vcpu } = setUp();
    const { syscalls } = process;
    const fd = syscalls.ioctl(vcpu.fd, KVM_GET_STATS_FD);
    syscalls.close(vcpu.fd);
    syscalls.close(vm.fd);
    expect(parse(readAll({ process, fd })).id).toBe('kvm/vcpu-0');
    expect(named(syscalls.write(fd, process.arg, 8))).toBe('EINVAL');
    expect(named(syscalls.ioctl(fd, KVM_GET_STATS_FD))).toBe('ENOTTY');
    expect(named(syscalls.read(fd, 8, 8))).toBe('EFAULT');
    expect(syscalls.close(fd)).toBe(0);
    expect(process.ioctl(process.kvm, KVM_GET_STATS_FD)).toBe('EINVAL');
  });
});
