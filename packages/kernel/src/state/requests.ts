/** What one thread asks of a vCPU that another thread may be running. */
import { VKVM_KICK_OFFSET, VKVM_KICK_REQUEST } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from './block.ts';
import { REQUESTS } from './control.ts';
import { RUN_PAGE } from './vcpu-state.ts';

/** Interrupt lines, mp_state or a pending reset changed: look again. */
export const REQUEST_LOOK = 1 << 0;
/** Drop every translation and every decoded instruction: memslots changed. */
export const REQUEST_FLUSH_ALL = 1 << 1;
/** Drop every translation. */
export const REQUEST_FLUSH_TLB = 1 << 2;
/** Drop every decoded instruction. */
export const REQUEST_FLUSH_CODE = 1 << 3;
/** Registers were written from outside of guest code: derive from them again. */
export const REQUEST_RELOAD = 1 << 5;
/** The VM is dead: KVM_RUN answers EIO. */
export const REQUEST_VM_DEAD = 1 << 4;

/** Sets request bits of a vCPU and makes its thread look, wherever it is. Pairs with {@link takeRequests}. */
export function request(vcpu: Block, bits: number, host: Host): void {
  const { i32 } = vcpu.words;
  Atomics.or(i32, (vcpu.base + REQUESTS) >>> 2, bits);
  const kick = kickIndex(vcpu);
  Atomics.or(i32, kick, VKVM_KICK_REQUEST | 0);
  host.wake(i32, kick);
}

/** Takes all request bits of a vCPU. Called on its own thread; a bit that comes later comes with a kick. */
export function takeRequests(vcpu: Block): number {
  if (vcpu.get32(REQUESTS) === 0) return 0;
  return Atomics.exchange(vcpu.words.i32, (vcpu.base + REQUESTS) >>> 2, 0);
}

/** Index of a vCPU's kick word in the words of 32 bits. */
export function kickIndex(vcpu: Block): number {
  return (vcpu.get32(RUN_PAGE) + VKVM_KICK_OFFSET) >>> 2;
}
