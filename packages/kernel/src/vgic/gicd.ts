/** Registers of the distributor. Source: Arm IHI 0069, 12.9. */
import { EINVAL } from '@vkvm/uapi';

import { holds, releases } from '../state/profile.ts';
import type { Words } from '../state/words.ts';
import { distributorRows } from './interrupt-registers.ts';
import { allChanged, interruptCount, route } from './interrupts.ts';
import { lpisOf } from './lpis.ts';
import { WIDTH_32, WIDTH_64, ignore } from './regions.ts';
import type { ReadWord, RegisterRow, WriteWord } from './regions.ts';
import { DISTRIBUTOR_ENABLED, REVISION, ROUTE } from './state.ts';

/** Words of the first row. */
const CTLR = 0;
const TYPER = 1;
const IIDR = 2;
/** Offsets that user space may reach before the GIC is initialised. */
export const GICD_IIDR = 0x08;
export const GICD_TYPER2 = 0x0c;

/** GICD_CTLR: EnableGrp1, which enables both groups here; affinity routing and one security state are fixed. */
const CTLR_ENABLE_GROUP_1 = 1 << 1;
const CTLR_ARE = 1 << 4;
const CTLR_DS = 1 << 6;

/** GICD_TYPER.IDbits: INTIDs of 10 bits; with LPIs of 16. */
const TYPER_ID_BITS = 9 << 19;
const TYPER_LPIS = (1 << 17) | (15 << 19);

/** GICD_IIDR and GICR_IIDR: product "K", implementer Arm; the distributor adds a revision that user space chooses. */
export const IIDR_PRODUCT = ((0x4b << 24) | 0x43b) >>> 0;
const IIDR_REVISION_SHIFT = 12;
const IIDR_REVISION_MASK = 0xf << IIDR_REVISION_SHIFT;
const FIRST_REVISION = 2;
/** LPIs can be switched off: GICR_CTLR says so. */
export const REVISION_3 = 3;
const HAS_REVISION_3 = releases({ since: '5.19' });

/** The newest revision of the distributor that the profile has: what a GIC has at first. */
export const lastRevision = (words: Words): number =>
  holds({ words }, HAS_REVISION_3) ? REVISION_3 : FIRST_REVISION;

/** Identification registers: PIDR2 says GICv3 by Arm, the others are zero. */
const ID_REGISTERS = 0xffd0;
const PIDR2_WORD = (0xffe8 - ID_REGISTERS) / 4;
const PIDR2 = 0x3b;

export const idRegisters = (name: string): RegisterRow => ({
  name,
  offset: ID_REGISTERS,
  length: 48,
  widths: WIDTH_32,
  read: (_gic, _vcpu, word) => (word === PIDR2_WORD ? PIDR2 : 0),
  write: ignore,
});

const readControl: ReadWord = (gic, _vcpu, word) => {
  const { words, vm } = gic;
  switch (word) {
    case CTLR:
      return (words.get32(vm + DISTRIBUTOR_ENABLED) === 0 ? 0 : CTLR_ENABLE_GROUP_1) | CTLR_ARE | CTLR_DS;
    case TYPER:
      return (interruptCount(gic) / 32 - 1) | (lpisOf(gic) ? TYPER_LPIS : TYPER_ID_BITS);
    case IIDR:
      return IIDR_PRODUCT | (words.get32(vm + REVISION) << IIDR_REVISION_SHIFT);
    default:
      return 0; // TYPER2
  }
};

const writeControl: WriteWord = (gic, _vcpu, word, value) => {
  if (word !== CTLR) return 0;
  gic.words.set32(gic.vm + DISTRIBUTOR_ENABLED, (value & CTLR_ENABLE_GROUP_1) === 0 ? 0 : 1);
  allChanged(gic);
  return 0;
};

/** Chooses the revision; the other identification registers take only what they are. */
const userWriteControl: WriteWord = (gic, vcpu, word, value) => {
  const before = readControl(gic, vcpu, word) >>> 0;
  switch (word) {
    case CTLR:
      return writeControl(gic, vcpu, word, value);
    case IIDR: {
      if (((before ^ value) & ~IIDR_REVISION_MASK) !== 0) return -EINVAL;
      const revision = (value & IIDR_REVISION_MASK) >>> IIDR_REVISION_SHIFT;
      if (revision < FIRST_REVISION || revision > lastRevision(gic.words)) return -EINVAL;
      gic.words.set32(gic.vm + REVISION, revision);
      return 0;
    }
    case TYPER:
      return 0;
    default:
      return value === before ? 0 : -EINVAL;
  }
};

/** IROUTER has two words an SPI; affinity 3 and routing to any vCPU are not kept. */
const AFFINITY_MASK = 0xff_ffff;
const readRoute: ReadWord = ({ words, vm }, _vcpu, word) =>
  word < 64 || (word & 1) !== 0 ? 0 : words.get32(vm + ROUTE + 2 * word);
const writeRoute: WriteWord = (gic, _vcpu, word, value) => {
  if (word >= 64 && (word & 1) === 0) route(gic, word >>> 1, value & AFFINITY_MASK);
  return 0;
};

export const gicdRows: readonly RegisterRow[] = [
  {
    name: 'GICD_CTLR, TYPER, IIDR, TYPER2',
    offset: 0,
    length: 16,
    widths: WIDTH_32,
    read: readControl,
    write: writeControl,
    userWrite: userWriteControl,
  },
  { name: 'GICD_STATUSR', offset: 0x10, length: 4, widths: WIDTH_32, read: () => 0xffff_ffff, write: ignore },
  ...distributorRows,
  {
    name: 'GICD_IROUTER',
    offset: 0x6000,
    bits: 64,
    widths: WIDTH_32 | WIDTH_64,
    read: readRoute,
    write: writeRoute,
  },
  idRegisters('GICD_PIDR4 to CIDR3'),
];
