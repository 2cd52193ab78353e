/** Requests of a VM's file about guest memory. The VM lock is held. */
import {
  KVM_MEM_GUEST_MEMFD,
  kvmClearDirtyLog,
  kvmCreateGuestMemfd,
  kvmDirtyLog,
  kvmUserspaceMemoryRegion,
  kvmUserspaceMemoryRegion2,
} from '@vkvm/uapi';

import { PROCESS_LOCK } from '../state/arena.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';

import { clearDirtyLog, getDirtyLog } from '../vm/dirty-log.ts';
import { resetDirtyRings } from '../vm/dirty-ring.ts';
import { createGuestMemfd } from '../vm/guest-memfd.ts';
import { setMemoryRegion } from '../vm/memslots.ts';
import type { Region } from '../vm/memslots.ts';
import { retainVm } from '../vm/vm.ts';
import type { IoctlCall, IoctlEntry } from './handler.ts';

/** What both forms have. */
function readRegion(argument: ArrayBuffer): Region {
  const region = kvmUserspaceMemoryRegion.read(argument, 0);
  return {
    slot: region.slot,
    flags: region.flags,
    gpa: region.guest_phys_addr,
    size: region.memory_size,
    userAddress: region.userspace_addr,
  };
}

function setUserMemoryRegion({ block: vm, thread: { host, argument } }: IoctlCall): number {
  return setMemoryRegion(vm, readRegion(argument), host);
}

/** On arm64 there is guest memory from here on. */
const GUEST_MEMFD = { since: '7.3' } as const;
const HAS_GUEST_MEMFD = releases(GUEST_MEMFD);

function setUserMemoryRegion2({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const region = readRegion(argument);
  if ((region.flags & KVM_MEM_GUEST_MEMFD) === 0 || !holds(vm, HAS_GUEST_MEMFD)) {
    return setMemoryRegion(vm, region, host);
  }
  const { guest_memfd: fd, guest_memfd_offset: offset } = kvmUserspaceMemoryRegion2.read(argument, 0);
  return setMemoryRegion(vm, { ...region, guestMemfd: { fd, offset } }, host);
}

function createGuestMemory({ block: vm, thread: { words, host, argument } }: IoctlCall): number {
  const { size, flags } = kvmCreateGuestMemfd.read(argument, 0);
  return withLock(words, PROCESS_LOCK, host, () => {
    const fd = createGuestMemfd(vm, size, flags);
    if (fd >= 0) retainVm(vm);
    return fd;
  });
}

export const memoryIoctls: readonly IoctlEntry[] = [
  { name: 'KVM_SET_USER_MEMORY_REGION', handle: setUserMemoryRegion },
  { name: 'KVM_SET_USER_MEMORY_REGION2', handle: setUserMemoryRegion2 },
  { name: 'KVM_CREATE_GUEST_MEMFD', range: GUEST_MEMFD, handle: createGuestMemory },
  {
    name: 'KVM_GET_DIRTY_LOG',
    handle({ block: vm, thread: { host, argument } }) {
      const { slot, dirty_bitmap } = kvmDirtyLog.read(argument, 0);
      return getDirtyLog(vm, slot, dirty_bitmap, host);
    },
  },
  {
    name: 'KVM_CLEAR_DIRTY_LOG',
    handle({ block: vm, thread: { host, argument } }) {
      const { slot, num_pages, first_page, dirty_bitmap } = kvmClearDirtyLog.read(argument, 0);
      return clearDirtyLog(
        vm,
        { slot, firstPage: first_page, pageCount: num_pages, address: dirty_bitmap },
        host,
      );
    },
  },
  { name: 'KVM_RESET_DIRTY_RINGS', handle: ({ block: vm, thread: { host } }) => resetDirtyRings(vm, host) },
];
