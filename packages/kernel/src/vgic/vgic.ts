/** The GIC of a VM as the rest of the kernel uses it: interrupt lines in, memory-mapped registers, interrupts out. */
import {
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_VGIC_V2_CPU_SIZE,
  KVM_VGIC_V2_DIST_SIZE,
  KVM_VGIC_V3_DIST_SIZE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { lock, unlock } from '../state/lock.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { FRAMES_END, FRAMES_START } from '../state/vm-state.ts';
import { IRQCHIP, VGIC_LOCK } from '../state/vm-control.ts';
import type { Words } from '../state/words.ts';
import { giccRows } from './gicc.ts';
import { gicdV2Rows } from './gicd-v2.ts';
import { gicdRows } from './gicd.ts';
import { gicrRows } from './gicr.ts';
import { setLine } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { itsRows } from './its-registers.ts';
import { ITS_BASE } from './its-state.ts';
import { itsAt } from './its.ts';
import { frameAt } from './redistributors.ts';
import { accessRegister } from './regions.ts';
import type { FrameAccess, RegisterRow } from './regions.ts';
import {
  CPU_INTERFACE_BASE,
  DISTRIBUTOR_BASE,
  INITIALISED,
  ITS_BEHIND,
  ITS_FIRST,
  PRIVATE_COUNT,
  SPI_COUNT,
  UNMAPPED,
} from './state.ts';

/** Whether KVM_DEV_ARM_VGIC_CTRL_INIT is done. */
export const initialised = (vm: Block): boolean => vm.get32(INITIALISED) !== 0;

/** Whether an address lies between the first and the last frame: most devices of user space do not. */
export const mayHaveFrame = (vm: Block, gpa: number): boolean =>
  gpa < vm.getNumber(FRAMES_END) && gpa >= vm.getNumber(FRAMES_START);

/** Whether the VM has an ITS: messages need the number of a device then. */
export const hasIts = (vm: Block): boolean => vm.get32(ITS_FIRST) !== 0;

/** Whether some ITS has commands left: {@link advanceItses}. */
export const isItsBehind = (vm: Block): boolean => vm.get32(ITS_BEHIND) !== 0;

/** INTIDs there are, private ones included: SPIs are those from 32 up to it. */
export const intidCount = (vm: Block): number => PRIVATE_COUNT + vm.get32(SPI_COUNT);

function lineUnderLock(gic: Gic, vcpu: number, intid: number, level: boolean): void {
  lock(gic.words, gic.vm + VGIC_LOCK, gic.host);
  setLine(gic, vcpu, intid, level);
  unlock(gic.words, gic.vm + VGIC_LOCK, gic.host);
}

/**
 * Drives the line of an SPI, from any thread.
 * @param intid - 32 to {@link intidCount} - 1
 */
export function setSpi(vm: Block, intid: number, level: boolean, host: Host): void {
  lineUnderLock({ words: vm.words, vm: vm.base, host }, 0, intid, level);
}

/**
 * Drives the line of a vCPU's private peripheral interrupt, from any thread.
 * @param intid - 16 to 31
 */
export function setPpi(vcpu: Block, intid: number, level: boolean, host: Host): void {
  lineUnderLock({ words: vcpu.words, vm: vcpu.get32(VM_BLOCK), host }, vcpu.base, intid, level);
}

/**
 * A guest's access to the frames.
 * @returns false if no frame is at that address
 */
export function mmio(vcpu: Block, gpa: number, access: FrameAccess, host: Host): boolean {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  const place = placeInGic(vcpu, gpa) ?? placeInIts(words, vm, gpa);
  if (place === undefined) return false;
  lock(words, vm + VGIC_LOCK, host);
  accessRegister({ words, vm, host }, place.rows, place.vcpu, place.offset, access);
  unlock(words, vm + VGIC_LOCK, host);
  return true;
}

/** A register of a frame. */
interface Place {
  readonly rows: readonly RegisterRow[];
  /** Address of the block of the vCPU whose frame it is; for the distributor, of the one that accesses it; or of the ITS. */
  readonly vcpu: number;
  readonly offset: number;
}

function placeInGic(vcpu: Block, gpa: number): Place | undefined {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  if (words.get32(vm + INITIALISED) === 0) return undefined;
  return words.get32(vm + IRQCHIP) === KVM_DEV_TYPE_ARM_VGIC_V3 ? placeV3(vcpu, gpa) : placeV2(vcpu, gpa);
}

/** An ITS is where it is put, whatever the GIC is. */
function placeInIts(words: Words, vm: number, gpa: number): Place | undefined {
  // Most machines have none, and every exit for a device comes by here.
  if (words.get32(vm + ITS_FIRST) === 0) return undefined;
  const its = itsAt({ words, vm }, gpa);
  return its && { rows: itsRows, vcpu: its.base, offset: gpa - words.getNumber(its.base + ITS_BASE) };
}

function placeV3({ words, base }: Block, gpa: number): Place | undefined {
  const vm = words.get32(base + VM_BLOCK);
  const offset = gpa - words.getNumber(vm + DISTRIBUTOR_BASE);
  if (offset >= 0 && offset < KVM_VGIC_V3_DIST_SIZE)
    return words.get32(vm + UNMAPPED) === 0 ? { rows: gicdRows, vcpu: base, offset } : undefined;
  // A redistributor is there as soon as it has an address.
  const frame = frameAt(words, vm, gpa);
  return frame && { rows: gicrRows, ...frame };
}

function placeV2({ words, base }: Block, gpa: number): Place | undefined {
  const vm = words.get32(base + VM_BLOCK);
  if (words.get32(vm + UNMAPPED) !== 0) return undefined;
  const inDistributor = gpa - words.getNumber(vm + DISTRIBUTOR_BASE);
  if (inDistributor >= 0 && inDistributor < KVM_VGIC_V2_DIST_SIZE)
    return { rows: gicdV2Rows, vcpu: base, offset: inDistributor };
  const offset = gpa - words.getNumber(vm + CPU_INTERFACE_BASE);
  return offset >= 0 && offset < KVM_VGIC_V2_CPU_SIZE ? { rows: giccRows, vcpu: base, offset } : undefined;
}
