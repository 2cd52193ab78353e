/**
 * Descriptors as words of the process memory: {kind, object} each. Opening and closing want the process
 * lock held.
 */
import { EMFILE } from '@vkvm/uapi';

import { DESCRIPTORS, DESCRIPTOR_SIZE, MAX_DESCRIPTORS } from './state/arena.ts';
import type { Words } from './state/words.ts';

/** No file. */
export const FILE_NONE = 0;
/** `/dev/kvm`. Object: 0. */
export const FILE_SYSTEM = 1;
/** Object: address of the VM's block. */
export const FILE_VM = 2;
/** Object: address of the vCPU's block. */
export const FILE_VCPU = 3;
/** The GIC of a VM. Object: address of the VM's block. */
export const FILE_DEVICE = 4;
/** Object: address of the eventfd's words. */
export const FILE_EVENTFD = 5;
/** Counters of a VM or vCPU. Object: address of the open file's words. */
export const FILE_STATS = 6;
/** Memory of a guest. Object: address of the open file's words. */
export const FILE_GUEST_MEMFD = 7;
/** An ITS of a VM. Object: address of its block. */
export const FILE_ITS = 8;
/** The registers of a secure runtime. Object: address of its vCPU's block. */
export const FILE_SECURE = 9;
export type FileKind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** Descriptors below are user space's own streams, as on Linux. */
export const FIRST_FD = 3;

const addressOf = (fd: number): number => DESCRIPTORS + fd * DESCRIPTOR_SIZE;

/** @returns the kind of file a descriptor stands for; FILE_NONE for anything that is not one */
export function fileKind(words: Words, fd: number): FileKind {
  if (!(Number.isInteger(fd) && fd >= 0 && fd < MAX_DESCRIPTORS)) return FILE_NONE;
  return words.get32(addressOf(fd)) as FileKind;
}

/** The object of an open descriptor. */
export const fileObject = (words: Words, fd: number): number => words.get32(addressOf(fd) + 4);

/** @returns the lowest free descriptor, or -EMFILE */
export function openFile(words: Words, kind: FileKind, object: number): number {
  for (let fd = FIRST_FD; fd < MAX_DESCRIPTORS; fd++) {
    const address = addressOf(fd);
    if (words.get32(address) !== FILE_NONE) continue;
    words.set32(address + 4, object);
    words.set32(address, kind);
    return fd;
  }
  return -EMFILE;
}

export function closeFile(words: Words, fd: number): void {
  words.set32(addressOf(fd), FILE_NONE);
}
