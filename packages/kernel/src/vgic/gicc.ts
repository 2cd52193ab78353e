/**
 * The memory-mapped CPU interface of a GICv2, as a virtual CPU interface (GICV) has it: 32 priorities.
 * Source: Arm IHI 0048, 4.4 and 5.5; Documentation/virt/kvm/devices/arm-vgic.rst for what user space sees.
 */
import { releaseNumber } from '@vkvm/uapi';

import { since } from '../state/profile.ts';
import {
  CONTROL_ACK_CTL,
  CONTROL_CBPR,
  CONTROL_EOI_MODE,
  CONTROL_GROUP_0_IRQ,
  MIN_BPR0,
  MIN_BPR1,
  acknowledge,
  deactivate,
  dropPriority,
  highestPending,
  isSignalled,
  runningPriority,
  signal,
  signalAndRequest,
} from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { WIDTH_32, ignore, zero } from './regions.ts';
import type { ReadWord, RegisterRow, WriteWord } from './regions.ts';
import { nextSource, takeSource } from './sgi-v2.ts';
import {
  AP0R,
  AP1R,
  BPR0,
  BPR1,
  CONTROL,
  GROUPS_ENABLED,
  NONE,
  PMR,
  PRIORITY_MASK,
  SGI_COUNT,
} from './state.ts';

/** GICC_CTLR, and the word of the state that has each of its bits. */
const CTLR_GROUPS = 3; // EnableGrp0, EnableGrp1
const CTLR_ACK_CTL = 1 << 2;
const CTLR_FIQ_ENABLE = 1 << 3;
const CTLR_CBPR = 1 << 4;
const CTLR_EOI_MODE = 1 << 9;

const INTID_MASK = 0x3ff;
const SOURCE_SHIFT = 10;
/** The pending interrupt is of Group 1, and this register does not take those. */
const OTHER_GROUP = 1022;
const SPECIAL_INTIDS = 1020;

/** GICC_IIDR as KVM has it: product "K", version 2, implementer Arm. As GICV hardware would say, if it were KVM's. */
const IIDR = 0x04b2_043b;
const PRIORITY_SHIFT = 3;

/** State of a vCPU's CPU interface when the GIC is initialised. All else is 0. */
export function resetInterfaceV2({ words }: Gic, vcpu: number): void {
  words.set32(vcpu + CONTROL, CONTROL_GROUP_0_IRQ);
}

const readControl: ReadWord = ({ words }, vcpu) => {
  const control = words.get32(vcpu + CONTROL);
  return (
    words.get32(vcpu + GROUPS_ENABLED) |
    ((control & CONTROL_ACK_CTL) === 0 ? 0 : CTLR_ACK_CTL) |
    ((control & CONTROL_GROUP_0_IRQ) === 0 ? CTLR_FIQ_ENABLE : 0) |
    ((control & CONTROL_CBPR) === 0 ? 0 : CTLR_CBPR) |
    ((control & CONTROL_EOI_MODE) === 0 ? 0 : CTLR_EOI_MODE)
  );
};

const writeControl: WriteWord = (gic, vcpu, _word, value) => {
  const { words } = gic;
  words.set32(vcpu + GROUPS_ENABLED, value & CTLR_GROUPS);
  words.set32(
    vcpu + CONTROL,
    ((value & CTLR_ACK_CTL) === 0 ? 0 : CONTROL_ACK_CTL) |
      ((value & CTLR_FIQ_ENABLE) === 0 ? CONTROL_GROUP_0_IRQ : 0) |
      ((value & CTLR_CBPR) === 0 ? 0 : CONTROL_CBPR) |
      ((value & CTLR_EOI_MODE) === 0 ? 0 : CONTROL_EOI_MODE),
  );
  signalAndRequest(gic, vcpu);
  return 0;
};

const loads =
  (offset: number, least = 0): ReadWord =>
  ({ words }, vcpu) =>
    Math.max(words.get32(vcpu + offset), least);
const stores =
  (offset: number, mask: number): WriteWord =>
  (gic, vcpu, _word, value) => {
    gic.words.set32(vcpu + offset, value & mask);
    signalAndRequest(gic, vcpu);
    return 0;
  };

function take(gic: Gic, vcpu: number, group: number): number {
  const intid = acknowledge(gic, vcpu, group);
  return intid < SGI_COUNT ? intid | (takeSource(gic, vcpu, intid) << SOURCE_SHIFT) : intid;
}

const takesGroup1 = ({ words }: Gic, vcpu: number): boolean =>
  (words.get32(vcpu + CONTROL) & CONTROL_ACK_CTL) !== 0;

const readIar: ReadWord = (gic, vcpu) => {
  if (!isSignalled(gic, vcpu, 1)) return take(gic, vcpu, 0);
  return takesGroup1(gic, vcpu) ? take(gic, vcpu, 1) : OTHER_GROUP;
};

function pending(gic: Gic, vcpu: number, group: number): number {
  const intid = highestPending(gic, vcpu, group);
  return intid < SGI_COUNT ? intid | (nextSource(gic, vcpu, intid) << SOURCE_SHIFT) : intid;
}
const readHppir: ReadWord = (gic, vcpu) => {
  if (highestPending(gic, vcpu, 1) === NONE) return pending(gic, vcpu, 0);
  return takesGroup1(gic, vcpu) ? pending(gic, vcpu, 1) : OTHER_GROUP;
};

/** @param group - whose interrupts it ends; -1 = of both */
const endOfInterrupt =
  (group: number): WriteWord =>
  (gic, vcpu, _word, value) => {
    const intid = value & INTID_MASK;
    if (intid >= SPECIAL_INTIDS || !dropPriority(gic, vcpu)) return 0;
    if ((gic.words.get32(vcpu + CONTROL) & CONTROL_EOI_MODE) === 0) deactivate(gic, vcpu, intid, group);
    signal(gic, vcpu);
    return 0;
  };

const writeDir: WriteWord = (gic, vcpu, _word, value) => {
  if ((gic.words.get32(vcpu + CONTROL) & CONTROL_EOI_MODE) !== 0)
    deactivate(gic, vcpu, value & INTID_MASK, -1);
  return 0;
};

/** One active-priority register has both groups. */
const readApr: ReadWord = ({ words }, vcpu, word) =>
  word === 0 ? words.get32(vcpu + AP0R) | words.get32(vcpu + AP1R) : 0;
const writeApr: WriteWord = (gic, vcpu, word, value) => {
  if (word !== 0) return 0;
  gic.words.set32(vcpu + AP1R, 0);
  return stores(AP0R, -1)(gic, vcpu, word, value);
};

const row = (name: string, offset: number, read: ReadWord, write: WriteWord, length = 4): RegisterRow => ({
  name,
  offset,
  length,
  widths: WIDTH_32,
  read,
  write,
});

/** As the guest sees it. */
export const giccRows: readonly RegisterRow[] = [
  row('GICC_CTLR', 0x00, readControl, writeControl),
  row('GICC_PMR', 0x04, loads(PMR), stores(PMR, PRIORITY_MASK)),
  row('GICC_BPR', 0x08, loads(BPR0, MIN_BPR0), stores(BPR0, 7)),
  row('GICC_IAR', 0x0c, readIar, ignore),
  row('GICC_EOIR', 0x10, zero, endOfInterrupt(-1)),
  row('GICC_RPR', 0x14, runningPriority, ignore),
  row('GICC_HPPIR', 0x18, readHppir, ignore),
  row('GICC_ABPR', 0x1c, loads(BPR1, MIN_BPR1), stores(BPR1, 7)),
  row('GICC_AIAR', 0x20, (gic, vcpu) => take(gic, vcpu, 1), ignore),
  row('GICC_AEOIR', 0x24, zero, endOfInterrupt(1)),
  row('GICC_AHPPIR', 0x28, (gic, vcpu) => pending(gic, vcpu, 1), ignore),
  row('GICC_APR', 0xd0, readApr, writeApr, 16),
  row('GICC_IIDR', 0xfc, () => IIDR, ignore),
  row('GICC_DIR', 0x1000, zero, writeDir),
];

/** As user space sees it: priorities without the bits that are not implemented, binary points as they were written. */
const userRows: readonly RegisterRow[] = [
  row('GICC_CTLR', 0x00, readControl, writeControl),
  row(
    'GICC_PMR',
    0x04,
    ({ words }, vcpu) => words.get32(vcpu + PMR) >>> PRIORITY_SHIFT,
    (gic, vcpu, word, value) => stores(PMR, PRIORITY_MASK)(gic, vcpu, word, value << PRIORITY_SHIFT),
  ),
  row('GICC_BPR', 0x08, loads(BPR0), stores(BPR0, 7)),
  row('GICC_ABPR', 0x1c, loads(BPR1), stores(BPR1, 7)),
  row('GICC_APR', 0xd0, readApr, writeApr, 16),
  row('GICC_IIDR', 0xfc, () => IIDR, ignore),
];

/** From here on user space finds GICC_DIR, which does nothing for it. */
const DIR_IS_LISTED = releaseNumber('7.3');
const userRowsWithDir: readonly RegisterRow[] = [...userRows, row('GICC_DIR', 0x1000, zero, ignore)];

export const giccUserRows = (gic: Gic): readonly RegisterRow[] =>
  since(gic, DIR_IS_LISTED) ? userRowsWithDir : userRows;
