/** KVM_IOEVENTFD: a store signals an eventfd and causes no exit. Source: Linux virt/kvm/eventfd.c. */
import {
  EBADF,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOSPC,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
  KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY,
} from '@vkvm/uapi';

import { FILE_EVENTFD, FILE_NONE, fileKind, fileObject } from '../fd-table.ts';
import type { Host } from '../host.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import type { Block } from '../state/block.ts';
import { holdEventfd, releaseEventfd } from '../state/eventfd.ts';
import { withLock } from '../state/lock.ts';
import { STORE_IOEVENTFD, addStoreEntry, removeStoreEntry, storeEntries } from '../state/store-bus.ts';
import type { StoreEntry } from '../state/store-bus.ts';
import { STATE_LOCK } from '../state/vm-control.ts';

/** What user space asks for. */
export interface IoEventfd {
  readonly gpa: bigint;
  readonly length: number;
  readonly datamatch: bigint;
  readonly flags: number;
  readonly fd: number;
}

/** A flag of Linux that its header does not export: a bus of its own for stores of any length. */
const FLAG_FAST_MMIO = 0x10;
const FLAGS =
  KVM_IOEVENTFD_FLAG_DATAMATCH |
  KVM_IOEVENTFD_FLAG_PIO |
  KVM_IOEVENTFD_FLAG_DEASSIGN |
  KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY |
  FLAG_FAST_MMIO;
const LENGTHS: readonly number[] = [0, 1, 2, 4, 8];
const ADDRESS_END = 2n ** 64n;

const SPACE_MMIO = 0;
const SPACE_PIO = 1;
const SPACE_CCW = 2;

const spaceOf = (flags: number): number => {
  if ((flags & KVM_IOEVENTFD_FLAG_PIO) !== 0) return SPACE_PIO;
  return (flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY) === 0 ? SPACE_MMIO : SPACE_CCW;
};

/** @returns 0 or -errno */
export function setIoEventfd(vm: Block, ioEventfd: IoEventfd, host: Host): number {
  const { gpa, length, datamatch, flags, fd } = ioEventfd;
  const deassign = (flags & KVM_IOEVENTFD_FLAG_DEASSIGN) !== 0;
  const hasMatch = (flags & KVM_IOEVENTFD_FLAG_DATAMATCH) !== 0;
  if (!deassign) {
    if (!LENGTHS.includes(length) || gpa + BigInt(length) >= ADDRESS_END || (flags & ~FLAGS) !== 0)
      return -EINVAL;
    if (length === 0 && hasMatch) return -EINVAL;
  }
  return withLock(vm.words, vm.base + STATE_LOCK, host, () =>
    withLock(vm.words, PROCESS_LOCK, host, () => {
      const kind = fileKind(vm.words, fd);
      if (kind === FILE_NONE) return -EBADF;
      if (kind !== FILE_EVENTFD) return -EINVAL;
      const entry: StoreEntry = {
        kind: STORE_IOEVENTFD,
        space: spaceOf(flags),
        gpa,
        length,
        match: hasMatch ? datamatch : undefined,
        eventfd: fileObject(vm.words, fd),
      };
      return deassign ? remove(vm, entry) : add(vm, entry);
    }),
  );
}

function add(vm: Block, entry: StoreEntry): number {
  if (storeEntries(vm).some((other) => collide(other, entry))) return -EEXIST;
  if (!addStoreEntry(vm, entry)) return -ENOSPC;
  holdEventfd(vm.words, entry.eventfd);
  return 0;
}

/** Whether one store could be meant for both. */
function collide(a: StoreEntry, b: StoreEntry): boolean {
  if (a.kind !== b.kind || a.space !== b.space || a.gpa !== b.gpa) return false;
  if (a.length === 0 || b.length === 0) return true;
  if (a.length !== b.length) return false;
  return a.match === undefined || b.match === undefined || a.match === b.match;
}

function remove(vm: Block, entry: StoreEntry): number {
  const index = storeEntries(vm).findIndex(
    (other) =>
      other.kind === entry.kind &&
      other.space === entry.space &&
      other.eventfd === entry.eventfd &&
      other.gpa === entry.gpa &&
      other.length === entry.length &&
      other.match === entry.match,
  );
  if (index < 0) return -ENOENT;
  removeStoreEntry(vm, index);
  releaseEventfd(vm.words, entry.eventfd);
  return 0;
}

/** Whether a store signals it. @param value - of the store, zero-extended */
export function matches(entry: StoreEntry, gpa: bigint, length: number, value: bigint): boolean {
  if (entry.gpa !== gpa || (entry.length !== 0 && entry.length !== length)) return false;
  return entry.match === undefined || entry.match === value;
}

/** Lets go of all eventfds: the VM is gone. The process lock is held. */
export function releaseIoEventfds(vm: Block): void {
  for (const entry of storeEntries(vm)) {
    if (entry.kind === STORE_IOEVENTFD) releaseEventfd(vm.words, entry.eventfd);
  }
}
