/**
 * The GICv3 CPU interface of a vCPU: its registers as the guest and as user space see them. Source: Arm IHI 0069, 12.2,
 * as a virtual CPU interface has them: 32 priorities, so one active-priority register a group.
 *
 * The vGIC lock is held by the caller of every handler.
 */
import { EINVAL } from '@vkvm/uapi';
import type { SYSREGS } from '@vkvm/uapi';

import {
  CONTROL_CBPR,
  CONTROL_EOI_MODE,
  MIN_BPR0,
  MIN_BPR1,
  acknowledge,
  deactivate,
  dropPriority,
  highestPending,
  runningPriority,
  sendSgi,
  signal,
  signalAndRequest,
} from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import {
  AP0R,
  AP1R,
  BPR0,
  BPR1,
  CONTROL,
  GROUPS_ENABLED,
  PMR,
  PRIORITY_BITS,
  PRIORITY_MASK,
  USER_ID_BITS,
  USER_PRI_BITS,
} from './state.ts';

/** ICC_SRE_EL1: system registers only; DFB and DIB are ones, because nothing is bypassed. */
export const ICC_SRE = 7;
/** ICC_CTLR_EL1 besides CBPR and EOImode: A3V, SEIS (none), IDbits (24), PRIbits less one. */
const CONTROL_A3V = 1 << 15;
const CONTROL_SEIS = 1 << 14;
const ID_BITS_SHIFT = 11;
const PRI_BITS_SHIFT = 8;
const FIELD_MASK = 7;
const ID_BITS_24 = 1;
const CONTROL_FIXED = CONTROL_A3V | (ID_BITS_24 << ID_BITS_SHIFT) | ((PRIORITY_BITS - 1) << PRI_BITS_SHIFT);

/** INTIDs 1020 to 1023 are special, and ending one does nothing. */
const isSpecial = (intid: number): boolean => intid >= 1020 && intid < 1024;
const INTID_MASK = 0xff_ffff;

/** @param vcpu - address of the block of the vCPU whose interface it is @returns the value; user space: or -errno */
type Read = (gic: Gic, vcpu: number) => number;
/** @param high - bits 63 to 32 of the value @returns for user space: 0 or -errno */
type Write = (gic: Gic, vcpu: number, low: number, high: number) => number;

/** A register. A direction that is absent is UNDEFINED for the guest, and unknown to user space. */
export interface IccRegister {
  readonly name: keyof typeof SYSREGS;
  readonly read?: Read;
  readonly write?: Write;
  readonly userRead?: Read;
  readonly userWrite?: Write;
}

/** State of a vCPU's CPU interface when the GIC is initialised. All else is 0. */
export function resetInterface({ words }: Gic, vcpu: number): void {
  words.set32(vcpu + USER_PRI_BITS, PRIORITY_BITS);
  words.set32(vcpu + USER_ID_BITS, ID_BITS_24);
}

const loads =
  (offset: number, mask = -1): Read =>
  ({ words }, vcpu) =>
    (words.get32(vcpu + offset) & mask) >>> 0;

/** Stores a register that masks interrupts or shows them. */
const stores =
  (offset: number, mask = -1): Write =>
  (gic, vcpu, low) => {
    gic.words.set32(vcpu + offset, low & mask);
    signalAndRequest(gic, vcpu);
    return 0;
  };

const commonBinaryPoint = ({ words }: Gic, vcpu: number): boolean =>
  (words.get32(vcpu + CONTROL) & CONTROL_CBPR) !== 0;

const readBpr0: Read = ({ words }, vcpu) => Math.max(words.get32(vcpu + BPR0), MIN_BPR0);
const readBpr1: Read = (gic, vcpu) =>
  commonBinaryPoint(gic, vcpu)
    ? Math.min(readBpr0(gic, vcpu) + 1, 7)
    : Math.max(gic.words.get32(vcpu + BPR1), MIN_BPR1);
const userReadBpr1: Read = (gic, vcpu) =>
  commonBinaryPoint(gic, vcpu) ? Math.min(gic.words.get32(vcpu + BPR0) + 1, 7) : gic.words.get32(vcpu + BPR1);
const writeBpr1: Write = (gic, vcpu, low, high) =>
  commonBinaryPoint(gic, vcpu) ? 0 : stores(BPR1, 7)(gic, vcpu, low, high);

const readGroupEnable =
  (group: number): Read =>
  ({ words }, vcpu) =>
    (words.get32(vcpu + GROUPS_ENABLED) >>> group) & 1;
const writeGroupEnable =
  (group: number): Write =>
  (gic, vcpu, low) => {
    const others = gic.words.get32(vcpu + GROUPS_ENABLED) & ~(1 << group);
    gic.words.set32(vcpu + GROUPS_ENABLED, others | ((low & 1) << group));
    signalAndRequest(gic, vcpu);
    return 0;
  };

const endOfInterrupt =
  (group: number): Write =>
  (gic, vcpu, low) => {
    const intid = low & INTID_MASK;
    if (isSpecial(intid) || !dropPriority(gic, vcpu)) return 0;
    if ((gic.words.get32(vcpu + CONTROL) & CONTROL_EOI_MODE) === 0) deactivate(gic, vcpu, intid, group);
    signal(gic, vcpu);
    return 0;
  };

const deactivateInterrupt: Write = (gic, vcpu, low) => {
  if ((gic.words.get32(vcpu + CONTROL) & CONTROL_EOI_MODE) !== 0) deactivate(gic, vcpu, low & INTID_MASK, -1);
  return 0;
};

const generateSgi =
  (group1: boolean): Write =>
  (gic, vcpu, low, high) => {
    sendSgi(gic, vcpu, low, high, group1);
    return 0;
  };

/** User space may lower what it sees of PRIbits and IDbits, to match where a guest came from; never raise it again. */
const userReadControl: Read = ({ words }, vcpu) =>
  CONTROL_A3V |
  (words.get32(vcpu + USER_ID_BITS) << ID_BITS_SHIFT) |
  ((words.get32(vcpu + USER_PRI_BITS) - 1) << PRI_BITS_SHIFT) |
  words.get32(vcpu + CONTROL);
const userWriteControl: Write = (gic, vcpu, low, high) => {
  const { words } = gic;
  const priBits = ((low >>> PRI_BITS_SHIFT) & FIELD_MASK) + 1;
  if (priBits > words.get32(vcpu + USER_PRI_BITS)) return -EINVAL;
  words.set32(vcpu + USER_PRI_BITS, priBits); // stays, even if the rest is refused: as Linux does
  const idBits = (low >>> ID_BITS_SHIFT) & FIELD_MASK;
  if (idBits > words.get32(vcpu + USER_ID_BITS)) return -EINVAL;
  words.set32(vcpu + USER_ID_BITS, idBits);
  if ((low & CONTROL_SEIS) !== 0 || (low & CONTROL_A3V) === 0) return -EINVAL;
  return stores(CONTROL, CONTROL_CBPR | CONTROL_EOI_MODE)(gic, vcpu, low, high);
};

const refuse = (): number => -EINVAL;
const ignore = (): number => 0;

/** A register that both see alike. */
const both = (name: IccRegister['name'], read: Read, write: Write): IccRegister => ({
  name,
  read,
  write,
  userRead: read,
  userWrite: write,
});

/** An active-priority register that 32 priorities do not have. */
const beyond = (name: IccRegister['name']): IccRegister => ({ name, userRead: refuse, userWrite: refuse });

export const ICC_REGISTERS: readonly IccRegister[] = [
  {
    name: 'ICC_PMR_EL1',
    read: loads(PMR, PRIORITY_MASK),
    write: stores(PMR, PRIORITY_MASK),
    userRead: loads(PMR),
    userWrite: stores(PMR, 0xff),
  },
  { name: 'ICC_IAR0_EL1', read: (gic, vcpu) => acknowledge(gic, vcpu, 0) },
  { name: 'ICC_EOIR0_EL1', write: endOfInterrupt(0) },
  { name: 'ICC_HPPIR0_EL1', read: (gic, vcpu) => highestPending(gic, vcpu, 0) },
  {
    name: 'ICC_BPR0_EL1',
    read: readBpr0,
    write: stores(BPR0, 7),
    userRead: loads(BPR0),
    userWrite: stores(BPR0, 7),
  },
  both('ICC_AP0R0_EL1', loads(AP0R), stores(AP0R)),
  beyond('ICC_AP0R1_EL1'),
  beyond('ICC_AP0R2_EL1'),
  beyond('ICC_AP0R3_EL1'),
  both('ICC_AP1R0_EL1', loads(AP1R), stores(AP1R)),
  beyond('ICC_AP1R1_EL1'),
  beyond('ICC_AP1R2_EL1'),
  beyond('ICC_AP1R3_EL1'),
  { name: 'ICC_DIR_EL1', write: deactivateInterrupt },
  { name: 'ICC_RPR_EL1', read: runningPriority },
  { name: 'ICC_SGI1R_EL1', write: generateSgi(true) },
  { name: 'ICC_ASGI1R_EL1', write: generateSgi(false) },
  { name: 'ICC_SGI0R_EL1', write: generateSgi(false) },
  { name: 'ICC_IAR1_EL1', read: (gic, vcpu) => acknowledge(gic, vcpu, 1) },
  { name: 'ICC_EOIR1_EL1', write: endOfInterrupt(1) },
  { name: 'ICC_HPPIR1_EL1', read: (gic, vcpu) => highestPending(gic, vcpu, 1) },
  {
    name: 'ICC_BPR1_EL1',
    read: readBpr1,
    write: writeBpr1,
    userRead: userReadBpr1,
    userWrite: writeBpr1,
  },
  {
    name: 'ICC_CTLR_EL1',
    read: ({ words }, vcpu) => CONTROL_FIXED | words.get32(vcpu + CONTROL),
    write: stores(CONTROL, CONTROL_CBPR | CONTROL_EOI_MODE),
    userRead: userReadControl,
    userWrite: userWriteControl,
  },
  {
    name: 'ICC_SRE_EL1',
    read: () => ICC_SRE,
    write: ignore, // the memory-mapped interface does not exist
    userRead: () => ICC_SRE,
    userWrite: (_gic, _vcpu, low) => ((low & 1) === 0 ? -EINVAL : 0),
  },
  both('ICC_IGRPEN0_EL1', readGroupEnable(0), writeGroupEnable(0)),
  both('ICC_IGRPEN1_EL1', readGroupEnable(1), writeGroupEnable(1)),
];
