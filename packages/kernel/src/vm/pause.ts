/** Keeps a VM's vCPUs outside guest code for a moment, while something changes that guest code reads without a lock. */
import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { IN_GUEST } from '../state/control.ts';
import { request } from '../state/requests.ts';
import { TLB_FLUSHES, count } from '../state/stats.ts';
import { PAUSED } from '../state/vm-control.ts';
import { readersOf, vcpusOf } from './vcpus.ts';

/** Nobody wakes the thread that waits for vCPUs to leave guest code: ns after which it looks again. */
const LOOK_AGAIN = 50_000;

/**
 * Runs `body` while no vCPU is in guest code. The VM lock is held, and no lock that comes after it.
 * @param requests - `REQUEST_*` bits that each vCPU serves before it enters guest code again; the secure runtime's, too, which
 *   runs only while a vCPU is in guest code
 */
export function withVcpusPaused<T>(vm: Block, requests: number, host: Host, body: () => T): T {
  const { i32 } = vm.words;
  const paused = (vm.base + PAUSED) >>> 2;
  const vcpus = vcpusOf(vm);
  count(vm, TLB_FLUSHES);
  Atomics.store(i32, paused, 1);
  for (const vcpu of readersOf(vm)) request(vcpu, requests, host);
  for (const vcpu of vcpus) {
    const inGuest = (vcpu.base + IN_GUEST) >>> 2;
    while (Atomics.load(i32, inGuest) !== 0) host.wait(i32, inGuest, 1, host.now() + LOOK_AGAIN);
  }
  try {
    return body();
  } finally {
    Atomics.store(i32, paused, 0);
    host.wake(i32, paused);
  }
}
