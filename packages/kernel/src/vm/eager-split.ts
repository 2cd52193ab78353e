/**
 * KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE: how much of a huge page Linux splits ahead of time while it logs. There are no
 * huge pages in this stage 2, so the size is kept for whoever asks. Source: arch/arm64/kvm/mmu.c, kvm_vm_ioctl_enable_cap.
 */
import { EINVAL } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { EAGER_SPLIT_CHUNK } from '../state/vm-control.ts';
import { hasNoMemslots } from './memslots.ts';

/** Sizes of blocks and pages at stage 2 with pages of 4 KiB, one bit each: KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES. */
export const BLOCK_SIZES = 0x4020_1000;

/** @param size - bytes; 0 = no splitting ahead @returns 0; -EINVAL: not a block's size, or there are memslots */
export function setEagerSplit(vm: Block, size: bigint): number {
  const isBlockSize = (size & (size - 1n)) === 0n && (size & BigInt(BLOCK_SIZES)) !== 0n;
  if (!hasNoMemslots(vm) || (size !== 0n && !isBlockSize)) return -EINVAL;
  vm.set32(EAGER_SPLIT_CHUNK, Number(size));
  return 0;
}
