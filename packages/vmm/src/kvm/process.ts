/** The address space that a VMM shares with its kernel. */
import { PAGE_SIZE, PROT_READ, PROT_WRITE } from '@vkvm/uapi';
import type { Process, Syscalls, UserAddress } from '@vkvm/uapi';
import { KvmError, ProcessError } from './error.ts';

/** Bytes in a page of WebAssembly memory. */
const WASM_PAGE = 0x1_0000;
/** Largest memory that 32-bit addresses reach. */
export const PROCESS_MAX_SIZE = 0x1_0000_0000;

/** How large an address space is, and who may enter it. */
export interface ProcessOptions {
  /** Bytes; rounded up to 64 KiB, at most {@link PROCESS_MAX_SIZE}. */
  readonly size: number;
  /** Whether other threads can join. Needs a host with `SharedArrayBuffer`. */
  readonly shared: boolean;
}

/**
 * Reserves an address space: one memory that never grows. The host backs it with pages as they are touched.
 *
 * @throws {ProcessError} the host refuses that much
 */
export function createProcess({ size, shared }: ProcessOptions): Process {
  const pages = Math.ceil(size / WASM_PAGE);
  try {
    return { memory: new WebAssembly.Memory({ initial: pages, maximum: pages, shared }) };
  } catch (cause) {
    const mib = Math.ceil(size / 0x10_0000);
    throw new ProcessError(
      `this host does not give the ${mib} MiB of memory that the machine needs; use less --memory or fewer --smp`,
      { cause },
    );
  }
}

/** One thread's way into the kernel: its system calls, its memory, and a page for the arguments of ioctls. */
export class UserSpace {
  readonly syscalls: Syscalls;
  readonly memory: WebAssembly.Memory;
  /**
   * User address of a page that any call may overwrite. Calls are synchronous, so one for the thread is enough;
   * nothing in it outlives the call it was filled for.
   */
  readonly scratch: UserAddress;

  constructor(syscalls: Syscalls, process: Process) {
    this.syscalls = syscalls;
    this.memory = process.memory;
    this.scratch = this.map(PAGE_SIZE);
  }

  /**
   * Maps zeroed memory.
   *
   * @param length - bytes
   * @throws {KvmError} `ENOMEM` the address space is full
   */
  map(length: number): UserAddress {
    return this.mapFile(-1, length);
  }

  /**
   * Maps a file from its start.
   *
   * @throws {KvmError} `ENOMEM` the address space is full; `EBADF` no such descriptor
   */
  mapFile(fd: number, length: number): UserAddress {
    const address = this.syscalls.mmap(fd, length, PROT_READ | PROT_WRITE, 0);
    if (address < 0) throw new KvmError('mmap', address, { hint: `${length} bytes` });
    return address;
  }

  /** Gives a mapping back. */
  unmap(address: UserAddress, length: number): void {
    this.syscalls.munmap(address, length);
  }

  /** The bytes of a mapping, without a copy. */
  bytes(address: UserAddress, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }
}
