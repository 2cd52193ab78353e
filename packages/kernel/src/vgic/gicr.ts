/** Registers of a redistributor: its control frame, then at 64 KiB the frame of its private interrupts. Source: Arm IHI 0069, 12.11. */
import { affinityOf } from '../state/affinity.ts';
import { VCPU_ID, VCPU_INDEX } from '../state/control.ts';
import { holds, releases } from '../state/profile.ts';
import { IIDR_PRODUCT, REVISION_3, idRegisters } from './gicd.ts';
import { redistributorRows } from './interrupt-registers.ts';
import { allChanged, signalAndRequest } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import type { Lpis } from './lpi-state.ts';
import { PENDBASER_PTZ, delivers, enableLpis, invalidateAll, invalidateOne, lpisOf } from './lpis.ts';
import { isLast } from './redistributors.ts';
import { WIDTH_32, WIDTH_64, ignore, zero } from './regions.ts';
import type { ReadWord, RegisterRow, WriteWord } from './regions.ts';
import { PENDBASER, PROPBASER, REVISION } from './state.ts';
import { REDISTRIBUTOR_FIELDS, sanitiseHigh, sanitiseLow } from './table-attributes.ts';

const SGI_FRAME = 0x1_0000;

/** GICR_CTLR: clearing EnableLPIs is supported, and so is invalidation by register. Since revision 3. */
const CTLR_CES = 1 << 1;
const CTLR_IR = 1 << 2;

/** GICR_TYPER: LPIs, Last, and where the processor number starts; affinities are its upper word. */
const TYPER_PLPIS = 1 << 0;
const TYPER_LAST = 1 << 4;
const TYPER_PROCESSOR_SHIFT = 8;

const readTyper: ReadWord = (gic, vcpu, word) => {
  const { words, vm } = gic;
  if (word === 1) return affinityOf(words, vcpu);
  const number = words.get32(vcpu + VCPU_ID) & 0xffff;
  const last = isLast(words, vm, words.get32(vcpu + VCPU_INDEX)) ? TYPER_LAST : 0;
  return (number << TYPER_PROCESSOR_SHIFT) | last | (lpisOf(gic) ? TYPER_PLPIS : 0);
};
/** User space sees Last, too. Before, it does not. */
const LAST_FOR_USER = releases({ since: '5.13' });
const userReadTyper: ReadWord = (gic, vcpu, word) =>
  readTyper(gic, vcpu, word) & (word === 0 && !holds(gic, LAST_FOR_USER) ? ~TYPER_LAST : -1);

const PROPBASER_MASKS = { low: 0xffff_ff9f, high: 0x070f_ffff };
const PENDBASER_MASKS = { low: 0xffff_0f80, high: 0x470f_ffff };

/**
 * A table address: kept without its reserved bits, and as it is while LPIs are enabled.
 * @param at - where it is kept
 * @param unread - bits of the upper word that read as zero
 */
function tableAddress(
  name: string,
  offset: number,
  at: (gic: Gic, vcpu: number) => number,
  masks: { readonly low: number; readonly high: number },
  unread = 0,
): RegisterRow {
  const write: WriteWord = (gic, vcpu, word, value) => {
    if (delivers(gic, vcpu)) return 0;
    const address = at(gic, vcpu);
    const { words } = gic;
    const [low, high] = [0, 1].map((each) => (each === word ? value : words.get32(address + 4 * each)));
    words.set32(address, sanitiseLow(low!, REDISTRIBUTOR_FIELDS) & masks.low);
    words.set32(address + 4, sanitiseHigh(high!, REDISTRIBUTOR_FIELDS) & masks.high);
    return 0;
  };
  return {
    name,
    offset,
    length: 8,
    widths: WIDTH_32 | WIDTH_64,
    read: (gic, vcpu, word) => gic.words.get32(at(gic, vcpu) + 4 * word) & (word === 0 ? -1 : ~unread),
    write,
  };
}

const CTLR_ENABLE_LPIS = 1 << 0;

const readControl: ReadWord = (gic, vcpu) =>
  (delivers(gic, vcpu) ? CTLR_ENABLE_LPIS : 0) |
  (gic.words.get32(gic.vm + REVISION) >= REVISION_3 ? CTLR_CES | CTLR_IR : 0);

const writeControl: WriteWord = (gic, vcpu, _word, value) => {
  const lpis = lpisOf(gic);
  if (!lpis) return 0;
  enableLpis(gic, lpis, vcpu, (value & CTLR_ENABLE_LPIS) !== 0);
  signalAndRequest(gic, vcpu);
  return 0;
};

/** The registers that stand for INV and INVALL. Their upper words are for virtual LPIs. */
const INVALIDATION = releases({ since: '5.19' });

const invalidation = (
  name: string,
  offset: number,
  invalidate: (gic: Gic, lpis: Lpis, vcpu: number, value: number) => void,
): RegisterRow => ({
  name,
  offset,
  length: 8,
  widths: WIDTH_32 | WIDTH_64,
  releases: INVALIDATION,
  read: zero,
  write(gic, vcpu, word, value) {
    const lpis = lpisOf(gic);
    if (!lpis || word !== 0 || !delivers(gic, vcpu)) return 0;
    invalidate(gic, lpis, vcpu, value);
    allChanged(gic);
    return 0;
  },
});

const constant = (name: string, offset: number, read: ReadWord): RegisterRow => ({
  name,
  offset,
  length: 4,
  widths: WIDTH_32,
  read,
  write: ignore,
});

export const gicrRows: readonly RegisterRow[] = [
  {
    name: 'GICR_CTLR',
    offset: 0x00,
    length: 4,
    widths: WIDTH_32,
    read: readControl,
    write: writeControl,
  },
  constant('GICR_IIDR', 0x04, () => IIDR_PRODUCT),
  {
    name: 'GICR_TYPER',
    offset: 0x08,
    length: 8,
    widths: WIDTH_32 | WIDTH_64,
    read: readTyper,
    userRead: userReadTyper,
    write: ignore,
  },
  constant('GICR_STATUSR', 0x10, zero),
  constant('GICR_WAKER', 0x14, zero), // never asleep
  tableAddress('GICR_PROPBASER', 0x70, ({ vm }) => vm + PROPBASER, PROPBASER_MASKS),
  tableAddress('GICR_PENDBASER', 0x78, (_gic, vcpu) => vcpu + PENDBASER, PENDBASER_MASKS, PENDBASER_PTZ),
  invalidation('GICR_INVLPIR', 0xa0, (gic, lpis, _vcpu, intid) => invalidateOne(gic, lpis, intid)),
  invalidation('GICR_INVALLR', 0xb0, (gic, lpis, vcpu) => invalidateAll(gic, lpis, vcpu)),
  { ...constant('GICR_SYNCR', 0xc0, zero), releases: INVALIDATION }, // never busy
  idRegisters('GICR_PIDR4 to CIDR3'),
  ...redistributorRows(SGI_FRAME),
  constant('GICR_NSACR', SGI_FRAME + 0xe00, zero),
];
