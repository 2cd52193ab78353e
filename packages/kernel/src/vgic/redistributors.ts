/**
 * Where redistributors lie: regions of guest-physical addresses, filled by the vCPUs in the order of their creation.
 * Source: Documentation/virt/kvm/devices/arm-vgic-v3.rst.
 *
 * Regions are numbered from 0 without gaps. The one of KVM_VGIC_V3_ADDR_TYPE_REDIST has count 0: room for all.
 */
import { KVM_VGIC_V3_DIST_SIZE, KVM_VGIC_V3_REDIST_SIZE } from '@vkvm/uapi';

import { holds, releases } from '../state/profile.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import { Block } from '../state/block.ts';
import type { Words } from '../state/words.ts';
import { noteFrame } from './frame.ts';
import { DISTRIBUTOR_BASE, DISTRIBUTOR_PLACED, REGIONS, REGION_COUNT } from './state.ts';

/** An entry at REGIONS: base (64 bits) and count (32 bits). */
const REGION_SIZE = 16;
/** As many as an index has values. */
export const MAX_REGIONS = 4096;
const BASE = 0;
const COUNT = 8;

export interface RedistributorRegion {
  readonly base: number;
  /** Redistributors it has room for; 0 = all of the VM's. */
  readonly count: number;
}

export const regionCount = (words: Words, vm: number): number => words.get32(vm + REGION_COUNT);

export function regionAt(words: Words, vm: number, index: number): RedistributorRegion {
  const entry = vm + REGIONS + index * REGION_SIZE;
  return { base: words.getNumber(entry + BASE), count: words.get32(entry + COUNT) };
}

export function addRegion(words: Words, vm: number, { base, count }: RedistributorRegion): void {
  const index = regionCount(words, vm);
  const entry = vm + REGIONS + index * REGION_SIZE;
  words.setNumber(entry + BASE, base);
  words.set32(entry + COUNT, count);
  words.set32(vm + REGION_COUNT, index + 1);
  noteRegions(words, vm);
}

/** Notes where the regions are: when one comes, and when it is known how many vCPUs the one for all of them holds. */
export function noteRegions(words: Words, vm: number): void {
  for (let index = 0; index < regionCount(words, vm); index++) {
    const region = regionAt(words, vm, index);
    noteFrame(new Block(words, vm), region.base, regionSize(words, vm, region));
  }
}

export function dropLastRegion(words: Words, vm: number): void {
  words.set32(vm + REGION_COUNT, regionCount(words, vm) - 1);
}

const vcpuCount = (words: Words, vm: number): number => words.get32(vm + VCPU_COUNT);

/** Redistributors a region has room for. */
const capacity = (words: Words, vm: number, { count }: RedistributorRegion): number =>
  count === 0 ? vcpuCount(words, vm) : count;

/** Bytes of a region. */
export const regionSize = (words: Words, vm: number, region: RedistributorRegion): number =>
  capacity(words, vm, region) * KVM_VGIC_V3_REDIST_SIZE;

const overlap = (aBase: number, aSize: number, bBase: number, bSize: number): boolean =>
  aBase < bBase + bSize && bBase < aBase + aSize;

export function overlapsRegions(words: Words, vm: number, base: number, size: number): boolean {
  for (let index = 0; index < regionCount(words, vm); index++) {
    const region = regionAt(words, vm, index);
    if (overlap(base, size, region.base, regionSize(words, vm, region))) return true;
  }
  return false;
}

export const overlapsDistributor = (words: Words, vm: number, base: number, size: number): boolean =>
  words.get32(vm + DISTRIBUTOR_PLACED) !== 0 &&
  overlap(base, size, words.getNumber(vm + DISTRIBUTOR_BASE), KVM_VGIC_V3_DIST_SIZE);

/** Redistributors that the regions have room for. */
export function totalCapacity(words: Words, vm: number): number {
  let total = 0;
  for (let index = 0; index < regionCount(words, vm); index++) {
    total += capacity(words, vm, regionAt(words, vm, index));
  }
  return total;
}

/** The frame at an address. */
export interface RedistributorFrame {
  /** Address of the block of the vCPU it belongs to. */
  readonly vcpu: number;
  /** Bytes from the start of its redistributor. */
  readonly offset: number;
}

/** @returns `undefined` for an address without a redistributor */
export function frameAt(words: Words, vm: number, gpa: number): RedistributorFrame | undefined {
  let first = 0;
  for (let index = 0; index < regionCount(words, vm); index++) {
    const region = regionAt(words, vm, index);
    const within = gpa - region.base;
    if (within >= 0 && within < regionSize(words, vm, region)) {
      const number = first + Math.floor(within / KVM_VGIC_V3_REDIST_SIZE);
      if (number >= vcpuCount(words, vm)) return undefined;
      return {
        vcpu: words.get32(vm + VCPU_TABLE + 4 * number),
        offset: within % KVM_VGIC_V3_REDIST_SIZE,
      };
    }
    first += capacity(words, vm, region);
  }
  return undefined;
}

/** The last redistributor of a region is Last where none follows directly. Before, also where one does. */
const CONTIGUOUS = releases({ since: '5.13' });

/** Whether no redistributor follows the one of a vCPU directly: GICR_TYPER.Last. @param number - VCPU_INDEX */
export function isLast(words: Words, vm: number, number: number): boolean {
  if (number >= totalCapacity(words, vm)) return false; // it has no place yet
  if (number + 1 >= vcpuCount(words, vm)) return true;
  let first = 0;
  for (let index = 0; index < regionCount(words, vm); index++) {
    const region = regionAt(words, vm, index);
    const next = first + capacity(words, vm, region);
    if (number < next - 1) return false;
    if (number === next - 1) {
      if (!holds({ words }, CONTIGUOUS)) return true;
      const follows = index + 1 < regionCount(words, vm) ? regionAt(words, vm, index + 1).base : -1;
      return follows !== region.base + regionSize(words, vm, region);
    }
    first = next;
  }
  return true;
}
