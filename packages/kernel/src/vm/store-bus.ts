/** A guest's store outside of memory, before it becomes an exit. */
import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { STORE_BUS_COUNT, STORE_COALESCED, storeEntries } from '../state/store-bus.ts';
import { STATE_LOCK } from '../state/vm-control.ts';
import { appendStore, holdsRange } from './coalesced.ts';
import { matches } from './ioeventfd.ts';
import { signalEventfd } from './irqfd.ts';

const SPACE_MMIO = 0;

/**
 * Does with a store what user space has asked for.
 *
 * @param data - address of its 8 bytes in the process memory
 * @returns whether that was something; else it is an exit
 */
export function serveStore(vm: Block, gpa: number, length: number, data: number, host: Host): boolean {
  if (vm.get32(STORE_BUS_COUNT) === 0) return false;
  const { words } = vm;
  const address = BigInt(gpa);
  const value = BigInt.asUintN(8 * length, words.get64(data));
  const signalled: number[] = [];
  const isServed = withLock(words, vm.base + STATE_LOCK, host, () =>
    storeEntries(vm).some((entry) => {
      if (entry.space !== SPACE_MMIO) return false;
      if (entry.kind === STORE_COALESCED) {
        return holdsRange(entry, address, length) && appendStore(vm, gpa, length, data);
      }
      if (!matches(entry, address, length, value)) return false;
      signalled.push(entry.eventfd);
      return true;
    }),
  );
  for (const eventfd of signalled) signalEventfd(words, eventfd, 1n, host);
  return isServed;
}
