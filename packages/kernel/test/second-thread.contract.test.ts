/** All state is in the process memory: a second thread adopts the kernel and uses what the first has made. */
import { Worker } from 'node:worker_threads';

import {
  EBADF,
  KVM_EXIT_MMIO,
  KVM_REG_PC,
  KVM_RUN,
  SYSREGS,
  encodeIrq,
  kvmRunMmio,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { adopt } from '../src/index.ts';
import { DEVICE, RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';
import type { Errand } from './second-thread.worker.ts';

interface Report {
  readonly raised: number;
  readonly read: number;
  readonly value: bigint;
}

function send(errand: Errand): Promise<Report> {
  const worker = new Worker(new URL('./second-thread.worker.ts', import.meta.url), { workerData: errand });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** The vector of an IRQ stores x0 to a device. */
function interruptible(words: readonly number[]): TestVcpu {
  const vm = new TestVm(new TestProcess({ shared: true, size: 256 }));
  vm.load(words);
  vm.load([0xb900_0280, 0x1400_0000], 0x1280); // str w0, [x20]; b .
  const vcpu = new TestVcpu(vm).start();
  vcpu.set(xRegId(20), BigInt(DEVICE));
  vcpu.set(sysregId(SYSREGS.VBAR_EL1), BigInt(RAM + 0x1000));
  return vcpu;
}

const errandOf = (vcpu: TestVcpu, register: bigint): Errand => {
  const { process, fd } = vcpu.vm;
  return {
    token: process.kernel.share(),
    vm: fd,
    vcpu: vcpu.fd,
    arg: process.arg + 0x1000,
    irq: encodeIrq(0, 0, 0),
    register,
  };
};

describe('a second thread', () => {
  test('raises the line of a vCPU and reads its registers', async () => {
    const vcpu = interruptible([0xd503_42ff, 0x1400_0000]); // msr daifclr, #2; b .
    vcpu.set(xRegId(7), 0x1234_5678_9abc_def0n);
    expect(await send(errandOf(vcpu, xRegId(7)))).toEqual({
      raised: 0,
      read: 0,
      value: 0x1234_5678_9abc_def0n,
    });
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_MMIO]);
    expect(vcpu.exit(kvmRunMmio).phys_addr).toBe(DEVICE);
  });

  test('interrupts a vCPU that waits in KVM_RUN', async () => {
    const vcpu = interruptible([0xd503_42ff, 0xd503_207f, 0x1400_0000]); // msr daifclr, #2; wfi; b .
    const report = send(errandOf(vcpu, KVM_REG_PC));
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_MMIO]);
    expect((await report).value).toBe(BigInt(RAM + 0x1280));
  });

  test('interrupts a vCPU that never leaves guest code by itself', async () => {
    const vcpu = interruptible([0xd503_42ff, 0x1400_0000]);
    const report = send(errandOf(vcpu, KVM_REG_PC));
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_MMIO]);
    expect((await report).raised).toBe(0);
  });

  test('ends a vCPU that runs by closing all that keeps its VM', async () => {
    const vcpu = interruptible([0x1400_0000]);
    const { process, fd } = vcpu.vm;
    process.syscalls.munmap(vcpu.page, 0x2000);
    const report = send({ ...errandOf(vcpu, KVM_REG_PC), close: [fd, vcpu.fd] });
    expect(vcpu.run()).toBe('EIO');
    expect((await report).read).toBe(-EBADF);
  });

  test('runs a vCPU that the first has run, and the reverse', () => {
    const vm = new TestVm(new TestProcess({ shared: true, size: 256 }));
    const loop = [
      0xd2a0_0200, // mov x0, #0x10_0000
      0x4e20_5800, // cnt v0.16b, v0.16b: compiled when it is met first
      0x9100_0421, // add x1, x1, #1
      0xf100_0400, // subs x0, x0, #1
      0x54ff_ffa1, // b.ne cnt
      0xb900_0281, // str w1, [x20]
      0x17ff_fffa, // b mov
    ];
    vm.load(loop);
    const vcpu = new TestVcpu(vm).start();
    vcpu.set(xRegId(20), BigInt(DEVICE));
    vcpu.set(sysregId(SYSREGS.CPACR_EL1), 3n << 20n);
    const { process } = vm;
    const threads = [process.syscalls, adopt(process.kernel.share()), adopt(process.kernel.share())];
    for (let turn = 1; turn <= 9; turn++) {
      expect(threads[turn % 3]!.ioctl(vcpu.fd, KVM_RUN, 0)).toBe(0);
      expect(vcpu.exitReason).toBe(KVM_EXIT_MMIO);
      expect(vcpu.exit(kvmRunMmio).data).toEqual(new Uint8Array([0, 0, turn * 0x10, 0, 0, 0, 0, 0]));
    }
  });

  test('is refused a memory of another layout', () => {
    const process = new TestProcess({ size: 16 });
    const { memory } = process;
    expect(() => adopt({ layoutVersion: 999, memory })).toThrow(/layout 999.*one version of @vkvm\/kernel/);
    const empty = new WebAssembly.Memory({ initial: 256 });
    expect(() => adopt({ layoutVersion: process.kernel.share().layoutVersion, memory: empty })).toThrow(
      /no kernel has formatted/,
    );
    expect(() => process.kernel.attach({ memory })).toThrow(/attached already/);
  });
});
