/** Registers of a redistributor: its control frame, then at 64 KiB the frame of its private interrupts. Source: Arm IHI 0069, 12.11. */
import { affinityOf } from '../state/affinity.ts';
import { VCPU_ID, VCPU_INDEX } from '../state/control.ts';
import { holds, releases } from '../state/profile.ts';
import { IIDR_PRODUCT, REVISION_3, idRegisters } from './gicd.ts';
import { redistributorRows } from './interrupt-registers.ts';
import { isLast } from './redistributors.ts';
import { WIDTH_32, WIDTH_64, ignore, zero } from './regions.ts';
import type { ReadWord, RegisterRow, WriteWord } from './regions.ts';
import { PENDBASER, PROPBASER, REVISION } from './state.ts';

const SGI_FRAME = 0x1_0000;

/** GICR_CTLR: clearing EnableLPIs is supported, and so is invalidation by register. Since revision 3. */
const CTLR_CES = 1 << 1;
const CTLR_IR = 1 << 2;

/** GICR_TYPER: Last, and where the processor number starts; affinities are its upper word. */
const TYPER_LAST = 1 << 4;
const TYPER_PROCESSOR_SHIFT = 8;

const readTyper: ReadWord = ({ words, vm }, vcpu, word) => {
  if (word === 1) return affinityOf(words, vcpu);
  const last = isLast(words, vm, words.get32(vcpu + VCPU_INDEX)) ? TYPER_LAST : 0;
  return ((words.get32(vcpu + VCPU_ID) & 0xffff) << TYPER_PROCESSOR_SHIFT) | last;
};
/** User space sees Last, too. Before, it does not. */
const LAST_FOR_USER = releases({ since: '5.13' });
const userReadTyper: ReadWord = (gic, vcpu, word) =>
  readTyper(gic, vcpu, word) & (word === 0 && !holds(gic, LAST_FOR_USER) ? ~TYPER_LAST : -1);

/** Fields of GICR_PROPBASER and GICR_PENDBASER that hold a cacheability or shareability, and what KVM makes of them. */
const INNER_CACHE_SHIFT = 7; // bits 9:7 of the low word
const SHAREABILITY_SHIFT = 10; // bits 11:10 of the low word
const OUTER_CACHE_SHIFT = 24; // bits 58:56
const INNER_SHAREABLE = 1;
const OUTER_SHAREABLE = 2;
const NON_CACHEABLE = 1;
const READ_ALLOCATE_WRITE_BACK = 3;

/** Tables that are cached and inner shareable, whatever the guest asks. Source: arch/arm64/kvm/vgic/vgic-mmio-v3.c. */
function sanitiseLow(value: number): number {
  const inner = (value >>> INNER_CACHE_SHIFT) & 7;
  const shareability = (value >>> SHAREABILITY_SHIFT) & 3;
  const rest = value & ~((7 << INNER_CACHE_SHIFT) | (3 << SHAREABILITY_SHIFT));
  return (
    rest |
    ((inner <= NON_CACHEABLE ? READ_ALLOCATE_WRITE_BACK : inner) << INNER_CACHE_SHIFT) |
    ((shareability === OUTER_SHAREABLE ? INNER_SHAREABLE : shareability) << SHAREABILITY_SHIFT)
  );
}

function sanitiseHigh(value: number): number {
  const outer = (value >>> OUTER_CACHE_SHIFT) & 7;
  return (value & ~(7 << OUTER_CACHE_SHIFT)) | ((outer === NON_CACHEABLE ? outer : 0) << OUTER_CACHE_SHIFT);
}

/** A table address: kept without its reserved bits. */
function tableAddress(name: string, offset: number, state: number, low: number, high: number): RegisterRow {
  const write: WriteWord = ({ words }, vcpu, word, value) => {
    const kept = word === 0 ? sanitiseLow(value) & low : sanitiseHigh(value) & high;
    words.set32(vcpu + state + 4 * word, kept);
    return 0;
  };
  return {
    name,
    offset,
    length: 8,
    widths: WIDTH_32 | WIDTH_64,
    read: ({ words }, vcpu, word) => words.get32(vcpu + state + 4 * word),
    write,
  };
}

/** A register of LPIs: zero, and a write has nothing to act on. */
const withoutLpis = (name: string, offset: number, length: number): RegisterRow => ({
  name,
  offset,
  length,
  widths: length === 8 ? WIDTH_32 | WIDTH_64 : WIDTH_32,
  read: zero,
  write: ignore,
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
  constant('GICR_CTLR', 0x00, ({ words, vm }) =>
    words.get32(vm + REVISION) >= REVISION_3 ? CTLR_CES | CTLR_IR : 0,
  ),
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
  tableAddress('GICR_PROPBASER', 0x70, PROPBASER, 0xffff_ff9f, 0x070f_ffff),
  tableAddress('GICR_PENDBASER', 0x78, PENDBASER, 0xffff_0f80, 0x070f_ffff),
  withoutLpis('GICR_INVLPIR', 0xa0, 8),
  withoutLpis('GICR_INVALLR', 0xb0, 8),
  withoutLpis('GICR_SYNCR', 0xc0, 4),
  idRegisters('GICR_PIDR4 to CIDR3'),
  ...redistributorRows(SGI_FRAME),
  constant('GICR_NSACR', SGI_FRAME + 0xe00, zero),
];
