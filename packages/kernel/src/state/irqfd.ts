/**
 * Irqfds: what an eventfd is bound to stands in the eventfd itself, which can be bound once. The process lock is held
 * by who binds; readers take what they find.
 */
import { EVENTFDS, EVENTFD_SIZE, MAX_DESCRIPTORS } from './arena.ts';
import { holdEventfd, releaseEventfd } from './eventfd.ts';
import { RESAMPLERS } from './vm-state.ts';
import type { Words } from './words.ts';

/** Fields of an eventfd, after its own. */
const VM = 16; // u32: address of the VM's block; 0 = not bound
const GSI = 20; // u32
const RESAMPLE = 24; // u32: address of the eventfd to signal at the end of interrupt; 0 = none

/** What an eventfd is bound to. */
export interface Irqfd {
  /** Address of the VM's block. */
  readonly vm: number;
  readonly gsi: number;
  /** Address of an eventfd, or 0. */
  readonly resample: number;
}

/** @param eventfd - its address @returns undefined if it is not bound */
export function irqfdOf(words: Words, eventfd: number): Irqfd | undefined {
  const vm = words.get32(eventfd + VM);
  if (vm === 0) return undefined;
  return { vm, gsi: words.get32(eventfd + GSI), resample: words.get32(eventfd + RESAMPLE) };
}

/** Binds an eventfd that is not bound. The process lock is held. */
export function bindIrqfd(words: Words, eventfd: number, { vm, gsi, resample }: Irqfd): void {
  words.set32(eventfd + GSI, gsi);
  words.set32(eventfd + RESAMPLE, resample);
  words.set32(eventfd + VM, vm);
  if (resample === 0) return;
  holdEventfd(words, resample);
  words.set32(vm + RESAMPLERS, words.get32(vm + RESAMPLERS) + 1);
}

/** Takes a binding back, if there is one. The process lock is held. */
export function unbindIrqfd(words: Words, eventfd: number): void {
  const irqfd = irqfdOf(words, eventfd);
  if (!irqfd) return;
  words.set32(eventfd + VM, 0);
  if (irqfd.resample === 0) return;
  words.set32(irqfd.vm + RESAMPLERS, words.get32(irqfd.vm + RESAMPLERS) - 1);
  releaseEventfd(words, irqfd.resample);
}

/** Addresses of the eventfds that are bound to a VM. */
export function irqfdsOf(words: Words, vm: number): number[] {
  const table = words.get32(EVENTFDS);
  return Array.from({ length: MAX_DESCRIPTORS }, (_, n) => table + n * EVENTFD_SIZE).filter(
    (eventfd) => words.get32(eventfd + VM) === vm,
  );
}
