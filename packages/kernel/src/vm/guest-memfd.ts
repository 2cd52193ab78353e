/**
 * Memory of a guest that is not user space's: KVM_CREATE_GUEST_MEMFD. Source: Linux virt/kvm/guest_memfd.c;
 * Documentation/virt/kvm/api.rst, 4.142.
 *
 * The memory lasts as long as the descriptor or a memslot in it. (On Linux a guest loses it with the descriptor.)
 */
import { EBADF, EINVAL, ENODEV, ENOMEM, PAGE_SIZE, PROT_NONE } from '@vkvm/uapi';

import { FILE_GUEST_MEMFD, FILE_NONE, FIRST_FD, fileKind, fileObject, openFile } from '../fd-table.ts';
import { allocateBlock, freeBlock } from '../state/arena.ts';
import { Block } from '../state/block.ts';
import { exposePages, reservePages, unpinMapping } from '../state/mappings.ts';
import type { Words } from '../state/words.ts';

/** Words of an open file: address of the VM's block, address and size of the memory, flags. */
const VM = 0;
const MEMORY = 4;
const SIZE = 8; // u64
const FLAGS = 16;

/** User space may map it; and it may access what it maps. Source: include/uapi/linux/kvm.h, GUEST_MEMFD_FLAG_*. */
const FLAG_MMAP = 1;
const FLAG_INIT_SHARED = 2;
/** KVM_CAP_GUEST_MEMFD_FLAGS. */
export const GUEST_MEMFD_FLAGS = FLAG_MMAP | FLAG_INIT_SHARED;

/** The process lock is held. @returns a descriptor, which keeps the VM; or -errno */
export function createGuestMemfd(vm: Block, size: number, flags: bigint): number {
  if ((flags & ~BigInt(GUEST_MEMFD_FLAGS)) !== 0n) return -EINVAL;
  if (size === 0 || size % PAGE_SIZE !== 0) return -EINVAL;
  const { words } = vm;
  const memory = size > words.u8.length ? 0 : reservePages(words, size);
  if (memory === 0) return -ENOMEM;
  const file = allocateBlock(words, PAGE_SIZE);
  const fd = file === 0 ? -ENOMEM : openFile(words, FILE_GUEST_MEMFD, file);
  if (fd < 0) {
    unpinMapping(words, memory, size);
    if (file !== 0) freeBlock(words, file, PAGE_SIZE);
    return fd;
  }
  words.set32(file + VM, vm.base);
  words.set32(file + MEMORY, memory);
  words.setNumber(file + SIZE, size);
  words.set32(file + FLAGS, Number(flags));
  return fd;
}

/** Lets go of an open file. The process lock is held. @returns the VM that it kept */
export function closeGuestMemfd(words: Words, file: number): Block {
  const vm = new Block(words, words.get32(file + VM));
  unpinMapping(words, words.get32(file + MEMORY), words.getNumber(file + SIZE));
  freeBlock(words, file, PAGE_SIZE);
  return vm;
}

/** `mmap`. The process lock is held. @returns the user address, or -errno */
export function mapGuestMemfd(
  words: Words,
  file: number,
  length: number,
  prot: number,
  offset: number,
): number {
  const flags = words.get32(file + FLAGS);
  if ((flags & FLAG_MMAP) === 0) return -ENODEV;
  if (offset + length > words.getNumber(file + SIZE)) return -EINVAL;
  const address = words.get32(file + MEMORY) + offset;
  exposePages(words, address, length, (flags & FLAG_INIT_SHARED) === 0 ? PROT_NONE : prot);
  return address;
}

/**
 * Where a memslot's part of the memory lies.
 * @returns its address; -EBADF no such descriptor; -EINVAL not of this VM, or beyond the end
 */
export function placeInGuestMemfd(vm: Block, fd: number, offset: number, size: number): number {
  const { words } = vm;
  const kind = fileKind(words, fd);
  if (kind === FILE_NONE) return fd < FIRST_FD ? -EINVAL : -EBADF;
  if (kind !== FILE_GUEST_MEMFD) return -EINVAL;
  const file = fileObject(words, fd);
  if (words.get32(file + VM) !== vm.base || offset + size > words.getNumber(file + SIZE)) return -EINVAL;
  return words.get32(file + MEMORY) + offset;
}
