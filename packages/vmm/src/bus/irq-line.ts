import { KVM_ARM_IRQ_TYPE_SPI, encodeIrq } from '@vkvm/uapi';
import type { Vm } from '../kvm/vm.ts';
import type { IrqLine } from './device.ts';

/**
 * A level-triggered line into the in-kernel GIC. The kernel is told of changes only, so a device may state its level
 * as often as it likes.
 */
export class SpiLine {
  readonly #vm: Vm;
  readonly #irq: number;
  #level: boolean;

  /**
   * @param spi - number of the shared peripheral interrupt, from 0 (INTID 32)
   * @param level - what the kernel believes the line to be
   */
  constructor(vm: Vm, spi: number, level: boolean = false) {
    this.#vm = vm;
    this.#irq = encodeIrq(KVM_ARM_IRQ_TYPE_SPI, 0, spi + 32);
    this.#level = level;
  }

  get level(): boolean {
    return this.#level;
  }

  /** Moves the line. */
  readonly drive: IrqLine = (level) => {
    if (level === this.#level) return;
    this.#level = level;
    this.#vm.setIrqLine(this.#irq, level);
  };
}

/** The line of a {@link SpiLine}, low at first. @param spi - number of the interrupt, from 0 (INTID 32) */
export const createSpiLine = (vm: Vm, spi: number): IrqLine => new SpiLine(vm, spi).drive;
