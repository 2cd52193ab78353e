/**
 * What LPIs do: their configuration and pending tables in guest memory, and which redistributors deliver them.
 * Source: Arm IHI 0069, 5.1; Documentation/virt/kvm/devices/arm-vgic-v3.rst.
 *
 * The vGIC lock is held, and memslots do not change: guest-memory.ts. What is pending then for whom is looked at only by
 * {@link allChanged}, which the caller does once, whatever number of LPIs it has changed.
 */
import { EFAULT, KVM_DEV_TYPE_ARM_VGIC_V3 } from '@vkvm/uapi';

import { Block } from '../state/block.ts';
import { readGuest8, writeGuest8 } from '../state/guest-memory.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import type { Words } from '../state/words.ts';
import type { Gic } from './interrupts.ts';
import {
  FIRST_LPI,
  LPI_END,
  configureLpi,
  holdLpi,
  isLpi,
  isMapped,
  isPending,
  mappedLpis,
  refresh,
  releaseLpi,
  setPending,
  setTarget,
  targetOf,
} from './lpi-state.ts';
import type { Lpis } from './lpi-state.ts';
import { LPIS, LPIS_ENABLED, PENDBASER, PROPBASER } from './state.ts';

/** GICR_PROPBASER.IDbits: how many bits the INTIDs of the configuration table have, less one. */
const ID_BITS_MASK = 0x1f;
/** GICR_PENDBASER.PTZ, in the upper word: the pending table is all zero. */
export const PENDBASER_PTZ = 1 << 30;
/** Physical addresses have 52 bits; the tables are aligned to 4 KiB and 64 KiB. */
const ADDRESS_HIGH = 0xf_ffff;
const PROPBASER_LOW = 0xffff_f000;
const PENDBASER_LOW = 0xffff_0000;

/** The LPIs of a VM; `undefined` = it has no ITS, or no GICv3. */
export function lpisOf({ words, vm }: { readonly words: Words; readonly vm: number }): Lpis | undefined {
  const base = words.get32(vm + LPIS);
  return base !== 0 && words.get32(vm + IRQCHIP) === KVM_DEV_TYPE_ARM_VGIC_V3 ? { words, base } : undefined;
}

const vmOf = ({ words, vm }: Gic): Block => new Block(words, vm);

/** @param register - address of the 64 bits @param low - which bits of the lower word are address */
const tableAt = (words: Words, register: number, low: number): number =>
  (words.get32(register + 4) & ADDRESS_HIGH) * 0x1_0000_0000 + ((words.get32(register) & low) >>> 0);

/** INTIDs end here: what the guest has a configuration table for. */
export const lpiEnd = ({ words, vm }: Gic): number =>
  Math.min(2 ** ((words.get32(vm + PROPBASER) & ID_BITS_MASK) + 1), LPI_END);

/** Guest-physical address of the byte of a pending table, and the bit in it. */
function pendingBit({ words }: Gic, vcpu: number, intid: number): { gpa: number; mask: number } {
  return {
    gpa: tableAt(words, vcpu + PENDBASER, PENDBASER_LOW) + (intid >>> 3),
    mask: 1 << (intid & 7),
  };
}

/** Reads what the configuration table says of an LPI. @returns false if the table is not in memory */
export function readConfiguration(gic: Gic, lpis: Lpis, intid: number): boolean {
  const table = tableAt(gic.words, gic.vm + PROPBASER, PROPBASER_LOW);
  const configuration = readGuest8(vmOf(gic), table + intid - FIRST_LPI);
  if (configuration < 0) return false;
  configureLpi(lpis, intid, configuration);
  return true;
}

/** Makes an LPI pending if the pending table says so, and takes it out there. @returns false if the table is not in memory */
function consumePendingBit(gic: Gic, lpis: Lpis, intid: number): boolean {
  const target = targetOf(lpis, intid);
  if (target === 0) return true;
  const { gpa, mask } = pendingBit(gic, target, intid);
  const byte = readGuest8(vmOf(gic), gpa);
  if (byte < 0) return false;
  setPending(lpis, intid, (byte & mask) !== 0);
  return (byte & mask) === 0 || writeGuest8(vmOf(gic), gpa, byte & ~mask);
}

/**
 * A translation to an LPI is made. The first one finds out about it.
 * @param target - address of the block of the vCPU that it goes to if nothing has led to it before, or 0
 * @returns false if its tables are not in memory: then there is no such translation
 */
export function mapLpi(gic: Gic, lpis: Lpis, intid: number, target: number): boolean {
  const isNew = !isMapped(lpis, intid);
  holdLpi(lpis, intid, target);
  if (!isNew) return true;
  if (readConfiguration(gic, lpis, intid) && consumePendingBit(gic, lpis, intid)) return true;
  releaseLpi(lpis, intid);
  return false;
}

/** INVALL and GICR_INVALLR: reads the configuration of all that go to a vCPU again. */
export function invalidateAll(gic: Gic, lpis: Lpis, vcpu: number): void {
  for (const intid of mappedLpis(lpis, vcpu)) readConfiguration(gic, lpis, intid);
}

/** GICR_INVLPIR. */
export function invalidateOne(gic: Gic, lpis: Lpis, intid: number): void {
  if (isLpi(intid) && isMapped(lpis, intid)) readConfiguration(gic, lpis, intid);
}

/** MOVALL: all that go to one vCPU go to another. */
export function moveAll(lpis: Lpis, from: number, to: number): void {
  for (const intid of mappedLpis(lpis, from)) setTarget(lpis, intid, to);
}

export const delivers = ({ words }: Gic, vcpu: number): boolean => words.get32(vcpu + LPIS_ENABLED) !== 0;

/** GICR_CTLR.EnableLPIs. What is pending is in the pending table when it is set; later it is here. */
export function enableLpis(gic: Gic, lpis: Lpis, vcpu: number, enable: boolean): void {
  const { words } = gic;
  if (delivers(gic, vcpu) === enable) return;
  words.set32(vcpu + LPIS_ENABLED, enable ? 1 : 0);
  const isZero = (words.get32(vcpu + PENDBASER + 4) & PENDBASER_PTZ) !== 0;
  for (const intid of mappedLpis(lpis, vcpu)) {
    refresh(lpis, intid);
    if (!enable) continue;
    const { gpa, mask } = pendingBit(gic, vcpu, intid);
    const byte = isZero ? 0 : readGuest8(vmOf(gic), gpa);
    if (byte < 0) return; // the rest stays as it is
    setPending(lpis, intid, (byte & mask) !== 0);
  }
}

/** KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES. @returns 0, or -EFAULT: a table is not in memory */
export function savePending(gic: Gic): number {
  const lpis = lpisOf(gic);
  if (!lpis) return 0;
  const vm = vmOf(gic);
  for (const intid of mappedLpis(lpis)) {
    const target = targetOf(lpis, intid);
    if (target === 0) continue;
    const { gpa, mask } = pendingBit(gic, target, intid);
    const byte = readGuest8(vm, gpa);
    if (byte < 0) return -EFAULT;
    const saved = isPending(lpis, intid) ? byte | mask : byte & ~mask;
    if (saved !== byte && !writeGuest8(vm, gpa, saved)) return -EFAULT;
  }
  return 0;
}
