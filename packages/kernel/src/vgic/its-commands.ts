/**
 * Commands of an ITS: 32 bytes each, in a ring in guest memory. Source: Arm IHI 0069, 5.3; what a command that cannot be
 * does is as in KVM: nothing.
 *
 * The vGIC lock is held, and memslots do not change: guest-memory.ts.
 */
import { Block } from '../state/block.ts';
import { hasMemory } from '../state/guest-memory.ts';
import { userAddressOf } from '../state/memslots.ts';
import { holds, releases } from '../state/profile.ts';
import { allChanged, vcpuById } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import {
  CBASER,
  COLLECTION_BASER,
  CREADR,
  CWRITER,
  DEVICE_BASER,
  FIRST_TARGET,
  ID_BITS,
  ITS_ENABLED,
  ITS_NEXT,
  NO_COLLECTION,
  UNMAPPED,
  addDevice,
  allTranslations,
  deviceOf,
  dropDevice,
  hasCollection,
  isMappedCollection,
  setCollection,
  setTranslation,
  translate,
  translationsOf,
} from './its-state.ts';
import type { Its, Translation } from './its-state.ts';
import {
  ENTRY_SIZE,
  clearEntry,
  entryAddress,
  mapEvent,
  targetOfCollection,
  unmapEvent,
} from './its-tables.ts';
import { FIRST_LPI, setPending, setTarget, targetOf } from './lpi-state.ts';
import type { Lpis } from './lpi-state.ts';
import { delivers, invalidateAll, lpiEnd, lpisOf, moveAll, readConfiguration } from './lpis.ts';
import { ITS_BEHIND, ITS_FIRST } from './state.ts';

const COMMAND_SIZE = 32;

/** Commands that one step does, and what a command counts for: more if it looks through a whole table. */
const STEP = 256;
const LIGHT = 1;
const HEAVY = 16;

/** A command, copied from guest memory once. Fields that it does not have are whatever stands in their place. */
interface Command {
  readonly operation: number;
  readonly device: number;
  readonly event: number;
  /** Bits of an event: MAPD. */
  readonly eventBits: number;
  readonly intid: number;
  readonly collection: number;
  readonly itt: number;
  /** Number of a redistributor; and of the second one that MOVALL has. */
  readonly target: number;
  readonly target2: number;
  readonly valid: boolean;
}

type CommandWords = readonly [number, number, number, number, number, number, number, number];

/** @param address - in the process memory, a multiple of 32 */
function decode({ u32 }: Its['words'], address: number): Command {
  const [w0, w1, w2, w3, w4, w5, w6, w7] = u32.slice(
    address >>> 2,
    (address + COMMAND_SIZE) >>> 2,
  ) as unknown as CommandWords;
  return {
    operation: w0 & 0xff,
    device: w1,
    event: w2,
    eventBits: (w2 & 0x1f) + 1,
    intid: w3,
    collection: w4 & 0xffff,
    itt: (w5 & 0xf_ffff) * 0x1_0000_0000 + ((w4 & ~0xff) >>> 0),
    target: (((w5 & 0xffff) << 16) | (w4 >>> 16)) >>> 0,
    target2: (((w7 & 0xffff) << 16) | (w6 >>> 16)) >>> 0,
    valid: w5 >>> 31 !== 0,
  };
}

/** What a command works on. */
interface Context {
  readonly gic: Gic;
  readonly its: Its;
  readonly lpis: Lpis;
}

/** @returns {@link LIGHT} or {@link HEAVY} */
type Handler = (context: Context, command: Command) => number;

/** A command that unmaps clears the entry in guest memory, too, so that a later restore does not find it. */
const CLEARS_ENTRIES = releases({ since: '6.1' });

const translationOf = ({ its }: Context, { device, event }: Command): Translation | undefined =>
  translate(its, device, event);

/** MAPD: drops what a device had, and gives it a translation table. */
function mapDevice({ gic, its, lpis }: Context, { device, eventBits, itt, valid }: Command): number {
  const entry = entryAddress(gic, its, DEVICE_BASER, device);
  if (entry < 0 || (valid && eventBits > ID_BITS)) return LIGHT;
  const isHeavy = translationsOf(its, device) !== 0;
  if (isHeavy) {
    for (const event of allTranslations(its)) if (event.device === device) unmapEvent(its, lpis, event);
  }
  dropDevice(its, device);
  if (valid) addDevice(its, device, { itt, eventBits });
  else if (holds(gic, CLEARS_ENTRIES)) clearEntry(gic, entry);
  return isHeavy ? HEAVY : LIGHT;
}

/** MAPC: where a collection leads to. Its LPIs follow. */
function mapCollection({ gic, its, lpis }: Context, { collection, target, valid }: Command): number {
  if (!valid) {
    setCollection(its, collection, NO_COLLECTION);
    return LIGHT;
  }
  const vcpu = vcpuById(gic, target);
  if (vcpu === 0) return LIGHT;
  if (!hasCollection(its, collection) && entryAddress(gic, its, COLLECTION_BASER, collection) < 0)
    return LIGHT;
  setCollection(its, collection, FIRST_TARGET + target);
  for (const event of allTranslations(its)) {
    if (event.collection === collection) setTarget(lpis, event.intid, vcpu);
  }
  return HEAVY;
}

/** MAPTI: an event raises an LPI in a collection. @param intid - for MAPI the event is the LPI */
function mapInterrupt({ gic, its, lpis }: Context, command: Command, intid: number): number {
  const { device: id, event, collection } = command;
  const device = deviceOf(its, id);
  if (!device || event >= 2 ** device.eventBits) return LIGHT;
  if (!hasMemory(new Block(gic.words, gic.vm), device.itt + event * ENTRY_SIZE)) return LIGHT;
  if (intid < FIRST_LPI || intid >= lpiEnd(gic) || translate(its, id, event)) return LIGHT;
  const isNew = !hasCollection(its, collection);
  if (isNew) {
    if (entryAddress(gic, its, COLLECTION_BASER, collection) < 0) return LIGHT;
    setCollection(its, collection, UNMAPPED);
  }
  const error = mapEvent(gic, its, lpis, { device: id, event, intid, collection });
  if (error !== 0 && isNew) setCollection(its, collection, NO_COLLECTION);
  return LIGHT;
}

const move: Handler = (context, command) => {
  const { gic, its, lpis } = context;
  const { device, event, collection } = command;
  const found = translationOf(context, command);
  if (!found || !isMappedCollection(its, found.collection) || !isMappedCollection(its, collection))
    return LIGHT;
  setTranslation(its, device, event, { ...found, collection });
  setTarget(lpis, found.intid, targetOfCollection(gic, its, collection));
  return LIGHT;
};

const discard: Handler = (context, command) => {
  const { gic, its, lpis } = context;
  const { device, event } = command;
  const found = translationOf(context, command);
  if (!found || !isMappedCollection(its, found.collection)) return LIGHT;
  unmapEvent(its, lpis, { ...found, device, event });
  const { itt } = deviceOf(its, device)!;
  if (holds(gic, CLEARS_ENTRIES)) clearEntry(gic, itt + event * ENTRY_SIZE);
  return LIGHT;
};

/** By operation: Arm IHI 0069, table 5-3. What is not here is ignored, as SYNC is: everything is done in order. */
const HANDLERS: Readonly<Record<number, Handler>> = {
  [0x01]: move,
  [0x03]: (context, { device, event }) => {
    raise(context.gic, context.its, context.lpis, device, event);
    return LIGHT;
  },
  // CLEAR
  [0x04]: (context, command) => {
    const found = translationOf(context, command);
    if (found) setPending(context.lpis, found.intid, false);
    return LIGHT;
  },
  [0x08]: mapDevice,
  [0x09]: mapCollection,
  // MAPTI, MAPI
  [0x0a]: (context, command) => mapInterrupt(context, command, command.intid),
  [0x0b]: (context, command) => mapInterrupt(context, command, command.event),
  // INV
  [0x0c]: (context, command) => {
    const found = translationOf(context, command);
    if (found) readConfiguration(context.gic, context.lpis, found.intid);
    return LIGHT;
  },
  // INVALL
  [0x0d]: ({ gic, its, lpis }, { collection }) => {
    const vcpu = targetOfCollection(gic, its, collection);
    if (vcpu !== 0) invalidateAll(gic, lpis, vcpu);
    return HEAVY;
  },
  // MOVALL
  [0x0e]: ({ gic, lpis }, { target, target2 }) => {
    const [from, to] = [vcpuById(gic, target), vcpuById(gic, target2)];
    if (from === 0 || to === 0 || from === to) return LIGHT;
    moveAll(lpis, from, to);
    return HEAVY;
  },
  [0x0f]: discard,
};

/** What {@link raise} answers besides a vCPU: the event leads nowhere; the ITS is off, or the LPIs of the vCPU are. */
export const RAISED_NOTHING = 0;
export const RAISE_DISABLED = -1;

/**
 * An event arrives, as a message or by INT. The caller has the vCPU look at its interrupts.
 * @returns address of the vCPU's block, or {@link RAISED_NOTHING} or {@link RAISE_DISABLED}
 */
export function raise(gic: Gic, its: Its, lpis: Lpis, device: number, event: number): number {
  if (its.words.get32(its.base + ITS_ENABLED) === 0) return RAISE_DISABLED;
  const found = translate(its, device, event);
  const vcpu = found ? targetOfCollection(gic, its, found.collection) : 0;
  if (!found || vcpu === 0) return RAISED_NOTHING;
  if (!delivers(gic, vcpu)) return RAISE_DISABLED;
  setPending(lpis, found.intid, true);
  // MOVALL may have sent it elsewhere.
  return targetOf(lpis, found.intid);
}

/** Bytes of the ring: GITS_CBASER.Size, in pages of 4 KiB. */
export const queueSize = ({ words, base }: Its): number => ((words.get32(base + CBASER) & 0xff) + 1) << 12;

const isBehind = ({ words, base }: Its): boolean =>
  words.get32(base + ITS_ENABLED) !== 0 && words.get32(base + CREADR) !== words.get32(base + CWRITER);

/** Does some of the commands that an ITS has before it, if any. */
export function advance(gic: Gic, its: Its): void {
  const { words, base } = its;
  if (isBehind(its)) {
    const vm = new Block(gic.words, gic.vm);
    const lpis = lpisOf(gic);
    // GITS_CBASER: bits 51 to 12 are the address.
    const queue =
      (words.get32(base + CBASER + 4) & 0xf_ffff) * 0x1_0000_0000 +
      ((words.get32(base + CBASER) & ~0xfff) >>> 0);
    for (let left = STEP; left > 0 && isBehind(its);) {
      const at = words.get32(base + CREADR);
      const address = userAddressOf(vm, queue + at);
      // A command that is not in memory is as good as done.
      if (lpis && address >= 0) {
        const command = decode(words, address);
        left -= HANDLERS[command.operation]?.({ gic, its, lpis }, command) ?? LIGHT;
      } else {
        left -= LIGHT;
      }
      words.set32(base + CREADR, (at + COMMAND_SIZE) % queueSize(its));
    }
    allChanged(gic);
  }
  words.set32(gic.vm + ITS_BEHIND, anyBehind(gic) ? 1 : 0);
}

/** The ITSes of a VM. */
export function* itsesOf({ words, vm }: Pick<Gic, 'words' | 'vm'>): Generator<Its> {
  for (let base = words.get32(vm + ITS_FIRST); base !== 0; base = words.get32(base + ITS_NEXT)) {
    yield { words, base };
  }
}

function anyBehind(gic: Gic): boolean {
  for (const its of itsesOf(gic)) if (isBehind(its)) return true;
  return false;
}

/** Goes on with the commands of all ITSes. */
export function advanceAll(gic: Gic): void {
  for (const its of itsesOf(gic)) advance(gic, its);
}
