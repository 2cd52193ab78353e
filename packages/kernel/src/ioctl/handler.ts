/** What an ioctl handler is given, and the tables it stands in. */
import type { ReleaseRange } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import type { VcpuCache, VcpuThread } from '../vcpu/vcpu.ts';

/** One thread's kernel, as handlers see it. */
export interface KernelThread extends VcpuThread {
  readonly vcpus: VcpuCache;
  /** The argument of the ioctl that runs: the struct that user space passed, copied once; or room for the one it gets. */
  readonly argument: ArrayBuffer;
}

export interface IoctlCall {
  readonly thread: KernelThread;
  /** Block of the VM, of the vCPU, or of the ITS; that of the VM for a GIC. */
  readonly block: Block;
  /** The argument as it was passed: a scalar, or the user address of the struct. */
  readonly arg: number;
}

/** @returns 0 or more, or -errno */
export type IoctlHandler = (call: IoctlCall) => number;

/** A request of one kind of file. */
export interface IoctlEntry {
  /** Name in the table of `@vkvm/uapi`, which gives number, argument and direction. */
  readonly name: string;
  readonly handle: IoctlHandler;
  /** In which profiles the file takes it, where that is not what the table says of the request. */
  readonly range?: ReleaseRange;
  /** Refuses before the argument is looked at. @returns 0 or -errno */
  readonly check?: (block: Block) => number;
  /** The handler reads its argument itself. */
  readonly raw?: true;
  /** The handler writes its answer itself: it does so when it refuses too, or it is longer than the struct. */
  readonly writes?: true;
}
