/**
 * ioctl: request and kind of file → row → handler. The argument is copied once, here, and copied back where the kernel
 * writes it; locks are taken here.
 */
import { EBADF, EDEADLK, EINVAL, EIO, ENOEXEC, ENOTTY, IOCTLS, KVM_RUN, iocSize } from '@vkvm/uapi';
import type { IoctlRow } from '@vkvm/uapi';

import {
  FILE_DEVICE,
  FILE_EVENTFD,
  FILE_GUEST_MEMFD,
  FILE_ITS,
  FILE_NONE,
  FILE_SECURE,
  FILE_STATS,
  FILE_SYSTEM,
  FILE_VCPU,
  FILE_VM,
  fileKind,
  fileObject,
} from '../fd-table.ts';
import type { FileKind } from '../fd-table.ts';
import { NOT_RESUMED, STILL_SETTLED, type Resumed } from '../interp/entry.ts';
import { Block } from '../state/block.ts';
import { INITIALISED, IN_GUEST, SETTLED, VCPU_MUTEX } from '../state/control.ts';
import { lock, lockOrRefuse, unlock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { VM_DEAD, VM_LOCK } from '../state/vm-control.ts';
import { copyFromUser, copyToUser } from '../uaccess.ts';
import { ITS_VM } from '../vgic/its-state.ts';
import { runVcpu } from '../vcpu/run.ts';
import { deviceIoctls, itsIoctls } from './device.ts';
import type { IoctlCall, IoctlEntry, KernelThread } from './handler.ts';
import { secureIoctls } from './secure.ts';
import { systemIoctls } from './system.ts';
import { vcpuIoctls } from './vcpu.ts';
import { vmIoctls } from './vm.ts';

/** As a constant of this module: one of another package is looked up at every call. */
const RUN = KVM_RUN;

/** Room for the largest argument. */
export const ARGUMENT_SIZE = 1024;

interface Request {
  readonly row: IoctlRow;
  readonly entry: IoctlEntry;
  /** In which profiles the file takes it. */
  readonly releases: Releases;
}

type Requests = ReadonlyMap<number, Request>;

function requestsOf(entries: readonly IoctlEntry[]): Requests {
  return new Map(
    entries.map((entry) => {
      const row = IOCTLS.find(({ name }) => name === entry.name);
      if (!row) throw new RangeError(`${entry.name} is not in the table of requests`);
      return [row.number, { row, entry, releases: releases(entry.range ?? row) }];
    }),
  );
}

/** Whose lock is held meanwhile: of an ITS, that of its VM. */
type LockKind = 'none' | 'vm' | 'vcpu' | 'its';

interface FileRequests {
  readonly requests: Requests;
  readonly lock: LockKind;
  /** What a request is answered that the file does not have. */
  readonly unknown: number;
}

const NO_REQUESTS: Requests = new Map();

const FILES: Readonly<Record<FileKind, FileRequests>> = {
  [FILE_NONE]: { requests: NO_REQUESTS, lock: 'none', unknown: -EBADF },
  [FILE_SYSTEM]: { requests: requestsOf(systemIoctls), lock: 'none', unknown: -EINVAL },
  [FILE_VM]: { requests: requestsOf(vmIoctls), lock: 'vm', unknown: -EINVAL },
  [FILE_VCPU]: { requests: requestsOf(vcpuIoctls), lock: 'vcpu', unknown: -EINVAL },
  [FILE_DEVICE]: { requests: requestsOf(deviceIoctls), lock: 'vm', unknown: -ENOTTY },
  [FILE_ITS]: { requests: requestsOf(itsIoctls), lock: 'its', unknown: -ENOTTY },
  [FILE_EVENTFD]: { requests: NO_REQUESTS, lock: 'none', unknown: -ENOTTY },
  [FILE_SECURE]: { requests: requestsOf(secureIoctls), lock: 'vcpu', unknown: -EINVAL },
  [FILE_GUEST_MEMFD]: { requests: NO_REQUESTS, lock: 'none', unknown: -ENOTTY },
  [FILE_STATS]: { requests: NO_REQUESTS, lock: 'none', unknown: -ENOTTY },
};

/** @param arg - as user space passed it: anything */
export function dispatch(thread: KernelThread, fd: number, request: number, arg: number): number {
  const { words } = thread;
  // The one request that is made a million times a second: nothing of it needs a table.
  if (request === RUN && fileKind(words, fd) === FILE_VCPU) {
    return dispatchRun(thread, fileObject(words, fd), arg);
  }
  return dispatchByTable(thread, fd, request, arg);
}

function dispatchByTable(thread: KernelThread, fd: number, request: number, arg: number): number {
  const { words } = thread;
  const kind = fileKind(words, fd);
  const { requests, lock: lockKind, unknown } = FILES[kind];
  if (kind === FILE_NONE) return unknown;
  const block = new Block(words, fileObject(words, fd));
  if (lockKind !== 'none' && isDead(block, lockKind)) return -EIO;
  const found = requests.get(request);
  if (!found || !holds(thread, found.releases)) return unknown;
  const call = { thread, block, arg };
  switch (lockKind) {
    case 'none':
      return perform(call, found.row, found.entry);
    case 'vm':
      return performLocked(call, block.base + VM_LOCK, found.row, found.entry);
    case 'its':
      return performLocked(call, block.get32(ITS_VM) + VM_LOCK, found.row, found.entry);
    case 'vcpu':
      block.set32(SETTLED, 0);
      return performLocked(call, block.base + VCPU_MUTEX, found.row, found.entry);
  }
}

/** @param base - of the vCPU's block */
function dispatchRun(thread: KernelThread, base: number, arg: number): number {
  const { words, host } = thread;
  const resumed = words.isShared || arg !== 0 ? NOT_RESUMED : resumeAlone(thread, base);
  if (resumed === STILL_SETTLED) return 0;
  if (resumed === NOT_RESUMED) {
    if (words.get32(words.get32(base + VM_BLOCK) + VM_DEAD) !== 0) return -EIO;
    if (!lockOrRefuse(words, base + VCPU_MUTEX, host)) return -EDEADLK;
  }
  try {
    if (arg !== 0) return -EINVAL;
    if (words.get32(base + INITIALISED) === 0) return -ENOEXEC;
    const vcpu = thread.vcpus.get(base);
    return runVcpu(vcpu, words.isShared ? vcpu.engine.resume() : resumed);
  } catch (error) {
    // It was thrown in guest code.
    words.set32(base + IN_GUEST, 0);
    throw error;
  } finally {
    unlock(words, base + VCPU_MUTEX, host);
  }
}

/**
 * Where memory is not shared: resumes a vCPU that is settled, and so initialised, in a VM that lives. Generated code takes the
 * vCPU mutex, and gives it back if the vCPU is settled still. What is traced is not resumed.
 */
function resumeAlone(thread: KernelThread, base: number): Resumed {
  const vcpu = thread.trace ? undefined : thread.vcpus.latest(base);
  if (!vcpu) return NOT_RESUMED;
  try {
    return vcpu.engine.resume();
  } catch (error) {
    unlock(thread.words, base + VCPU_MUTEX, thread.host);
    throw error;
  }
}

function isDead(block: Block, lockKind: Exclude<LockKind, 'none'>): boolean {
  const vms = { vm: () => block.base, vcpu: () => block.get32(VM_BLOCK), its: () => block.get32(ITS_VM) };
  return block.words.get32(vms[lockKind]() + VM_DEAD) !== 0;
}

function performLocked(call: IoctlCall, address: number, row: IoctlRow, entry: IoctlEntry): number {
  const { words, host } = call.thread;
  // A vCPU's mutex is held through KVM_RUN: a thread that may not wait is told so. The VM lock is held for moments.
  if (address === call.block.base + VCPU_MUTEX) {
    if (!lockOrRefuse(words, address, host)) return -EDEADLK;
  } else {
    lock(words, address, host);
  }
  try {
    return perform(call, row, entry);
  } finally {
    unlock(words, address, host);
  }
}

function perform(call: IoctlCall, { argument, direction, number }: IoctlRow, entry: IoctlEntry): number {
  const { thread, block, arg } = call;
  const refused = entry.check?.(block) ?? 0;
  if (refused !== 0) return refused;
  if (entry.raw || typeof argument === 'string') return entry.handle(call);
  const copy = new Uint8Array(thread.argument, 0, iocSize(number));
  if (direction !== 'out') {
    const error = copyFromUser(thread.words, arg, copy);
    if (error !== 0) return error;
  }
  const result = entry.handle(call);
  if (result < 0 || direction === 'in' || entry.writes) return result;
  return copyToUser(thread.words, arg, copy) || result;
}
