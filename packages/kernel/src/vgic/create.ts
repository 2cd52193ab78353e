/** Creation and initialisation of a GIC, of version 2 or 3. The VM lock is held by every caller. */
import { E2BIG, EBUSY, EEXIST, KVM_DEV_TYPE_ARM_VGIC_V2, KVM_DEV_TYPE_ARM_VGIC_V3 } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { IRQCHIP, MAX_VCPUS, VGIC_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import { resetInterfaceV2 } from './gicc.ts';
import { lastRevision } from './gicd.ts';
import { resetInterface } from './icc.ts';
import { vcpusOf } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { noteRegions } from './redistributors.ts';
import {
  EDGE,
  ENABLED,
  GROUP,
  INITIALISED,
  PENDBASER,
  PRIVATE_COUNT,
  REVISION,
  SGI_COUNT,
  SPI_COUNT,
  TARGET,
  bankIndex,
} from './state.ts';
import { INITIAL_TABLE } from './table-attributes.ts';

/** A KVM_DEV_TYPE_ARM_VGIC_* that there is. */
export type GicType = typeof KVM_DEV_TYPE_ARM_VGIC_V2 | typeof KVM_DEV_TYPE_ARM_VGIC_V3;

/** As many vCPUs as KVM gives a GIC. */
const MOST_VCPUS: Readonly<Record<GicType, number>> = {
  [KVM_DEV_TYPE_ARM_VGIC_V2]: 8,
  [KVM_DEV_TYPE_ARM_VGIC_V3]: 512,
};
/** If user space does not choose. */
const DEFAULT_SPI_COUNT = 224;

const ALL = 0xffff_ffff;
const SGIS = (1 << SGI_COUNT) - 1;

export const isGicV2 = (vm: Block): boolean => vm.get32(IRQCHIP) === KVM_DEV_TYPE_ARM_VGIC_V2;

/** There may be no vCPU yet. */
const COMES_FIRST = releases({ until: '3.14' });

/** @returns 0 or -errno: EBUSY a vCPU is in use, or one has run; EEXIST; E2BIG too many vCPUs */
export function createVgic(vm: Block, type: GicType, host: Host): number {
  return withVcpusLocked(vm, host, -EBUSY, () => {
    if (vm.get32(IRQCHIP) !== 0) return -EEXIST;
    if (vm.get32(VCPU_COUNT) > 0 && holds(vm, COMES_FIRST)) return -EEXIST;
    if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
    if (vm.get32(VCPU_COUNT) > MOST_VCPUS[type]) return -E2BIG;
    vm.set32(IRQCHIP, type);
    vm.set32(MAX_VCPUS, MOST_VCPUS[type]);
    vm.set32(REVISION, lastRevision(vm.words));
    return 0;
  });
}

/** KVM_DEV_ARM_VGIC_CTRL_INIT: interrupts get their reset state. Lines that are high already stay so. */
export function initialise(vm: Block, host: Host): number {
  if (vm.get32(INITIALISED) !== 0) return 0;
  const { words, base } = vm;
  const gic: Gic = { words, vm: base, host };
  const { u32 } = words;
  const isV2 = isGicV2(vm);
  const group = isV2 ? 0 : ALL;
  if (vm.get32(SPI_COUNT) === 0) vm.set32(SPI_COUNT, DEFAULT_SPI_COUNT);
  withLock(words, base + VGIC_LOCK, host, () => {
    for (const vcpu of vcpusOf(gic)) {
      const bank = bankIndex(base, vcpu, 0);
      u32[bank + (ENABLED >>> 2)] = SGIS;
      u32[bank + (EDGE >>> 2)] = SGIS;
      u32[bank + (GROUP >>> 2)] = group;
      if (isV2) {
        resetInterfaceV2(gic, vcpu);
      } else {
        resetInterface(gic, vcpu);
        words.set32(vcpu + PENDBASER, INITIAL_TABLE);
      }
    }
    const first = vm.get32(VCPU_COUNT) === 0 ? 0 : vm.get32(VCPU_TABLE);
    const spis = vm.get32(SPI_COUNT);
    for (let number = 1; number <= spis / 32; number++) {
      const bank = bankIndex(base, 0, number);
      u32[bank + (EDGE >>> 2)] = ALL;
      u32[bank + (GROUP >>> 2)] = group;
    }
    for (let intid = PRIVATE_COUNT; intid < PRIVATE_COUNT + spis; intid++)
      vm.set32(TARGET + 4 * intid, first);
    noteRegions(words, base);
    vm.set32(INITIALISED, 1);
  });
  return 0;
}

/** A GICv2 may be used as soon as it exists: whoever uses it first initialises it. @returns 0; -EBUSY a GICv3 must be */
export function initialiseLazily(vm: Block, host: Host): number {
  if (vm.get32(INITIALISED) !== 0) return 0;
  return isGicV2(vm) ? initialise(vm, host) : -EBUSY;
}
