/** All vCPU mutexes of a VM at once, for what must not race with a vCPU that runs. */
import type { Host } from '../host.ts';
import type { Block } from './block.ts';
import { VCPU_MUTEX } from './control.ts';
import { tryLock, unlock } from './lock.ts';
import { VCPU_COUNT, VCPU_TABLE } from './vm-state.ts';

const mutexOf = (vm: Block, index: number): number => vm.get32(VCPU_TABLE + 4 * index) + VCPU_MUTEX;

function unlockFirst(vm: Block, count: number, host: Host): void {
  for (let index = count - 1; index >= 0; index--) unlock(vm.words, mutexOf(vm, index), host);
}

/**
 * Runs `body` while the mutex of every vCPU is held. The VM lock is held.
 * @param busy - the answer if one of them is taken: some vCPU is inside an ioctl
 */
export function withVcpusLocked(vm: Block, host: Host, busy: number, body: () => number): number {
  const count = vm.get32(VCPU_COUNT);
  for (let index = 0; index < count; index++) {
    if (tryLock(vm.words, mutexOf(vm, index))) continue;
    unlockFirst(vm, index, host);
    return busy;
  }
  try {
    return body();
  } finally {
    unlockFirst(vm, count, host);
  }
}
