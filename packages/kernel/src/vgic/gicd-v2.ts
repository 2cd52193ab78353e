/** Registers of a GICv2's distributor. Source: Arm IHI 0048, 4.3; Documentation/virt/kvm/devices/arm-vgic.rst. */
import { EINVAL, releaseNumber } from '@vkvm/uapi';

import { since } from '../state/profile.ts';
import { VCPU_COUNT } from '../state/vm-state.ts';
import { IIDR_PRODUCT, lastRevision } from './gicd.ts';
import { distributorV2Rows } from './interrupt-registers.ts';
import { allChanged, interruptCount } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { WIDTH_32, WIDTH_8, zero } from './regions.ts';
import type { ReadWord, RegisterRow, WriteWord } from './regions.ts';
import { sendSgiV2, setSources, sourcesOf } from './sgi-v2.ts';
import { DISTRIBUTOR_ENABLED, GROUPS_WRITABLE, REVISION } from './state.ts';

/** Words of the first row. */
const CTLR = 0;
const TYPER = 1;
const IIDR = 2;

const CTLR_ENABLE = 1;
const TYPER_CPUS_SHIFT = 5;
const IIDR_REVISION_SHIFT = 12;
const IIDR_REVISION_MASK = 0xf << IIDR_REVISION_SHIFT;
const FIRST_REVISION = 2;
/** From here on user space chooses a revision; before, it must give the one there is. */
const REVISIONS = releaseNumber('6.1');

const readControl: ReadWord = (gic, _vcpu, word) => {
  const { words, vm } = gic;
  switch (word) {
    case CTLR:
      return words.get32(vm + DISTRIBUTOR_ENABLED) === 0 ? 0 : CTLR_ENABLE;
    case TYPER:
      return (interruptCount(gic) / 32 - 1) | ((words.get32(vm + VCPU_COUNT) - 1) << TYPER_CPUS_SHIFT);
    default:
      return IIDR_PRODUCT | (words.get32(vm + REVISION) << IIDR_REVISION_SHIFT);
  }
};

const writeControl: WriteWord = (gic, _vcpu, word, value) => {
  if (word !== CTLR) return 0;
  gic.words.set32(gic.vm + DISTRIBUTOR_ENABLED, value & CTLR_ENABLE);
  allChanged(gic);
  return 0;
};

/** Whoever writes GICD_IIDR knows of groups, and may set them from then on. */
const userWriteControl: WriteWord = (gic, vcpu, word, value) => {
  if (word !== IIDR) return writeControl(gic, vcpu, word, value);
  const { words, vm } = gic;
  const difference = (readControl(gic, vcpu, word) ^ value) >>> 0;
  const revision = (value & IIDR_REVISION_MASK) >>> IIDR_REVISION_SHIFT;
  if (since(gic, REVISIONS)) {
    if ((difference & ~IIDR_REVISION_MASK) !== 0) return -EINVAL;
    if (revision < FIRST_REVISION || revision > lastRevision(gic.words)) return -EINVAL;
    words.set32(vm + REVISION, revision);
  } else if (difference !== 0) return -EINVAL;
  words.set32(vm + GROUPS_WRITABLE, 1);
  return 0;
};

/** Sources of four SGIs, a byte each. */
const readSources: ReadWord = (gic, vcpu, word) => {
  let value = 0;
  for (let n = 0; n < 4; n++) value |= sourcesOf(gic, vcpu, 4 * word + n) << (8 * n);
  return value;
};
const changeSources =
  (change: (before: number, bits: number) => number): WriteWord =>
  (gic: Gic, vcpu, word, value) => {
    for (let n = 0; n < 4; n++) {
      const intid = 4 * word + n;
      const before = sourcesOf(gic, vcpu, intid);
      const after = change(before, (value >>> (8 * n)) & 0xff);
      if (after !== before) setSources(gic, vcpu, intid, after);
    }
    return 0;
  };

const sgiPending = { length: 16, widths: WIDTH_8 | WIDTH_32, onesOnly: true, read: readSources } as const;

export const gicdV2Rows: readonly RegisterRow[] = [
  {
    name: 'GICD_CTLR, TYPER, IIDR',
    offset: 0,
    length: 12,
    widths: WIDTH_32,
    read: readControl,
    write: writeControl,
    userWrite: userWriteControl,
  },
  ...distributorV2Rows,
  {
    name: 'GICD_SGIR',
    offset: 0xf00,
    length: 4,
    widths: WIDTH_32,
    read: zero,
    write(gic, vcpu, _word, value) {
      sendSgiV2(gic, vcpu, value);
      return 0;
    },
  },
  {
    ...sgiPending,
    name: 'GICD_CPENDSGIR',
    offset: 0xf10,
    write: changeSources((before, bits) => before & ~bits),
  },
  {
    ...sgiPending,
    name: 'GICD_SPENDSGIR',
    offset: 0xf20,
    write: changeSources((before, bits) => before | bits),
  },
];
