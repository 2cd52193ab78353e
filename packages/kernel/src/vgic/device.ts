/**
 * KVM_DEV_TYPE_ARM_VGIC_V3: creation and attributes. Source: Documentation/virt/kvm/devices/arm-vgic-v3.rst; the order
 * of the checks is that of arch/arm64/kvm/vgic.
 *
 * The VM lock is held by every caller.
 */
import {
  E2BIG,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENXIO,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
  KVM_DEV_TYPE_ARM_VGIC_V3,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { IRQCHIP, MAX_VCPUS, VGIC_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import { getUser, putUser } from '../uaccess.ts';
import { LAST_REVISION } from './gicd.ts';
import { resetInterface } from './icc.ts';
import { vcpusOf } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { getAddress, hasAddress, setAddress } from './placement.ts';
import {
  EDGE,
  ENABLED,
  GROUP,
  INITIALISED,
  PRIVATE_COUNT,
  REVISION,
  SGI_COUNT,
  SPI_COUNT,
  TARGET,
  bankIndex,
} from './state.ts';
import { getRegister, hasRegister, isRegisterGroup, setRegister } from './user-registers.ts';

export { mapResources } from './placement.ts';

/** As many vCPUs as KVM gives a GICv3. */
const MAX_GICV3_VCPUS = 512;
/** Of KVM_DEV_ARM_VGIC_GRP_NR_IRQS, private interrupts included. */
const MIN_INTERRUPTS = PRIVATE_COUNT + 32;
const MAX_INTERRUPTS = 1023;
/** If user space does not choose. */
const DEFAULT_SPI_COUNT = 224;

const ALL = 0xffff_ffff;
const SGIS = (1 << SGI_COUNT) - 1;

/** @returns 0 or -errno: EBUSY a vCPU is in use, or one has run; EEXIST; E2BIG too many vCPUs */
export function createVgicV3(vm: Block, host: Host): number {
  return withVcpusLocked(vm, host, -EBUSY, () => {
    if (vm.get32(IRQCHIP) !== 0) return -EEXIST;
    if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
    if (vm.get32(VCPU_COUNT) > MAX_GICV3_VCPUS) return -E2BIG;
    vm.set32(IRQCHIP, KVM_DEV_TYPE_ARM_VGIC_V3);
    vm.set32(MAX_VCPUS, MAX_GICV3_VCPUS);
    vm.set32(REVISION, LAST_REVISION);
    return 0;
  });
}

/** KVM_DEV_ARM_VGIC_CTRL_INIT: interrupts get their reset state. Lines that are high already stay so. */
function initialise(vm: Block, host: Host): number {
  if (vm.get32(INITIALISED) !== 0) return 0;
  const { words, base } = vm;
  const gic: Gic = { words, vm: base, host };
  const { u32 } = words;
  if (vm.get32(SPI_COUNT) === 0) vm.set32(SPI_COUNT, DEFAULT_SPI_COUNT);
  withLock(words, base + VGIC_LOCK, host, () => {
    for (const vcpu of vcpusOf(gic)) {
      const bank = bankIndex(base, vcpu, 0);
      u32[bank + (ENABLED >>> 2)] = SGIS;
      u32[bank + (EDGE >>> 2)] = SGIS;
      u32[bank + (GROUP >>> 2)] = ALL;
      resetInterface(gic, vcpu);
    }
    const first = vm.get32(VCPU_COUNT) === 0 ? 0 : vm.get32(VCPU_TABLE);
    const spis = vm.get32(SPI_COUNT);
    for (let number = 1; number <= spis / 32; number++) {
      const bank = bankIndex(base, 0, number);
      u32[bank + (EDGE >>> 2)] = ALL;
      u32[bank + (GROUP >>> 2)] = ALL;
    }
    for (let intid = PRIVATE_COUNT; intid < PRIVATE_COUNT + spis; intid++)
      vm.set32(TARGET + 4 * intid, first);
    vm.set32(INITIALISED, 1);
  });
  return 0;
}

/** There are no LPIs, so there is nothing to write. */
function savePendingTables(vm: Block, host: Host): number {
  return withVcpusLocked(vm, host, -EBUSY, () => (vm.get32(INITIALISED) === 0 ? -ENXIO : 0));
}

function setInterruptCount(vm: Block, userAddress: number): number {
  const value = getUser(vm.words, userAddress, 4);
  if (value === undefined) return -EFAULT;
  const count = Number(value);
  if (count < MIN_INTERRUPTS || count > MAX_INTERRUPTS || count % 32 !== 0) return -EINVAL;
  if (vm.get32(SPI_COUNT) !== 0) return -EBUSY;
  vm.set32(SPI_COUNT, count - PRIVATE_COUNT);
  return 0;
}

/** KVM_SET_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute */
export function vgicSetAttr(vm: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  if (isRegisterGroup(group)) return setRegister(vm, group, attr, userAddress, host);
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return setAddress(vm, Number(attr), userAddress);
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return setInterruptCount(vm, userAddress);
    case KVM_DEV_ARM_VGIC_GRP_CTRL:
      if (Number(attr) === KVM_DEV_ARM_VGIC_CTRL_INIT) return initialise(vm, host);
      if (Number(attr) === KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES) return savePendingTables(vm, host);
      return -ENXIO;
    default:
      return -ENXIO;
  }
}

/** KVM_GET_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute, or it only takes */
export function vgicGetAttr(vm: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  if (isRegisterGroup(group)) return getRegister(vm, group, attr, userAddress, host);
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return getAddress(vm, Number(attr), userAddress);
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return putUser(vm.words, userAddress, 4, BigInt(PRIVATE_COUNT + vm.get32(SPI_COUNT)));
    default:
      return -ENXIO;
  }
}

/** KVM_HAS_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute; EINVAL it names no vCPU */
export function vgicHasAttr(vm: Block, group: number, attr: bigint, host: Host): number {
  if (isRegisterGroup(group)) return hasRegister(vm, group, attr, host);
  const number = Number(attr);
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return hasAddress(number) ? 0 : -ENXIO;
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return 0;
    case KVM_DEV_ARM_VGIC_GRP_CTRL:
      return number === KVM_DEV_ARM_VGIC_CTRL_INIT || number === KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES
        ? 0
        : -ENXIO;
    default:
      return -ENXIO;
  }
}
