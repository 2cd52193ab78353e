/** KVM_IRQ_LINE: an irq packed as `encodeIrq` of `@vkvm/uapi` does → a line of a vCPU or of the in-kernel GIC. */
import {
  EBUSY,
  EINVAL,
  ENXIO,
  KVM_ARM_IRQ_CPU_FIQ,
  KVM_ARM_IRQ_NUM_MASK,
  KVM_ARM_IRQ_TYPE_CPU,
  KVM_ARM_IRQ_TYPE_MASK,
  KVM_ARM_IRQ_TYPE_PPI,
  KVM_ARM_IRQ_TYPE_SHIFT,
  KVM_ARM_IRQ_TYPE_SPI,
  KVM_ARM_IRQ_VCPU2_MASK,
  KVM_ARM_IRQ_VCPU2_SHIFT,
  KVM_ARM_IRQ_VCPU_MASK,
  KVM_ARM_IRQ_VCPU_SHIFT,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { pmuIntid } from '../pmu/attributes.ts';
import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import { REQUEST_LOOK, request } from '../state/requests.ts';
import { INTERRUPT_LINES } from '../state/vcpu-state.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { isTimersOwn } from '../timer/attributes.ts';
import { initialiseLazily } from '../vgic/create.ts';
import { intidCount, setPpi, setSpi } from '../vgic/vgic.ts';
import { findVcpu, vcpusOf } from './vcpus.ts';
import type { Thread } from './thread.ts';

const FIRST_PPI = 16;
const FIRST_SPI = 32;

/** The VM lock is held. @returns 0 or -errno */
export function setIrqLine(vm: Block, irq: number, high: boolean, { host, trace }: Thread): number {
  const type = (irq >>> KVM_ARM_IRQ_TYPE_SHIFT) & KVM_ARM_IRQ_TYPE_MASK;
  const id =
    (((irq >>> KVM_ARM_IRQ_VCPU2_SHIFT) & KVM_ARM_IRQ_VCPU2_MASK) << 8) |
    ((irq >>> KVM_ARM_IRQ_VCPU_SHIFT) & KVM_ARM_IRQ_VCPU_MASK);
  const number = irq & KVM_ARM_IRQ_NUM_MASK;
  trace?.kvm_irq_line?.(type, id, number, high);
  const inKernel = vm.get32(IRQCHIP) !== 0;
  switch (type) {
    case KVM_ARM_IRQ_TYPE_CPU: {
      if (inKernel) return -ENXIO;
      const vcpu = namedVcpu(vm, id);
      if (!vcpu || number > KVM_ARM_IRQ_CPU_FIQ) return -EINVAL;
      setCpuLine(vcpu, number, high, host);
      return 0;
    }
    case KVM_ARM_IRQ_TYPE_PPI: {
      if (!inKernel) return -ENXIO;
      const vcpu = namedVcpu(vm, id);
      if (!vcpu || number < FIRST_PPI || number >= FIRST_SPI) return -EINVAL;
      if (initialiseLazily(vm, host) !== 0) return -EBUSY;
      if (isOwned(vcpu, number)) return 0;
      setPpi(vcpu, number, high, host);
      return 0;
    }
    case KVM_ARM_IRQ_TYPE_SPI:
      if (!inKernel) return -ENXIO;
      if (number < FIRST_SPI) return -EINVAL;
      if (initialiseLazily(vm, host) !== 0) return -EBUSY;
      if (number >= intidCount(vm)) return -EINVAL;
      if (vcpusOf(vm).some((vcpu) => pmuIntid(vcpu) === number)) return 0;
      setSpi(vm, number, high, host);
      return 0;
    default:
      return -EINVAL;
  }
}

/** A vCPU is named by its id. Before, by its place in the order of creation. */
const BY_ID = releases({ since: '6.7' });

const namedVcpu = (vm: Block, name: number): Block | undefined =>
  holds(vm, BY_ID) ? findVcpu(vm, name) : vcpusOf(vm)[name];

/** From a vCPU's first run on, its timers own their lines, and the PMU its own: what others do to them is ignored. */
const isOwned = (vcpu: Block, intid: number): boolean => isTimersOwn(vcpu, intid) || pmuIntid(vcpu) === intid;

/** Drives the IRQ (0) or FIQ (1) input of a vCPU whose interrupt controller is in user space. */
function setCpuLine(vcpu: Block, number: number, high: boolean, host: Host): void {
  const index = (vcpu.base + INTERRUPT_LINES) >>> 2;
  const line = 1 << number;
  const before = high ? Atomics.or(vcpu.words.i32, index, line) : Atomics.and(vcpu.words.i32, index, ~line);
  if (((before & line) !== 0) !== high) request(vcpu, REQUEST_LOOK, host);
}
