import {
  EBADF,
  EEXIST,
  EINVAL,
  ENOENT,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  PAGE_SIZE,
  kvmCoalescedMmioRing,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import type { BareVm } from '../../test/bare-vm.ts';
import { FILE_EVENTFD, openFile } from '../fd-table.ts';
import { createEventfd, readEventfd } from '../state/eventfd.ts';
import { RUN_PAGE, SCRATCH } from '../state/vcpu-state.ts';
import { registerZone, unregisterZone } from './coalesced.ts';
import { setIoEventfd } from './ioeventfd.ts';
import { serveStore } from './store-bus.ts';

const ZONE = 0x1200_0000;
const zone = { gpa: BigInt(ZONE), size: 0x1000, pio: 0 };

/** A store of a 32-bit value by the first vCPU. @returns whether it is served */
function store({ vm, vcpus: [vcpu], host }: BareVm, gpa: number, value: number, length = 4): boolean {
  vcpu!.set64(SCRATCH, BigInt(value));
  return serveStore(vm, gpa, length, vcpu!.base + SCRATCH, host);
}

const ring = ({ vcpus: [vcpu] }: BareVm) => vcpu!.get32(RUN_PAGE) + PAGE_SIZE;

describe('coalesced MMIO', () => {
  test('takes stores that lie wholly in a zone', () => {
    const bare = bareVm();
    expect(store(bare, ZONE, 1)).toBe(false);
    expect(registerZone(bare.vm, zone, bare.host)).toBe(0);
    expect(store(bare, ZONE + 0xffc, 2)).toBe(true);
    expect(store(bare, ZONE + 0xffd, 3)).toBe(false);
    expect(kvmCoalescedMmioRing.read(bare.words.memory, ring(bare))).toEqual({ first: 0, last: 1 });
    expect(unregisterZone(bare.vm, zone, bare.host)).toBe(0);
    expect(store(bare, ZONE, 4)).toBe(false);
  });

  test('lets stores through when the ring is full, until user space has taken some', () => {
    const bare = bareVm();
    registerZone(bare.vm, zone, bare.host);
    let served = 0;
    while (store(bare, ZONE, served)) served += 1;
    expect(served).toBe(169);
    kvmCoalescedMmioRing.view(bare.words.memory, ring(bare)).first = 2;
    expect([store(bare, ZONE, 0), store(bare, ZONE, 0), store(bare, ZONE, 0)]).toEqual([true, true, false]);
  });

  test('trusts no index that user space may have written', () => {
    const bare = bareVm();
    registerZone(bare.vm, zone, bare.host);
    kvmCoalescedMmioRing.view(bare.words.memory, ring(bare)).last = 0xffff_ffff;
    expect(store(bare, ZONE, 0)).toBe(false);
  });

  test('is let go of by any part, also an empty one', () => {
    const bare = bareVm();
    registerZone(bare.vm, zone, bare.host);
    registerZone(bare.vm, zone, bare.host);
    expect(unregisterZone(bare.vm, { ...zone, size: 0x1001 }, bare.host)).toBe(0);
    expect(unregisterZone(bare.vm, { ...zone, size: 0x8000_0000 }, bare.host)).toBe(0);
    expect(store(bare, ZONE, 0)).toBe(true);
    expect(unregisterZone(bare.vm, { ...zone, gpa: zone.gpa + 0x800n, size: 0 }, bare.host)).toBe(0);
    expect(store(bare, ZONE, 0)).toBe(false);
  });

  test('knows MMIO and port I/O only', () => {
    const { vm, host } = bareVm();
    expect(registerZone(vm, { ...zone, pio: 2 }, host)).toBe(-EINVAL);
    expect(registerZone(vm, { ...zone, pio: 1 }, host)).toBe(0);
  });
});

describe('an ioeventfd', () => {
  const withEventfd = () => {
    const bare = bareVm();
    const eventfd = createEventfd(bare.words, 0, 0);
    const fd = openFile(bare.words, FILE_EVENTFD, eventfd);
    const set = (flags: number, rest: object = {}) =>
      setIoEventfd(bare.vm, { gpa: BigInt(ZONE), length: 4, datamatch: 5n, flags, fd, ...rest }, bare.host);
    return { bare, set, read: () => readEventfd(bare.words, eventfd) };
  };

  test('counts the stores that match in address, width and value', () => {
    const { bare, set, read } = withEventfd();
    expect(set(KVM_IOEVENTFD_FLAG_DATAMATCH)).toBe(0);
    expect([store(bare, ZONE, 5), store(bare, ZONE, 5), store(bare, ZONE, 6)]).toEqual([true, true, false]);
    expect([store(bare, ZONE + 4, 5), store(bare, ZONE, 5, 2)]).toEqual([false, false]);
    expect(read()).toBe(2n);
  });

  test('of length 0 takes any width', () => {
    const { bare, set } = withEventfd();
    expect(set(0, { length: 0 })).toBe(0);
    expect([store(bare, ZONE, 1, 1), store(bare, ZONE, 1, 8)]).toEqual([true, true]);
  });

  test('is refused where another takes the same store, and found again by all it was made of', () => {
    const { set } = withEventfd();
    expect(set(0)).toBe(0);
    expect(set(KVM_IOEVENTFD_FLAG_DATAMATCH)).toBe(-EEXIST);
    expect(set(KVM_IOEVENTFD_FLAG_DEASSIGN | KVM_IOEVENTFD_FLAG_DATAMATCH)).toBe(-ENOENT);
    expect(set(KVM_IOEVENTFD_FLAG_DEASSIGN)).toBe(0);
    expect(set(KVM_IOEVENTFD_FLAG_DEASSIGN)).toBe(-ENOENT);
  });

  test('needs a length that is one, a range that does not wrap, and an eventfd', () => {
    const { set } = withEventfd();
    expect(set(0, { length: 3 })).toBe(-EINVAL);
    expect(set(0, { gpa: 2n ** 64n - 4n })).toBe(-EINVAL);
    expect(set(KVM_IOEVENTFD_FLAG_DATAMATCH, { length: 0 })).toBe(-EINVAL);
    expect(set(0, { fd: 99 })).toBe(-EBADF);
  });
});
