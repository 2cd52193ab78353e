/** The other thread of second-thread.contract.test.ts: it adopts the kernel and does what its errand says. */
import { parentPort, workerData } from 'node:worker_threads';

import { KVM_GET_ONE_REG, KVM_IRQ_LINE, kvmIrqLevel, kvmOneReg } from '@vkvm/uapi';

import { adopt } from '../src/index.ts';
import type { KernelToken } from '../src/index.ts';

/** Descriptors and addresses of the first thread: they mean the same here. */
export interface Errand {
  readonly token: KernelToken;
  readonly vm: number;
  readonly vcpu: number;
  readonly arg: number;
  /** Packed irq to raise. */
  readonly irq: number;
  /** Register to read then. */
  readonly register: bigint;
  /** Descriptors to close in between. */
  readonly close?: readonly number[];
}

const { token, vm, vcpu, arg, irq, register, close = [] } = workerData as Errand;
const syscalls = adopt(token);
const { memory } = token;

kvmIrqLevel.write(memory, arg, { irq, level: 1 });
const raised = syscalls.ioctl(vm, KVM_IRQ_LINE, arg);

for (const fd of close) syscalls.close(fd);

// Waits while the vCPU is in KVM_RUN on the other thread.
kvmOneReg.write(memory, arg, { id: register, addr: arg + 64 });
const read = syscalls.ioctl(vcpu, KVM_GET_ONE_REG, arg);
const value = new DataView(memory.buffer).getBigUint64(arg + 64, true);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node's, not a window
parentPort?.postMessage({ raised, read, value });
