/**
 * SGIs of a GICv2: pending once for each vCPU that sent them. Source: Arm IHI 0048, 4.3.15 to 4.3.17.
 *
 * The vGIC lock is held by the caller of everything here.
 */
import { VCPU_ID } from '../state/control.ts';
import { bankChanged, vcpusOf } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { PENDING, SGI_ACTIVE_SOURCE, SGI_SOURCES, bankIndex } from './state.ts';

/** GICD_SGIR: the SGI's number, the vCPUs of the list, and what the list is. */
const SGIR_INTID = 15;
const SGIR_LIST_SHIFT = 16;
const SGIR_FILTER_SHIFT = 24;
const FILTER_ALL_OTHERS = 1;
const FILTER_SELF = 2;

/** Says who has an SGI pending on a vCPU. @param sources - a bit for each vCPU id */
export function setSources(gic: Gic, vcpu: number, intid: number, sources: number): void {
  const { u8, u32 } = gic.words;
  u8[vcpu + SGI_SOURCES + intid] = sources;
  const word = bankIndex(gic.vm, vcpu, 0) + (PENDING >>> 2);
  u32[word] = sources === 0 ? u32[word]! & ~(1 << intid) : u32[word]! | (1 << intid);
  bankChanged(gic, vcpu, 0);
}

export const sourcesOf = ({ words: { u8 } }: Gic, vcpu: number, intid: number): number =>
  u8[vcpu + SGI_SOURCES + intid]!;

/** A guest's write to GICD_SGIR. */
export function sendSgiV2(gic: Gic, sender: number, value: number): void {
  const { words } = gic;
  const intid = value & SGIR_INTID;
  const list = (value >>> SGIR_LIST_SHIFT) & 0xff;
  const filter = (value >>> SGIR_FILTER_SHIFT) & 3;
  const source = 1 << words.get32(sender + VCPU_ID);
  for (const vcpu of vcpusOf(gic)) {
    const isTarget =
      filter === FILTER_ALL_OTHERS
        ? vcpu !== sender
        : filter === FILTER_SELF
          ? vcpu === sender
          : ((list >>> words.get32(vcpu + VCPU_ID)) & 1) === 1;
    if (isTarget) setSources(gic, vcpu, intid, sourcesOf(gic, vcpu, intid) | source);
  }
}

/** An SGI was taken: it is active from one of its sources, and stays pending for the others. @returns that source's id */
export function takeSource(gic: Gic, vcpu: number, intid: number): number {
  const sources = sourcesOf(gic, vcpu, intid);
  const source = sources === 0 ? 0 : 31 - Math.clz32(sources & -sources);
  gic.words.u8[vcpu + SGI_ACTIVE_SOURCE + intid] = source;
  setSources(gic, vcpu, intid, sources & ~(1 << source));
  return source;
}

/** The source that an SGI would be taken from next. */
export function nextSource(gic: Gic, vcpu: number, intid: number): number {
  const sources = sourcesOf(gic, vcpu, intid);
  return sources === 0 ? 0 : 31 - Math.clz32(sources & -sources);
}
