import {
  EAGAIN,
  EBADF,
  EBUSY,
  EINVAL,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import { FILE_EVENTFD, openFile } from '../fd-table.ts';
import { createEventfd, readEventfd } from '../state/eventfd.ts';
import { pinOf } from '../state/irq-routing.ts';
import { irqfdOf } from '../state/irqfd.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { INITIALISED, SPI_COUNT } from '../vgic/state.ts';
import { canRoute, releaseIrqfds, setGsiRouting, setIrqfd, signalEventfd } from './irqfd.ts';

/** A VM with a GIC of 32 SPIs, and an eventfd. */
function machine() {
  const bare = bareVm();
  const { words, vm, host } = bare;
  vm.set32(IRQCHIP, KVM_DEV_TYPE_ARM_VGIC_V3);
  vm.set32(SPI_COUNT, 32);
  vm.set32(INITIALISED, 1);
  const newEventfd = () => {
    const address = createEventfd(words, 0, 0);
    return { address, fd: openFile(words, FILE_EVENTFD, address) };
  };
  const assign = (fd: number, gsi: number, flags = 0, resampleFd = 0): number =>
    setIrqfd(vm, { fd, gsi, flags, resampleFd }, host);
  return { ...bare, newEventfd, assign };
}

describe('an irqfd', () => {
  test('takes the count of its eventfd as an interrupt', () => {
    const { words, host, newEventfd, assign } = machine();
    const { address, fd } = newEventfd();
    expect(assign(fd, 8)).toBe(0);
    expect(signalEventfd(words, address, 3n, host)).toBe(0);
    expect(readEventfd(words, address)).toBe(-EAGAIN);
  });

  test('is one for an eventfd, until it is taken back with the GSI it has', () => {
    const { words, newEventfd, assign } = machine();
    const { address, fd } = newEventfd();
    expect(assign(fd, 8)).toBe(0);
    expect(assign(fd, 9)).toBe(-EBUSY);
    expect(assign(fd, 9, KVM_IRQFD_FLAG_DEASSIGN)).toBe(0);
    expect(irqfdOf(words, address)?.gsi).toBe(8);
    expect(assign(fd, 8, KVM_IRQFD_FLAG_DEASSIGN)).toBe(0);
    expect(irqfdOf(words, address)).toBeUndefined();
  });

  test('needs an initialised GIC, flags there are, and eventfds', () => {
    const { vm, newEventfd, assign } = machine();
    const { fd } = newEventfd();
    expect(assign(fd, 8, 4)).toBe(-EINVAL);
    expect(assign(99, 8)).toBe(-EBADF);
    expect(assign(fd, 8, KVM_IRQFD_FLAG_RESAMPLE, 99)).toBe(-EBADF);
    vm.set32(INITIALISED, 0);
    expect(assign(fd, 8)).toBe(-EAGAIN);
  });

  test('ends with its VM', () => {
    const { words, vm, newEventfd, assign } = machine();
    const { address, fd } = newEventfd();
    assign(fd, 8, KVM_IRQFD_FLAG_RESAMPLE, newEventfd().fd);
    releaseIrqfds(vm);
    expect(irqfdOf(words, address)).toBeUndefined();
  });
});

describe('the routing of GSIs', () => {
  const message = { address: 0n, data: 0, device: 0, flags: 0 };
  const entry = { gsi: 1, type: KVM_IRQ_ROUTING_IRQCHIP, flags: 0, irqchip: 0, pin: 20, message };

  test('is one to one until user space replaces it', () => {
    const { vm, host } = machine();
    expect([pinOf(vm, 0), pinOf(vm, 987), pinOf(vm, 988)]).toEqual([0, 987, -1]);
    expect(setGsiRouting(vm, [entry], host)).toBe(0);
    expect([pinOf(vm, 0), pinOf(vm, 1)]).toEqual([-1, 20]);
  });

  test.each([
    ['a pin beyond the last', [{ ...entry, pin: 988 }]],
    ['another interrupt controller', [{ ...entry, irqchip: 1 }]],
    ['a GSI beyond the last', [{ ...entry, gsi: 4096 }]],
    ['a GSI twice', [entry, { ...entry, pin: 21 }]],
    ['another type', [{ ...entry, type: 3 }]],
    ['a flag', [{ ...entry, flags: 1 }]],
    ['a flag of a message that it has not', [{ ...entry, type: KVM_IRQ_ROUTING_MSI, flags: 2 }]],
  ])('is refused whole with %s', (_name, entries) => {
    const { vm, host } = machine();
    expect(setGsiRouting(vm, entries, host)).toBe(-EINVAL);
    expect(pinOf(vm, 0)).toBe(0);
  });

  test('has 4096 entries at most, and no flags', () => {
    expect([canRoute(4096, 0), canRoute(4097, 0), canRoute(1, 1)]).toEqual([true, false, false]);
  });

  test('is checked without a GIC as with one', () => {
    const { vm, host } = machine();
    vm.set32(IRQCHIP, 0);
    vm.set32(INITIALISED, 0);
    expect(setGsiRouting(vm, [entry], host)).toBe(0);
    expect(setGsiRouting(vm, [{ ...entry, pin: 988 }], host)).toBe(-EINVAL);
  });
});
