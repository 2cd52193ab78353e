/**
 * Where a GSI of a VM leads: one entry each, under the state lock. Until user space sets a table, GSI n is pin n of the
 * interrupt controller, which is SPI n. Source: Linux virt/kvm/irqchip.c; arch/arm64/kvm/vgic/vgic-irqfd.c.
 */
import type { Block } from './block.ts';
import { IRQ_ROUTES, IRQ_ROUTES_SET } from './vm-state.ts';

/** GSIs there are. Source: Linux include/linux/kvm_host.h, KVM_MAX_IRQ_ROUTES. */
export const MAX_IRQ_ROUTES = 4096;
/** Pins of the interrupt controller: every SPI. */
export const IRQCHIP_PINS = 988;

/** Entry: pin + 1. */
const ROUTE_SIZE = 4;

/** @returns the pin, or -1: nothing is there */
export function pinOf(vm: Block, gsi: number): number {
  if (gsi >= MAX_IRQ_ROUTES) return -1;
  if (vm.get32(IRQ_ROUTES_SET) === 0) return gsi < IRQCHIP_PINS ? gsi : -1;
  return vm.get32(IRQ_ROUTES + ROUTE_SIZE * gsi) - 1;
}

/** Replaces the table. @param pins - by GSI */
export function setRoutes(vm: Block, pins: ReadonlyMap<number, number>): void {
  const start = vm.base + IRQ_ROUTES;
  vm.words.u8.fill(0, start, start + MAX_IRQ_ROUTES * ROUTE_SIZE);
  for (const [gsi, pin] of pins) vm.set32(IRQ_ROUTES + ROUTE_SIZE * gsi, pin + 1);
  vm.set32(IRQ_ROUTES_SET, 1);
}
