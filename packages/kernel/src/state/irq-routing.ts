/**
 * Where a GSI of a VM leads: one entry each, under the state lock; messages under the vGIC lock. Until user space sets a
 * table, GSI n is pin n of the interrupt controller, which is SPI n. Source: Linux virt/kvm/irqchip.c;
 * arch/arm64/kvm/vgic/vgic-irqfd.c.
 */
import type { Block } from './block.ts';
import { IRQ_MESSAGES, IRQ_ROUTES, IRQ_ROUTES_SET } from './vm-state.ts';

/** GSIs there are. Source: Linux include/linux/kvm_host.h, KVM_MAX_IRQ_ROUTES. */
export const MAX_IRQ_ROUTES = 4096;
/** Pins of the interrupt controller: every SPI. */
export const IRQCHIP_PINS = 988;

/** Entry: pin + 1; 0 = nothing. */
const ROUTE_SIZE = 4;
/** Fields of a message. */
const MESSAGE_PRESENT = 0; // u32
const MESSAGE_FLAGS = 4; // u32
const MESSAGE_ADDRESS = 8; // u64
const MESSAGE_DATA = 16; // u32
const MESSAGE_DEVICE = 20; // u32
const MESSAGE_SIZE = 24;

/** What a device would write to raise an interrupt. */
export interface Message {
  /** Guest-physical. */
  readonly address: bigint;
  /** The event. */
  readonly data: number;
  /** Number of the device. */
  readonly device: number;
  /** KVM_MSI_* bits. */
  readonly flags: number;
}

/** @returns the pin, or -1: nothing is there */
export function pinOf(vm: Block, gsi: number): number {
  if (gsi >= MAX_IRQ_ROUTES) return -1;
  if (vm.get32(IRQ_ROUTES_SET) === 0) return gsi < IRQCHIP_PINS ? gsi : -1;
  return vm.get32(IRQ_ROUTES + ROUTE_SIZE * gsi) - 1;
}

/** The message that a GSI stands for. The vGIC lock is held. */
export function messageOf(vm: Block, gsi: number): Message | undefined {
  const entry = IRQ_MESSAGES + MESSAGE_SIZE * gsi;
  if (gsi >= MAX_IRQ_ROUTES || vm.get32(entry + MESSAGE_PRESENT) === 0) return undefined;
  return {
    address: vm.get64(entry + MESSAGE_ADDRESS),
    data: vm.get32(entry + MESSAGE_DATA),
    device: vm.get32(entry + MESSAGE_DEVICE),
    flags: vm.get32(entry + MESSAGE_FLAGS),
  };
}

/** Replaces the table. The vGIC lock is held, too. @param pins, messages - by GSI */
export function setRoutes(
  vm: Block,
  pins: ReadonlyMap<number, number>,
  messages: ReadonlyMap<number, Message>,
): void {
  const { u8 } = vm.words;
  const start = vm.base + IRQ_ROUTES;
  u8.fill(0, start, start + MAX_IRQ_ROUTES * ROUTE_SIZE);
  for (const [gsi, pin] of pins) vm.set32(IRQ_ROUTES + ROUTE_SIZE * gsi, pin + 1);
  const table = vm.base + IRQ_MESSAGES;
  u8.fill(0, table, table + MAX_IRQ_ROUTES * MESSAGE_SIZE);
  for (const [gsi, { address, data, device, flags }] of messages) {
    const entry = IRQ_MESSAGES + MESSAGE_SIZE * gsi;
    vm.set32(entry + MESSAGE_FLAGS, flags);
    vm.set64(entry + MESSAGE_ADDRESS, address);
    vm.set32(entry + MESSAGE_DATA, data);
    vm.set32(entry + MESSAGE_DEVICE, device);
    vm.set32(entry + MESSAGE_PRESENT, 1);
  }
  vm.set32(IRQ_ROUTES_SET, 1);
}
