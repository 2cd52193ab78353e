/** KVM_IRQFD and KVM_SET_GSI_ROUTING: eventfds as interrupt lines. Source: Linux virt/kvm/eventfd.c, irqchip.c. */
import {
  EAGAIN,
  EBADF,
  EBUSY,
  EINVAL,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
  KVM_MSI_VALID_DEVID,
  releaseNumber,
} from '@vkvm/uapi';

import { FILE_EVENTFD, FILE_NONE, fileKind, fileObject } from '../fd-table.ts';
import type { Host } from '../host.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import { Block } from '../state/block.ts';
import { countOf, readEventfd, writeEventfd } from '../state/eventfd.ts';
import { IRQCHIP_PINS, MAX_IRQ_ROUTES, pinOf, setRoutes } from '../state/irq-routing.ts';
import type { Message } from '../state/irq-routing.ts';
import { bindIrqfd, irqfdOf, irqfdsOf, unbindIrqfd } from '../state/irqfd.ts';
import { withLock } from '../state/lock.ts';
import { since } from '../state/profile.ts';
import { STATE_LOCK, VGIC_LOCK } from '../state/vm-control.ts';
import type { Words } from '../state/words.ts';
import { sendGsi } from '../vgic/its.ts';
import { initialised, intidCount, setSpi } from '../vgic/vgic.ts';

/** What user space asks for. */
export interface IrqfdRequest {
  readonly fd: number;
  readonly gsi: number;
  readonly flags: number;
  readonly resampleFd: number;
}

/** An entry of a routing table. */
export interface RoutingEntry {
  readonly gsi: number;
  readonly type: number;
  readonly flags: number;
  /** Of KVM_IRQ_ROUTING_IRQCHIP. */
  readonly irqchip: number;
  readonly pin: number;
  /** Of KVM_IRQ_ROUTING_MSI. */
  readonly message: Message;
}

const FLAGS = KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE;
const FIRST_SPI = 32;
/** Until here a bound eventfd keeps its count. */
const DRAINED = releaseNumber('5.11');

/** @returns the address of a descriptor's eventfd; -EBADF, or -EINVAL where it is something else */
function eventfdOf(words: Words, fd: number): number {
  const kind = fileKind(words, fd);
  if (kind === FILE_NONE) return -EBADF;
  return kind === FILE_EVENTFD ? fileObject(words, fd) : -EINVAL;
}

/** @returns 0; -EINVAL, -EBADF; -EAGAIN the GIC is not initialised; -EBUSY the eventfd is bound */
export function setIrqfd(vm: Block, { fd, gsi, flags, resampleFd }: IrqfdRequest, host: Host): number {
  if ((flags & ~FLAGS) !== 0) return -EINVAL;
  const { words } = vm;
  const isAssign = (flags & KVM_IRQFD_FLAG_DEASSIGN) === 0;
  if (isAssign && !initialised(vm)) return -EAGAIN;
  const bound = withLock(words, PROCESS_LOCK, host, () => {
    const eventfd = eventfdOf(words, fd);
    if (eventfd < 0) return eventfd;
    const known = irqfdOf(words, eventfd);
    if (!isAssign) {
      if (known?.vm === vm.base && known.gsi === gsi) unbindIrqfd(words, eventfd);
      return 0;
    }
    const resample = (flags & KVM_IRQFD_FLAG_RESAMPLE) === 0 ? 0 : eventfdOf(words, resampleFd);
    if (resample < 0) return resample;
    if (known) return -EBUSY;
    bindIrqfd(words, eventfd, { vm: vm.base, gsi, resample });
    return eventfd;
  });
  if (bound <= 0) return bound;
  // It may have been signalled before.
  deliverIrqfd(words, bound, host);
  return 0;
}

/** Adds to an eventfd's count, and raises the interrupt that it is bound to. @returns 0 or -errno */
export function signalEventfd(words: Words, eventfd: number, value: bigint, host: Host): number {
  const result = writeEventfd(words, eventfd, value);
  if (result === 0) deliverIrqfd(words, eventfd, host);
  return result;
}

/** Takes the count of an eventfd that is bound, as an interrupt. */
export function deliverIrqfd(words: Words, eventfd: number, host: Host): void {
  const irqfd = irqfdOf(words, eventfd);
  if (!irqfd || !takeCount(words, eventfd)) return;
  const vm = new Block(words, irqfd.vm);
  const pin = pinOf(vm, irqfd.gsi);
  if (pin < 0) {
    sendGsi(vm, irqfd.gsi, host);
    return;
  }
  const intid = FIRST_SPI + pin;
  if (intid >= intidCount(vm)) return;
  setSpi(vm, intid, true, host);
  // With a resampler the line stays high until the guest ends the interrupt: vgic/interrupts.ts.
  if (irqfd.resample === 0) setSpi(vm, intid, false, host);
}

/** Takes the count, or looks at it only. @returns whether there was any */
function takeCount(words: Words, eventfd: number): boolean {
  if (!since({ words }, DRAINED)) return countOf(words, eventfd) !== 0n;
  return typeof readEventfd(words, eventfd) === 'bigint';
}

/** Lets go of all eventfds: the VM is gone. The process lock is held. */
export function releaseIrqfds(vm: Block): void {
  for (const eventfd of irqfdsOf(vm.words, vm.base)) unbindIrqfd(vm.words, eventfd);
}

/** @returns whether a number of entries and flags can be at all: they are looked at before the entries are read */
export const canRoute = (count: number, flags: number): boolean => count <= MAX_IRQ_ROUTES && flags === 0;

/** Replaces the routing, which a VM without a GIC has too. @returns 0; -EINVAL an entry that cannot be, and nothing has changed */
export function setGsiRouting(vm: Block, entries: readonly RoutingEntry[], host: Host): number {
  if (entries.some(({ gsi }) => gsi >= MAX_IRQ_ROUTES)) return -EINVAL;
  const known = new Set<number>();
  const pins = new Map<number, number>();
  const messages = new Map<number, Message>();
  for (const { gsi, type, flags, irqchip, pin, message } of entries) {
    const isMessage = type === KVM_IRQ_ROUTING_MSI;
    if ((flags & ~(isMessage ? KVM_MSI_VALID_DEVID : 0)) !== 0 || known.has(gsi)) return -EINVAL;
    known.add(gsi);
    if (isMessage) {
      messages.set(gsi, message);
      continue;
    }
    if (type !== KVM_IRQ_ROUTING_IRQCHIP || irqchip !== 0 || pin >= IRQCHIP_PINS) return -EINVAL;
    pins.set(gsi, pin);
  }
  // Initialising the GIC sets the default table again.
  if (!initialised(vm)) return 0;
  const { words, base } = vm;
  withLock(words, base + STATE_LOCK, host, () =>
    withLock(words, base + VGIC_LOCK, host, () => setRoutes(vm, pins, messages)),
  );
  return 0;
}
