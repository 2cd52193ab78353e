import {
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_CLEAR_DIRTY_LOG,
  KVM_DIRTY_GFN_F_DIRTY,
  KVM_DIRTY_GFN_F_RESET,
  KVM_EXIT_DIRTY_RING_FULL,
  KVM_EXIT_MMIO,
  KVM_GET_DIRTY_LOG,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_REG_PC,
  KVM_RESET_DIRTY_RINGS,
  PROT_EXEC,
  kvmClearDirtyLog,
  kvmDirtyGfn,
  kvmDirtyLog,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { DEVICE, RAM, TestProcess, TestVcpu, TestVm, named, prot } from '../../test/machine.ts';

const LOGGED = 0x5000_0000;
const PAGE = 4096;
const SLOT = 1;
/** STR W0, [X1], #4096 needs a register: ADD X1, X1, X2 follows. Ends with a store to the device. */
const STORES = [
  0xb900_0020, // str w0, [x1]
  0x8b02_0021, // add x1, x1, x2
  0xf100_0463, // subs x3, x3, #1
  0x54ff_ffa1, // b.ne .-12
  0xb900_0080, // str w0, [x4]
];

interface Setup {
  readonly pages?: number;
  readonly caps?: readonly (readonly [cap: number, value: bigint])[];
}

/** A VM with a logged memslot behind its RAM, and a vCPU that stores to pages of it. */
class LogMachine {
  readonly process = new TestProcess();
  readonly vm: TestVm;
  readonly vcpu: TestVcpu;
  readonly memory: number;
  readonly size: number;

  constructor({ pages = 128, caps = [] }: Setup = {}) {
    this.vm = new TestVm(this.process);
    for (const [cap, value] of caps) expect(this.vm.enableCap(cap, value)).toBe(0);
    this.size = pages * PAGE;
    this.memory = this.process.mapMemory(this.size);
    this.vcpu = new TestVcpu(this.vm).start();
    this.vm.load(STORES);
    this.log(KVM_MEM_LOG_DIRTY_PAGES);
  }

  log(flags: number): void {
    expect(this.vm.setMemory(SLOT, LOGGED, this.size, this.memory, flags)).toBe(0);
  }

  /** Stores to pages `first`, `first` + 1, … @returns the exit's reason */
  store(first: number, count = 1): number {
    const { vcpu } = this;
    if (vcpu.exitReason === KVM_EXIT_MMIO) {
      this.process.data.setUint8(vcpu.page + 1, 1);
      vcpu.run();
      this.process.data.setUint8(vcpu.page + 1, 0);
    }
    vcpu.set(KVM_REG_PC, BigInt(RAM));
    vcpu.set(xRegId(1), BigInt(LOGGED + first * PAGE));
    vcpu.set(xRegId(2), BigInt(PAGE));
    vcpu.set(xRegId(3), BigInt(count));
    vcpu.set(xRegId(4), BigInt(DEVICE));
    expect(vcpu.run()).toBe(0);
    return vcpu.exitReason;
  }

  /** Numbers of the pages in the log, or the name of the errno. */
  dirty(slot = SLOT): number[] | string {
    const bitmap = this.process.arg + 0x1000;
    const result = this.process.call(this.vm.fd, KVM_GET_DIRTY_LOG, kvmDirtyLog, {
      slot,
      dirty_bitmap: bitmap,
    });
    if (typeof result === 'string') return result;
    const pages = Array.from({ length: this.size / PAGE }, (_, page) => page);
    return pages.filter(
      (page) => ((this.process.data.getUint8(bitmap + (page >>> 3)) >>> (page & 7)) & 1) === 1,
    );
  }

  clear(firstPage: number, pageCount: number, bits: number, slot = SLOT): number | string {
    const bitmap = this.process.arg + 0x1000;
    new Uint8Array(this.process.memory.buffer).fill(bits, bitmap, bitmap + 0x100);
    return this.process.call(this.vm.fd, KVM_CLEAR_DIRTY_LOG, kvmClearDirtyLog, {
      slot,
      first_page: firstPage,
      num_pages: pageCount,
      dirty_bitmap: bitmap,
    });
  }
}

describe('the dirty log', () => {
  test('has the pages that the guest has stored to since it was read, once each', () => {
    const machine = new LogMachine();
    expect(machine.dirty()).toEqual([]);
    machine.store(3, 2);
    machine.store(3);
    machine.store(70);
    expect(machine.dirty()).toEqual([3, 4, 70]);
    expect(machine.dirty()).toEqual([]);
    machine.store(4);
    expect(machine.dirty()).toEqual([4]);
  });

  test('is forgotten when logging is turned off', () => {
    const machine = new LogMachine();
    machine.store(1);
    machine.log(0);
    expect(machine.dirty()).toBe('ENOENT');
    machine.store(2);
    machine.log(KVM_MEM_LOG_DIRTY_PAGES);
    expect(machine.dirty()).toEqual([]);
    machine.store(5);
    expect(machine.dirty()).toEqual([5]);
  });

  test('moves with its memslot', () => {
    const machine = new LogMachine();
    machine.store(9);
    const { vm, size, memory } = machine;
    expect(vm.setMemory(SLOT, LOGGED + 0x1000_0000, size, memory, KVM_MEM_LOG_DIRTY_PAGES)).toBe(0);
    expect(machine.dirty()).toEqual([9]);
  });

  test('is of a memslot that is logged', () => {
    const machine = new LogMachine();
    expect(machine.dirty(0)).toBe('ENOENT');
    expect(machine.dirty(7)).toBe('ENOENT');
    expect(machine.dirty(0x7fff)).toBe('EINVAL');
    expect(machine.dirty(0x1_0001)).toBe('EINVAL');
  });

  test('stays as it is until it is cleared, if user space protects by hand', () => {
    const machine = new LogMachine({ caps: [[KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1n]] });
    machine.store(0, 10);
    expect(machine.dirty()).toHaveLength(10);
    expect(machine.dirty()).toHaveLength(10);
    expect(machine.clear(0, 64, 0x0f)).toBe(0);
    expect(machine.dirty()).toEqual([4, 5, 6, 7]);
    machine.store(1);
    expect(machine.dirty()).toEqual([1, 4, 5, 6, 7]);
  });

  test('starts with all pages, if user space wants so', () => {
    const machine = new LogMachine({ pages: 70, caps: [[KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 3n]] });
    expect(machine.dirty()).toHaveLength(70);
    expect(machine.clear(64, 6, 0xff)).toBe(0);
    expect(machine.dirty()).toHaveLength(64);
  });

  test.each([
    ['from a page that is no multiple of 64', 1, 64, 'EINVAL'],
    ['beyond the end', 128, 64, 'EINVAL'],
    ['further than the end', 64, 128, 'EINVAL'],
    ['with a rest that is no multiple of 64', 0, 3, 'EINVAL'],
    ['nothing at the end', 128, 0, 0],
    ['up to the end', 64, 64, 0],
  ])('is cleared %s', (_, first, count, answer) => {
    expect(new LogMachine().clear(first, count, 0xff)).toBe(answer);
  });

  test.each([2n, 4n, 7n])('has no option %i', (options) => {
    const { vm } = new LogMachine();
    expect(vm.enableCap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, options)).toBe('EINVAL');
  });
});

describe('the dirty ring', () => {
  const withRing = (size: bigint): LogMachine =>
    new LogMachine({ pages: 512, caps: [[KVM_CAP_DIRTY_LOG_RING_ACQ_REL, size]] });

  /** Maps the ring, and reads its entries. */
  function ringOf({ process, vcpu }: LogMachine, size: number) {
    const address = process.syscalls.mmap(vcpu.fd, size, prot, 64 * PAGE);
    expect(address).toBeGreaterThan(0);
    const entry = (index: number) => kvmDirtyGfn.view(process.memory, address + index * kvmDirtyGfn.size);
    return {
      entry,
      pages: (count: number) =>
        Array.from({ length: count }, (_, index) => {
          const { flags, slot, offset } = entry(index);
          return flags === KVM_DIRTY_GFN_F_DIRTY && slot === SLOT ? offset : undefined;
        }),
    };
  }

  test('has the pages in the order of the first store, and stops the vCPU when it is full', () => {
    const machine = withRing(0x1000n);
    const ring = ringOf(machine, 0x1000);
    // 256 entries, 64 of them kept back.
    expect(machine.store(100, 200)).toBe(KVM_EXIT_DIRTY_RING_FULL);
    expect(ring.pages(193)).toEqual([...Array.from({ length: 192 }, (_, n) => 100 + n), undefined]);
    // The store that filled the ring is not made yet.
    expect(machine.vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM));
    expect(machine.vcpu.get(xRegId(3))).toBe(9n);
    expect(machine.vcpu.run()).toBe(0);
    expect(machine.vcpu.exitReason).toBe(KVM_EXIT_DIRTY_RING_FULL);

    for (let n = 0; n < 100; n++) ring.entry(n).flags = KVM_DIRTY_GFN_F_RESET;
    expect(machine.process.ioctl(machine.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe(100);
    expect(ring.entry(0).flags).toBe(0);
    expect(machine.vcpu.run()).toBe(0);
    expect(machine.vcpu.exitReason).toBe(KVM_EXIT_MMIO);
    expect(machine.vcpu.get(xRegId(3))).toBe(0n);
  });

  test('counts a page again only after it was reset', () => {
    const machine = withRing(0x1_0000n);
    const ring = ringOf(machine, 0x1_0000);
    machine.store(1);
    machine.store(1);
    expect(ring.pages(2)).toEqual([1, undefined]);
    ring.entry(0).flags = KVM_DIRTY_GFN_F_RESET;
    expect(machine.process.ioctl(machine.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe(1);
    machine.store(1);
    expect(ring.entry(1)).toMatchObject({ flags: KVM_DIRTY_GFN_F_DIRTY, slot: SLOT, offset: 1 });
  });

  test('is reset whatever user space has written into it', () => {
    const machine = withRing(0x1000n);
    const ring = ringOf(machine, 0x1000);
    machine.store(0, 3);
    for (const [n, slot, offset] of [
      [0, 0xffff_ffff, 0],
      [1, SLOT, 2 ** 40],
      [2, 0, 5],
    ] as const) {
      Object.assign(ring.entry(n), { flags: KVM_DIRTY_GFN_F_RESET, slot, offset });
    }
    expect(machine.process.ioctl(machine.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe(3);
    expect(machine.process.ioctl(machine.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe(0);
  });

  test('takes the place of the bitmap, unless there is to be one for other writers', () => {
    expect(withRing(0x1000n).dirty()).toBe('ENXIO');
    expect(withRing(0x1000n).clear(0, 64, 0)).toBe('ENXIO');
    const process = new TestProcess();
    const vm = new TestVm(process);
    expect(vm.enableCap(KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP)).toBe('EINVAL');
    expect(vm.enableCap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0x1000n)).toBe(0);
    expect(vm.enableCap(KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP)).toBe('EINVAL');
    vm.setMemory(0, 0, 0, 0);
    expect(vm.enableCap(KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP)).toBe(0);
  });

  test('is mapped as far as it goes, and never to be executed', () => {
    const { process, vcpu } = withRing(0x1000n);
    const map = (length: number, protection: number, page: number) =>
      named(process.syscalls.mmap(vcpu.fd, length, protection, page * PAGE));
    expect(map(0x2000, prot, 64)).toBe('EINVAL');
    expect(map(0x1000, prot, 65)).toBe('EINVAL');
    expect(map(0x1000, prot | PROT_EXEC, 64)).toBe('EINVAL');
    const without = new TestVcpu(new TestVm(new TestProcess()));
    expect(named(without.vm.process.syscalls.mmap(without.fd, 0x1000, prot, 64 * PAGE))).toBe('EINVAL');
    expect(without.vm.process.ioctl(without.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe('EINVAL');
  });

  test('is asked for before there are vCPUs', () => {
    const { vm } = new LogMachine();
    expect(vm.enableCap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 0x1000n)).toBe('EINVAL');
  });
});
