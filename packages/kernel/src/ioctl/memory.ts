/** Requests of a VM's file about guest memory. The VM lock is held. */
import { kvmClearDirtyLog, kvmDirtyLog, kvmUserspaceMemoryRegion } from '@vkvm/uapi';

import { clearDirtyLog, getDirtyLog } from '../vm/dirty-log.ts';
import { resetDirtyRings } from '../vm/dirty-ring.ts';
import { setMemoryRegion } from '../vm/memslots.ts';
import type { IoctlCall, IoctlEntry } from './handler.ts';

/** Both forms: the second one's guest_memfd is refused by its flag. */
function setUserMemoryRegion({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const region = kvmUserspaceMemoryRegion.read(argument, 0);
  return setMemoryRegion(
    vm,
    {
      slot: region.slot,
      flags: region.flags,
      gpa: region.guest_phys_addr,
      size: region.memory_size,
      userAddress: region.userspace_addr,
    },
    host,
  );
}

export const memoryIoctls: readonly IoctlEntry[] = [
  { name: 'KVM_SET_USER_MEMORY_REGION', handle: setUserMemoryRegion },
  { name: 'KVM_SET_USER_MEMORY_REGION2', handle: setUserMemoryRegion },
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
