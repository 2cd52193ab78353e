/** Requests of a device's file: attributes of the in-kernel GIC, or of an ITS. The VM lock is held. */
import { kvmDeviceAttr } from '@vkvm/uapi';

import { isGicV2 } from '../vgic/create.ts';
import { vgicV2GetAttr, vgicV2HasAttr, vgicV2SetAttr } from '../vgic/device-v2.ts';
import { itsGetAttr, itsHasAttr, itsSetAttr } from '../vgic/its-device.ts';
import { vgicGetAttr, vgicHasAttr, vgicSetAttr } from '../vgic/device.ts';
import type { IoctlEntry } from './handler.ts';

export const deviceIoctls: readonly IoctlEntry[] = [
  {
    name: 'KVM_SET_DEVICE_ATTR',
    handle({ block, thread: { host, argument } }) {
      const { group, attr, addr } = kvmDeviceAttr.read(argument, 0);
      return (isGicV2(block) ? vgicV2SetAttr : vgicSetAttr)(block, group, attr, addr, host);
    },
  },
  {
    name: 'KVM_GET_DEVICE_ATTR',
    handle({ block, thread: { host, argument } }) {
      const { group, attr, addr } = kvmDeviceAttr.read(argument, 0);
      return (isGicV2(block) ? vgicV2GetAttr : vgicGetAttr)(block, group, attr, addr, host);
    },
  },
  {
    name: 'KVM_HAS_DEVICE_ATTR',
    handle({ block, thread: { host, argument } }) {
      const { group, attr } = kvmDeviceAttr.read(argument, 0);
      return (isGicV2(block) ? vgicV2HasAttr : vgicHasAttr)(block, group, attr, host);
    },
  },
];

/** The block is that of the ITS. */
export const itsIoctls: readonly IoctlEntry[] = [
  {
    name: 'KVM_SET_DEVICE_ATTR',
    handle({ block, thread: { host, argument } }) {
      const { group, attr, addr } = kvmDeviceAttr.read(argument, 0);
      return itsSetAttr(block, group, attr, addr, host);
    },
  },
  {
    name: 'KVM_GET_DEVICE_ATTR',
    handle({ block, thread: { host, argument } }) {
      const { group, attr, addr } = kvmDeviceAttr.read(argument, 0);
      return itsGetAttr(block, group, attr, addr, host);
    },
  },
  {
    name: 'KVM_HAS_DEVICE_ATTR',
    handle({ block, thread: { host, argument } }) {
      const { group, attr } = kvmDeviceAttr.read(argument, 0);
      return itsHasAttr(block, group, attr, host);
    },
  },
];
