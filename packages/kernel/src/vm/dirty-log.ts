/**
 * KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG. Where bits are taken out, the vCPUs forget which pages they may store to
 * without telling, before user space gets to see the bits.
 *
 * Errno and the order of checks: Linux virt/kvm/kvm_main.c, kvm_get_dirty_log_protect, kvm_clear_dirty_log_protect.
 */
import {
  EFAULT,
  EINVAL,
  ENOENT,
  ENXIO,
  KVM_DIRTY_LOG_INITIALLY_SET,
  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
  PAGE_SIZE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { dirtyBitmapSize } from '../state/dirty.ts';
import { REQUEST_FLUSH_TLB } from '../state/requests.ts';
import { DIRTY_RING_SIZE, DIRTY_RING_WITH_BITMAP, MANUAL_DIRTY_LOG } from '../state/vm-control.ts';
import { copyFromUser, copyToUser } from '../uaccess.ts';
import { memslotLimit } from './features.ts';
import { findById, visibleBitmap } from './memslots.ts';
import { withVcpusPaused } from './pause.ts';

const PAGES_PER_WORD = 64;

/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. @returns 0; -EINVAL: INITIALLY_SET alone, or unknown bits */
export function setManualProtect(vm: Block, options: bigint): number {
  const enables = (options & BigInt(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)) !== 0n;
  const allowed = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | (enables ? KVM_DIRTY_LOG_INITIALLY_SET : 0);
  if ((options & ~BigInt(allowed)) !== 0n) return -EINVAL;
  vm.set32(MANUAL_DIRTY_LOG, Number(options));
  return 0;
}

/** A log that user space may read. */
interface Log {
  /** Address of the bitmap. */
  readonly bitmap: number;
  readonly pages: number;
}

/** @returns the log, or -ENXIO there are only rings; -EINVAL no such id; -ENOENT no memslot, or it is not logged */
function findLog(vm: Block, slot: number): Log | number {
  if (vm.get32(DIRTY_RING_SIZE) !== 0 && vm.get32(DIRTY_RING_WITH_BITMAP) === 0) return -ENXIO;
  if (slot >= memslotLimit(vm.words)) return -EINVAL;
  const memslot = findById(vm, slot);
  const bitmap = memslot ? visibleBitmap(vm, memslot) : 0;
  return memslot && bitmap !== 0 ? { bitmap, pages: memslot.size / PAGE_SIZE } : -ENOENT;
}

/** @param address - where user space wants the bitmap @returns 0 or -errno */
export function getDirtyLog(vm: Block, slot: number, address: number, host: Host): number {
  const log = findLog(vm, slot);
  if (typeof log === 'number') return log;
  const { words } = vm;
  const bytes = dirtyBitmapSize(log.pages);
  const bits = words.u8.slice(log.bitmap, log.bitmap + bytes);
  const manual = (vm.get32(MANUAL_DIRTY_LOG) & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE) !== 0;
  if (!manual) {
    withVcpusPaused(vm, REQUEST_FLUSH_TLB, host, () => {
      bits.set(words.u8.subarray(log.bitmap, log.bitmap + bytes));
      words.u8.fill(0, log.bitmap, log.bitmap + bytes);
    });
  }
  return copyToUser(words, address, bits);
}

/** What KVM_CLEAR_DIRTY_LOG names: the set bits of the bitmap at a user address. */
export interface ClearDirtyLog {
  readonly slot: number;
  readonly firstPage: number;
  readonly pageCount: number;
  readonly address: number;
}

/** @returns 0 or -errno */
export function clearDirtyLog(
  vm: Block,
  { slot, firstPage, pageCount, address }: ClearDirtyLog,
  host: Host,
): number {
  if (vm.get32(DIRTY_RING_SIZE) !== 0 && vm.get32(DIRTY_RING_WITH_BITMAP) === 0) return -ENXIO;
  if (slot >= memslotLimit(vm.words) || firstPage % PAGES_PER_WORD !== 0) return -EINVAL;
  const log = findLog(vm, slot);
  if (typeof log === 'number') return log;
  const rest = log.pages - firstPage;
  if (rest < 0 || pageCount > rest || (pageCount < rest && pageCount % PAGES_PER_WORD !== 0)) return -EINVAL;
  const { words } = vm;
  const bits = new Uint8Array(dirtyBitmapSize(pageCount));
  if (copyFromUser(words, address, bits) !== 0) return -EFAULT;
  const start = log.bitmap + firstPage / 8;
  withVcpusPaused(vm, REQUEST_FLUSH_TLB, host, () => {
    for (const [index, byte] of bits.entries()) words.u8[start + index] = words.u8[start + index]! & ~byte;
  });
  return 0;
}
