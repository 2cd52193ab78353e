/** Whether a frame may lie where user space wants it. Source: Linux arch/arm64/kvm/vgic/vgic-kvm-device.c. */
import { E2BIG, EEXIST, EINVAL } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { IPA_BITS } from '../state/vm-control.ts';
import { FRAMES_END, FRAMES_START } from '../state/vm-state.ts';

const ADDRESS_END = 1n << 64n;
/** All of a frame is looked at, and what comes first is whether it is placed. Before, its start, in the order of the code. */
export const WHOLE_FRAME = releases({ since: '5.16' });

export interface Frame {
  readonly base: bigint;
  /** Bytes. */
  readonly size: number;
  readonly alignment: bigint;
  /** It has a place already. */
  readonly isPlaced: boolean;
}

/** @returns 0 or -errno: EEXIST it is placed; EINVAL misaligned, or it wraps; E2BIG beyond the IPA size */
export function checkFrame(vm: Block, { base, size, alignment, isPlaced }: Frame): number {
  const ipaEnd = 1n << BigInt(vm.get32(IPA_BITS));
  const isAligned = base % alignment === 0n;
  if (!holds(vm, WHOLE_FRAME)) {
    if (base >= ipaEnd) return -E2BIG;
    if (!isAligned) return -EINVAL;
    return isPlaced ? -EEXIST : 0;
  }
  if (isPlaced) return -EEXIST;
  const end = base + BigInt(size);
  if (!isAligned || end >= ADDRESS_END) return -EINVAL;
  return end > ipaEnd ? -E2BIG : 0;
}

/** Notes where a frame is. @param size - its bytes */
export function noteFrame(vm: Block, base: number, size: number): void {
  const end = vm.getNumber(FRAMES_END);
  vm.setNumber(FRAMES_START, end === 0 ? base : Math.min(vm.getNumber(FRAMES_START), base));
  vm.setNumber(FRAMES_END, Math.max(end, base + size));
}
