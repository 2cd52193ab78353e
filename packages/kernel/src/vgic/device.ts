/**
 * KVM_DEV_TYPE_ARM_VGIC_V3: attributes. Source: Documentation/virt/kvm/devices/arm-vgic-v3.rst; the order
 * of the checks is that of arch/arm64/kvm/vgic.
 *
 * The VM lock is held by every caller.
 */
import {
  EBUSY,
  ENXIO,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { VGIC_LOCK } from '../state/vm-control.ts';
import { initialise, isGicV2 } from './create.ts';
import { mapResourcesV2 } from './device-v2.ts';
import { getInterruptCount, setInterruptCount } from './interrupt-count.ts';
import { savePending } from './lpis.ts';
import { getAddress, hasAddress, mapResourcesV3, setAddress } from './placement.ts';
import { INITIALISED, UNMAPPED } from './state.ts';
import { getRegister, hasRegister, isRegisterGroup, setRegister } from './user-registers.ts';

/** What the first KVM_RUN of each vCPU does for a GIC: nothing else maps the frames. @returns 0 or -errno */
export function mapResources(vm: Block, host: Host): number {
  const error = isGicV2(vm) ? mapResourcesV2(vm, host) : mapResourcesV3(vm);
  vm.set32(UNMAPPED, error === 0 ? 0 : 1);
  return error;
}

/** LPIs that are pending, to the tables of the redistributors in guest memory. */
function savePendingTables(vm: Block, host: Host): number {
  const { words, base } = vm;
  return withVcpusLocked(vm, host, -EBUSY, () =>
    vm.get32(INITIALISED) === 0
      ? -ENXIO
      : withLock(words, base + VGIC_LOCK, host, () => savePending({ words, vm: base, host })),
  );
}

/** KVM_SET_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute */
export function vgicSetAttr(vm: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  if (isRegisterGroup(vm, group)) return setRegister(vm, group, attr, userAddress, host);
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
  if (isRegisterGroup(vm, group)) return getRegister(vm, group, attr, userAddress, host);
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return getAddress(vm, Number(attr), userAddress);
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return getInterruptCount(vm, userAddress);
    default:
      return -ENXIO;
  }
}

/** KVM_HAS_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute; EINVAL it names no vCPU */
export function vgicHasAttr(vm: Block, group: number, attr: bigint, host: Host): number {
  if (isRegisterGroup(vm, group)) return hasRegister(vm, group, attr, host);
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
