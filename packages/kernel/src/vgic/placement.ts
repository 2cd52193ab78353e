/** Where the frames lie in guest-physical memory: group KVM_DEV_ARM_VGIC_GRP_ADDR. */
import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENXIO,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
  KVM_VGIC_V3_DIST_SIZE,
} from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { VCPU_COUNT } from '../state/vm-state.ts';
import { getUser, putUser } from '../uaccess.ts';
import { WHOLE_FRAME, checkFrame, noteFrame } from './frame.ts';
import {
  MAX_REGIONS,
  addRegion,
  dropLastRegion,
  overlapsDistributor,
  overlapsRegions,
  regionAt,
  regionCount,
  regionSize,
  totalCapacity,
} from './redistributors.ts';
import { DISTRIBUTOR_BASE, DISTRIBUTOR_PLACED, INITIALISED } from './state.ts';
import { VALUE_FIRST } from './value-first.ts';

/** Of all frames of version 3. */
export const ALIGNMENT = 0x1_0000n;
/** What an address reads as that was not set. */
export const UNSET = 0xffff_ffff_ffff_ffffn;

/** Fields of KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION. */
/** The field has 12 bits, of which Linux takes 8. */
const INDEX_MASK = 0xffn;
const FLAGS_MASK = 0xf000n;
const BASE_MASK = 0xf_ffff_ffff_0000n;
const COUNT_SHIFT = 52n;

function placeDistributor(vm: Block, base: bigint): number {
  const isPlaced = vm.get32(DISTRIBUTOR_PLACED) !== 0;
  const error = checkFrame(vm, { base, size: KVM_VGIC_V3_DIST_SIZE, alignment: ALIGNMENT, isPlaced });
  if (error !== 0) return error;
  vm.setNumber(DISTRIBUTOR_BASE, Number(base));
  vm.set32(DISTRIBUTOR_PLACED, 1);
  noteFrame(vm, Number(base), KVM_VGIC_V3_DIST_SIZE);
  return 0;
}

/** The distributor and the redistributors do not lie over one another. */
const framesApart = (vm: Block): boolean =>
  vm.get32(DISTRIBUTOR_PLACED) === 0 ||
  !overlapsRegions(vm.words, vm.base, vm.getNumber(DISTRIBUTOR_BASE), KVM_VGIC_V3_DIST_SIZE);

/** A region after the one for all vCPUs is taken. Before, nothing is, and with another errno. */
const AFTER_THE_ONE = releases({ since: '5.13' });

/** Whether a region may follow those that there are. @returns 0 or -errno */
function checkOrder(vm: Block, index: number, count: number): number {
  const regions = regionCount(vm.words, vm.base);
  const isNext = index === regions ? 0 : -EINVAL;
  if (regions === 0) return isNext;
  const afterTheOne = regionAt(vm.words, vm.base, regions - 1).count === 0;
  if (!holds(vm, AFTER_THE_ONE)) return count === 0 || afterTheOne ? -EINVAL : isNext;
  if (count === 0) return afterTheOne ? -EEXIST : -EINVAL;
  return isNext;
}

/** @param count - 0 = one region for all vCPUs */
function placeRedistributors(vm: Block, index: number, base: bigint, count: number): number {
  const { words, base: at } = vm;
  const isSized = count !== 0 || holds(vm, WHOLE_FRAME);
  const size = isSized ? regionSize(words, at, { base: 0, count }) : 0;
  if (base + BigInt(size) > UNSET) return -EINVAL;
  const outOfOrder = checkOrder(vm, index, count);
  if (outOfOrder !== 0) return outOfOrder;
  // Beyond 2⁵³ nothing overlaps anything, and the range check refuses it.
  const region = { base: Number(base), count };
  if (count === 0 && overlapsDistributor(words, at, region.base, size)) return -EINVAL;
  if (overlapsRegions(words, at, region.base, size)) return -EINVAL;
  const error = checkFrame(vm, { base, size, alignment: ALIGNMENT, isPlaced: false });
  if (error !== 0) return error;
  if (regionCount(words, at) === MAX_REGIONS) return -ENOMEM;

  const vcpus = vm.get32(VCPU_COUNT);
  const placed = Math.min(vcpus, totalCapacity(words, at));
  addRegion(words, at, region);
  // A region that no vCPU comes to lie in is not looked at any closer.
  if (Math.min(vcpus, totalCapacity(words, at)) === placed || framesApart(vm)) return 0;
  dropLastRegion(words, at);
  return -EINVAL;
}

const indexOf = (value: bigint): number => Number(value & INDEX_MASK);

export const hasAddress = (attr: number): boolean =>
  attr === KVM_VGIC_V3_ADDR_TYPE_DIST ||
  attr === KVM_VGIC_V3_ADDR_TYPE_REDIST ||
  attr === KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION;

/** @returns 0 or -errno */
export function setAddress(vm: Block, attr: number, userAddress: number): number {
  const value = getUser(vm.words, userAddress, 8);
  if (value === undefined) return -EFAULT;
  switch (attr) {
    case KVM_VGIC_V3_ADDR_TYPE_DIST:
      return placeDistributor(vm, value);
    case KVM_VGIC_V3_ADDR_TYPE_REDIST:
      return placeRedistributors(vm, 0, value, 0);
    case KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION: {
      const count = Number(value >> COUNT_SHIFT);
      if (count === 0 || (value & FLAGS_MASK) !== 0n) return -EINVAL;
      return placeRedistributors(vm, indexOf(value), value & BASE_MASK, count);
    }
    default:
      return -ENXIO;
  }
}

/** @returns 0 or -errno */
export function getAddress(vm: Block, attr: number, userAddress: number): number {
  const { words, base: at } = vm;
  if (holds(vm, VALUE_FIRST) && getUser(words, userAddress, 8) === undefined) return -EFAULT;
  const put = (value: bigint): number => putUser(words, userAddress, 8, value);
  switch (attr) {
    case KVM_VGIC_V3_ADDR_TYPE_DIST:
      return put(vm.get32(DISTRIBUTOR_PLACED) === 0 ? UNSET : vm.get64(DISTRIBUTOR_BASE));
    case KVM_VGIC_V3_ADDR_TYPE_REDIST:
      return put(regionCount(words, at) === 0 ? UNSET : BigInt(regionAt(words, at, 0).base));
    case KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION: {
      const value = getUser(words, userAddress, 8);
      if (value === undefined) return -EFAULT;
      const index = indexOf(value);
      if (index >= regionCount(words, at)) return -ENOENT;
      const { base, count } = regionAt(words, at, index);
      return put((BigInt(count) << COUNT_SHIFT) | BigInt(base) | BigInt(index));
    }
    default:
      return -ENXIO;
  }
}

/**
 * What the first KVM_RUN of a VM checks.
 * @returns 0; -ENXIO: an address is unset; -EINVAL: frames overlap; -EBUSY: not initialised
 */
export function mapResourcesV3(vm: Block): number {
  if (vm.get32(VCPU_COUNT) > totalCapacity(vm.words, vm.base)) return -ENXIO;
  if (vm.get32(DISTRIBUTOR_PLACED) === 0) return -ENXIO;
  if (!framesApart(vm)) return -EINVAL;
  return vm.get32(INITIALISED) === 0 ? -EBUSY : 0;
}
