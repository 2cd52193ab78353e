/** Registers of an ITS. Source: Arm IHI 0069, 12.19. Its block stands where the rows of other frames have a vCPU's. */
import { EBUSY, EINVAL } from '@vkvm/uapi';

import { IIDR_PRODUCT } from './gicd.ts';
import { allChanged } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { advance, queueSize } from './its-commands.ts';
import {
  CBASER,
  COLLECTION_BASER,
  CREADR,
  CWRITER,
  DEVICE_BASER,
  ID_BITS,
  ITS_ENABLED,
} from './its-state.ts';
import type { Its } from './its-state.ts';
import { ENTRY_SIZE, isValidBase, unmapAllCollections, unmapAllDevices } from './its-tables.ts';
import { WIDTH_32, WIDTH_64, ignore } from './regions.ts';
import type { ReadWord, RegisterRow, WriteWord } from './regions.ts';
import { ITS_FIELDS, sanitiseHigh, sanitiseLow } from './table-attributes.ts';

/** GITS_CTLR: Enabled; Quiescent, when there is no command left. */
const CTLR_ENABLED = 1;
const CTLR_QUIESCENT = 1 << 31;

/** GITS_IIDR.Revision is that of the tables as they are saved. There is one. */
const IIDR_REVISION_SHIFT = 12;
const IIDR_REVISION_MASK = 0xf;

/** GITS_TYPER: physical LPIs; bytes of a translation entry, bits of an event and of a device, each less one. */
const TYPER = 1 | ((ENTRY_SIZE - 1) << 4) | ((ID_BITS - 1) << 8) | ((ID_BITS - 1) << 13);

/** Offsets in the command queue are multiples of 32 below 1 MiB. */
const OFFSET_MASK = 0xf_ffe0;
/** GITS_CBASER: bits 15 to 12 of the address are not kept. */
const CBASER_LOW_MASK = ~0xf000;

/** GITS_BASERn, lower word: pages are of 64 KiB. */
const PAGE_SIZE_MASK = 3 << 8;
const PAGE_SIZE_64K = 2 << 8;
/** Upper word: bits 52 to 48 and 58 to 56 are ours, the entry's size less one and the type; bit 62 is Indirect. */
const BASER_FIXED_MASK = 0x071f_0000;
const BASER_INDIRECT = 1 << 30;
const BASER_ENTRY_SIZE = (ENTRY_SIZE - 1) << 16;
const TYPE_DEVICES = 1 << 24;
const TYPE_COLLECTIONS = 4 << 24;

/** The two tables that there are. */
const DEVICE_TABLE = { register: DEVICE_BASER, type: TYPE_DEVICES, fixed: BASER_FIXED_MASK };
const COLLECTION_TABLE = {
  register: COLLECTION_BASER,
  type: TYPE_COLLECTIONS,
  fixed: BASER_FIXED_MASK | BASER_INDIRECT,
};
const TABLES = [DEVICE_TABLE, COLLECTION_TABLE];

/** Identification: Arm IHI 0069, 12.19.9, part 0x492 of Arm, version 3 of the GIC, a frame of 64 KiB. By word from 0xffd0. */
const ID_REGISTERS: readonly number[] = [0x40, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1];

const itsOf = ({ words }: Gic, base: number): Its => ({ words, base });
const isEnabled = ({ words }: Gic, its: number): boolean => words.get32(its + ITS_ENABLED) !== 0;

/** What the registers of a new ITS hold: the tables' attributes. */
export function resetRegisters({ words, base }: Its): void {
  for (const { register, type } of TABLES) {
    words.set32(base + register, sanitiseLow(1 << 10, ITS_FIELDS) | PAGE_SIZE_64K);
    words.set32(base + register + 4, sanitiseHigh(0, ITS_FIELDS) | BASER_ENTRY_SIZE | type);
  }
}

const hasValidTables = ({ words }: Gic, its: number): boolean =>
  [CBASER, DEVICE_BASER, COLLECTION_BASER].every((register) => isValidBase(words.get64(its + register)));

const readControl: ReadWord = (gic, its) => {
  const { words } = gic;
  const isQuiescent = words.get32(its + CREADR) === words.get32(its + CWRITER);
  return (isEnabled(gic, its) ? CTLR_ENABLED : 0) | (isQuiescent ? CTLR_QUIESCENT : 0);
};

const writeControl: WriteWord = (gic, its, _word, value) => {
  const enable = (value & CTLR_ENABLED) !== 0;
  if (enable && !isEnabled(gic, its) && !hasValidTables(gic, its)) return 0;
  gic.words.set32(its + ITS_ENABLED, enable ? 1 : 0);
  advance(gic, itsOf(gic, its));
  return 0;
};

const chooseRevision: WriteWord = (_gic, _its, _word, value) =>
  ((value >>> IIDR_REVISION_SHIFT) & IIDR_REVISION_MASK) === 0 ? 0 : -EINVAL;

/** A new queue starts empty. */
const writeQueueBase: WriteWord = (gic, its, word, value) => {
  if (isEnabled(gic, its)) return 0;
  const { words } = gic;
  const kept =
    word === 0 ? sanitiseLow(value, ITS_FIELDS) & CBASER_LOW_MASK : sanitiseHigh(value, ITS_FIELDS);
  words.set32(its + CBASER + 4 * word, kept);
  // Linux looks at the whole register, whichever half is written.
  const high = sanitiseHigh(words.get32(its + CBASER + 4), ITS_FIELDS);
  words.set32(its + CBASER + 4, high);
  words.set32(its + CREADR, 0);
  words.set32(its + CWRITER, 0);
  return 0;
};

/** An offset in the queue; its upper word is zero. */
const readOffset =
  (register: number): ReadWord =>
  ({ words }, its, word) =>
    word === 0 ? words.get32(its + register) : 0;

const writeWriter: WriteWord = (gic, its, word, value) => {
  const offset = value & OFFSET_MASK;
  if (word !== 0 || offset >= queueSize(itsOf(gic, its))) return 0;
  gic.words.set32(its + CWRITER, offset);
  advance(gic, itsOf(gic, its));
  return 0;
};

const userWriteReader: WriteWord = (gic, its, word, value) => {
  if (word !== 0) return 0;
  if (isEnabled(gic, its)) return -EBUSY;
  const offset = value & OFFSET_MASK;
  if (offset >= queueSize(itsOf(gic, its))) return -EINVAL;
  gic.words.set32(its + CREADR, offset);
  return 0;
};

const readBase: ReadWord = ({ words }, its, word) =>
  word < 2 * TABLES.length ? words.get32(its + TABLES[word >>> 1]!.register + 4 * (word & 1)) : 0;

/** A table that is not valid any more is empty. */
const writeBase: WriteWord = (gic, its, word, value) => {
  const table = TABLES[word >>> 1];
  if (!table || isEnabled(gic, its)) return 0;
  const { words } = gic;
  const at = its + table.register;
  if ((word & 1) === 0) {
    words.set32(at, (sanitiseLow(value, ITS_FIELDS) & ~PAGE_SIZE_MASK) | PAGE_SIZE_64K);
  } else {
    const high = (value & ~table.fixed) | BASER_ENTRY_SIZE | table.type;
    words.set32(at + 4, sanitiseHigh(high, ITS_FIELDS));
  }
  if (isValidBase(words.get64(at))) return 0;
  if (table === DEVICE_TABLE) unmapAllDevices(gic, itsOf(gic, its));
  else unmapAllCollections(itsOf(gic, its));
  allChanged(gic);
  return 0;
};

/** KVM_DEV_ARM_ITS_CTRL_RESET: what the tables are like stays. */
export function resetIts(gic: Gic, its: Its): void {
  const { words, base } = its;
  for (const { register } of TABLES) {
    words.set32(base + register + 4, words.get32(base + register + 4) & 0x7fff_ffff);
  }
  words.set64(base + CBASER, 0n);
  words.set32(base + CREADR, 0);
  words.set32(base + CWRITER, 0);
  words.set32(base + ITS_ENABLED, 0);
  unmapAllDevices(gic, its);
  unmapAllCollections(its);
  allChanged(gic);
}

const WIDTHS = WIDTH_32 | WIDTH_64;

/** What none of them covers reads as zero: GITS_TRANSLATER too, because a vCPU's store has no device that it comes from. */
export const itsRows: readonly RegisterRow[] = [
  { name: 'GITS_CTLR', offset: 0x00, length: 4, widths: WIDTH_32, read: readControl, write: writeControl },
  {
    name: 'GITS_IIDR',
    offset: 0x04,
    length: 4,
    widths: WIDTH_32,
    read: () => IIDR_PRODUCT,
    write: ignore,
    userWrite: chooseRevision,
  },
  {
    name: 'GITS_TYPER',
    offset: 0x08,
    length: 8,
    widths: WIDTHS,
    read: (_gic, _its, word) => (word === 0 ? TYPER : 0),
    write: ignore,
  },
  {
    name: 'GITS_CBASER',
    offset: 0x80,
    length: 8,
    widths: WIDTHS,
    read: ({ words }, its, word) => words.get32(its + CBASER + 4 * word),
    write: writeQueueBase,
  },
  {
    name: 'GITS_CWRITER',
    offset: 0x88,
    length: 8,
    widths: WIDTHS,
    read: readOffset(CWRITER),
    write: writeWriter,
  },
  {
    name: 'GITS_CREADR',
    offset: 0x90,
    length: 8,
    widths: WIDTHS,
    read: readOffset(CREADR),
    write: ignore,
    userWrite: userWriteReader,
  },
  { name: 'GITS_BASER', offset: 0x100, length: 64, widths: WIDTHS, read: readBase, write: writeBase },
  {
    name: 'GITS_PIDR4 to CIDR3',
    offset: 0xffd0,
    length: 48,
    widths: WIDTH_32,
    read: (_gic, _its, word) => ID_REGISTERS[word]!,
    write: ignore,
  },
];
