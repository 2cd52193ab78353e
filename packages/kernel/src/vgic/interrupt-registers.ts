/**
 * Registers with bits or bytes for each interrupt. The distributor has them for SPIs, a redistributor for its vCPU's
 * private interrupts. Source: Arm IHI 0069, 12.9 and 12.11; which of them KVM keeps, and what user space sees of them,
 * Documentation/virt/kvm/devices/arm-vgic-v3.rst.
 */
import { VCPU_ID } from '../state/control.ts';
import { bankChanged, targetSpi } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { WIDTH_32, WIDTH_8, zero } from './regions.ts';
import type { RegisterRow } from './regions.ts';
import {
  ACTIVE,
  EDGE,
  ENABLED,
  GROUP,
  GROUPS_WRITABLE,
  LINE,
  PENDING,
  PRIORITY,
  PRIORITY_MASK,
  ROUTE,
  SGI_COUNT,
  SGI_SOURCES,
  bankIndex,
} from './state.ts';

/** @param part - number of the word among the ones this register has for a bank */
type ReadBank = (gic: Gic, vcpu: number, bank: number, part: number) => number;
type WriteBank = (gic: Gic, vcpu: number, bank: number, part: number, value: number) => void;

interface InterruptRegister {
  readonly name: string;
  /** Bytes from the start of the distributor, and from the start of a redistributor's second frame. */
  readonly offset: number;
  readonly bits: 1 | 2 | 8;
  readonly read: ReadBank;
  readonly write: WriteBank;
  readonly userRead?: ReadBank;
  readonly userWrite?: WriteBank;
  readonly distributorOnly?: true;
}

const PRIORITY_WORD_MASK = (PRIORITY_MASK * 0x0101_0101) | 0;

const load =
  (word: number): ReadBank =>
  ({ words, vm }, vcpu, bank) =>
    words.u32[bankIndex(vm, vcpu, bank) + (word >>> 2)]!;

/** A write that computes the new word from the old one. */
const modify =
  (word: number, change: (before: number, value: number) => number): WriteBank =>
  (gic, vcpu, bank, _part, value) => {
    const { u32 } = gic.words;
    const index = bankIndex(gic.vm, vcpu, bank) + (word >>> 2);
    u32[index] = change(u32[index]!, value);
    bankChanged(gic, vcpu, bank);
  };

const set = (before: number, value: number): number => before | value;
const clear = (before: number, value: number): number => before & ~value;
const replace = (_before: number, value: number): number => value;

/** Pending as the guest sees it: the latch, and the line of what is level-sensitive. */
const readPending: ReadBank = ({ words: { u32 }, vm }, vcpu, bank) => {
  const at = bankIndex(vm, vcpu, bank);
  return u32[at + (PENDING >>> 2)]! | (u32[at + (LINE >>> 2)]! & ~u32[at + (EDGE >>> 2)]!);
};

const readPriority: ReadBank = ({ words, vm }, vcpu, bank, part) =>
  words.u32[bankIndex(vm, vcpu, bank) + (PRIORITY >>> 2) + part]!;
const writePriority: WriteBank = (gic, vcpu, bank, part, value) => {
  gic.words.u32[bankIndex(gic.vm, vcpu, bank) + (PRIORITY >>> 2) + part] = value & PRIORITY_WORD_MASK;
  bankChanged(gic, vcpu, bank);
};

/** Spreads 16 bits to the odd bits of a word: ICFGR's upper bit of two is "edge". */
const spread = (bits: number): number => {
  let word = 0;
  for (let n = 0; n < 16; n++) word |= ((bits >>> n) & 1) << (2 * n + 1);
  return word;
};
const gather = (word: number): number => {
  let bits = 0;
  for (let n = 0; n < 16; n++) bits |= ((word >>> (2 * n + 1)) & 1) << n;
  return bits;
};
const readConfiguration: ReadBank = (gic, vcpu, bank, part) =>
  spread(load(EDGE)(gic, vcpu, bank, 0) >>> (16 * part));
const writeConfiguration: WriteBank = (gic, vcpu, bank, part, value) => {
  if (bank === 0) return; // SGIs are edges, PPIs levels
  const shift = 16 * part;
  modify(EDGE, (before) => (before & ~(0xffff << shift)) | (gather(value) << shift))(
    gic,
    vcpu,
    bank,
    0,
    value,
  );
};

const nothing: WriteBank = () => undefined;

const REGISTERS: readonly InterruptRegister[] = [
  { name: 'IGROUPR', offset: 0x080, bits: 1, read: load(GROUP), write: modify(GROUP, replace) },
  { name: 'ISENABLER', offset: 0x100, bits: 1, read: load(ENABLED), write: modify(ENABLED, set) },
  { name: 'ICENABLER', offset: 0x180, bits: 1, read: load(ENABLED), write: modify(ENABLED, clear) },
  {
    name: 'ISPENDR',
    offset: 0x200,
    bits: 1,
    read: readPending,
    write: modify(PENDING, set),
    // Lines travel through LEVEL_INFO: user space gets and sets the latch alone.
    userRead: load(PENDING),
    userWrite: modify(PENDING, replace),
  },
  {
    name: 'ICPENDR',
    offset: 0x280,
    bits: 1,
    read: readPending,
    write: modify(PENDING, clear),
    userRead: zero,
    userWrite: nothing,
  },
  { name: 'ISACTIVER', offset: 0x300, bits: 1, read: load(ACTIVE), write: modify(ACTIVE, set) },
  { name: 'ICACTIVER', offset: 0x380, bits: 1, read: load(ACTIVE), write: modify(ACTIVE, clear) },
  { name: 'IPRIORITYR', offset: 0x400, bits: 8, read: readPriority, write: writePriority },
  { name: 'ITARGETSR', offset: 0x800, bits: 8, read: zero, write: nothing, distributorOnly: true },
  { name: 'ICFGR', offset: 0xc00, bits: 2, read: readConfiguration, write: writeConfiguration },
  { name: 'IGRPMODR', offset: 0xd00, bits: 1, read: zero, write: nothing },
];

const widthsOf = ({ bits }: InterruptRegister): number => (bits === 8 ? WIDTH_8 | WIDTH_32 : WIDTH_32);

/** @param first - the first bank that they show: what is before reads as zero and ignores writes */
const rowsFrom = (registers: readonly InterruptRegister[], first: number): readonly RegisterRow[] =>
  registers.map((register) => {
    const { name, offset, bits, read, write, userRead = read, userWrite = write } = register;
    const reader =
      (of: ReadBank) =>
      (gic: Gic, vcpu: number, word: number): number =>
        word < bits * first ? 0 : of(gic, vcpu, Math.floor(word / bits), word % bits);
    const writer =
      (of: WriteBank) =>
      (gic: Gic, vcpu: number, word: number, value: number): number => {
        if (word >= bits * first) of(gic, vcpu, Math.floor(word / bits), word % bits, value);
        return 0;
      };
    return {
      name: `GICD_${name}`,
      offset,
      bits,
      widths: widthsOf(register),
      read: reader(read),
      write: writer(write),
      userRead: reader(userRead),
      userWrite: writer(userWrite),
    };
  });

/** Rows of a GICv3's distributor: SPIs. */
export const distributorRows: readonly RegisterRow[] = rowsFrom(REGISTERS, 1);

/** The bits of a bank that are SGIs. */
const sgisOf = (bank: number): number => (bank === 0 ? (1 << SGI_COUNT) - 1 : 0);

/** User space's write of ISPENDR or ICPENDR: an SGI that becomes pending comes from the vCPU itself. */
const userModifyLatches =
  (change: (before: number, value: number) => number): WriteBank =>
  (gic, vcpu, bank, _part, value) => {
    const { words } = gic;
    const self = 1 << words.get32(vcpu + VCPU_ID);
    for (let sgis = value & sgisOf(bank); sgis !== 0; sgis &= sgis - 1) {
      const source = vcpu + SGI_SOURCES + (31 - Math.clz32(sgis & -sgis));
      words.u8[source] = change(0, 1) === 0 ? 0 : words.u8[source]! | self;
    }
    modify(PENDING, change)(gic, vcpu, bank, 0, value);
  };

/** The vCPUs that an SPI may go to, a byte each; it goes to the first. A private interrupt goes where it is. */
const readTargets: ReadBank = ({ words, vm }, vcpu, bank, part) => {
  if (bank === 0) return (1 << words.get32(vcpu + VCPU_ID)) * 0x0101_0101;
  const first = vm + ROUTE + 4 * (bank * 32 + part * 4);
  let value = 0;
  for (let n = 0; n < 4; n++) value |= words.get32(first + 4 * n) << (8 * n);
  return value;
};
const writeTargets: WriteBank = (gic, _vcpu, bank, part, value) => {
  if (bank === 0) return;
  for (let n = 0; n < 4; n++) targetSpi(gic, bank * 32 + part * 4 + n, (value >>> (8 * n)) & 0xff);
};

/** What a GICv2 has differently: SGIs are pending by their source, and SPIs have targets. */
const V2_CHANGES: Readonly<Record<string, Partial<InterruptRegister> | undefined>> = {
  IGROUPR: {
    userWrite(gic, vcpu, bank, part, value) {
      if (gic.words.get32(gic.vm + GROUPS_WRITABLE) !== 0)
        modify(GROUP, replace)(gic, vcpu, bank, part, value);
    },
  },
  ISPENDR: {
    write: (gic, vcpu, bank, part, value) =>
      modify(PENDING, set)(gic, vcpu, bank, part, value & ~sgisOf(bank)),
    userRead: readPending,
    userWrite: userModifyLatches(set),
  },
  ICPENDR: {
    write: (gic, vcpu, bank, part, value) =>
      modify(PENDING, clear)(gic, vcpu, bank, part, value & ~sgisOf(bank)),
    userRead: readPending,
    userWrite: userModifyLatches(clear),
  },
  ITARGETSR: { read: readTargets, write: writeTargets },
};

/** Rows of a GICv2's distributor: private interrupts are those of the vCPU that accesses it. */
export const distributorV2Rows: readonly RegisterRow[] = rowsFrom(
  REGISTERS.filter(({ name }) => name !== 'IGRPMODR').map((register) => ({
    ...register,
    ...V2_CHANGES[register.name],
  })),
  0,
);

/** Rows of a redistributor's second frame: bank 0 of its vCPU. @param frame - offset of that frame */
export const redistributorRows = (frame: number): readonly RegisterRow[] =>
  REGISTERS.filter(({ distributorOnly }) => distributorOnly !== true).map((register) => {
    const { name, offset, bits, read, write, userRead = read, userWrite = write } = register;
    const writer =
      (of: WriteBank) =>
      (gic: Gic, vcpu: number, word: number, value: number): number => {
        of(gic, vcpu, 0, word, value);
        return 0;
      };
    return {
      name: `GICR_${name}0`,
      offset: frame + offset,
      length: bits * 4,
      widths: widthsOf(register),
      read: (gic, vcpu, word) => read(gic, vcpu, 0, word),
      write: writer(write),
      userRead: (gic, vcpu, word) => userRead(gic, vcpu, 0, word),
      userWrite: writer(userWrite),
    };
  });
