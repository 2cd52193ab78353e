import { KVM_ARM_IRQ_TYPE_SPI, encodeIrq } from '@vkvm/uapi';
import type { Vm } from '../kvm/vm.ts';
import type { IrqLine } from './device.ts';

/**
 * A level-triggered line into the in-kernel GIC, low at first. The kernel is told of changes only, so a device may
 * state its level as often as it likes.
 *
 * @param spi - number of the shared peripheral interrupt, from 0 (INTID 32)
 */
export function createSpiLine(vm: Vm, spi: number): IrqLine {
  const irq = encodeIrq(KVM_ARM_IRQ_TYPE_SPI, 0, spi + 32);
  let current = false;
  return (level) => {
    if (level === current) return;
    current = level;
    vm.setIrqLine(irq, level);
  };
}
