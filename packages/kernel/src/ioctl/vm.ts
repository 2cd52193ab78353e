/** Requests of a VM's file. The VM lock is held. */
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENXIO,
  KVM_ARM_FEATURE_ID_RANGE,
  KVM_ARM_FEATURE_ID_RANGE_SIZE,
  KVM_ARM_TARGET_GENERIC_V8,
  KVM_ARM_VM_SMCCC_CTRL,
  KVM_ARM_VM_SMCCC_FILTER,
  KVM_CREATE_DEVICE_TEST,
  KVM_DEV_TYPE_ARM_VGIC_ITS,
  KVM_DEV_TYPE_ARM_VGIC_V2,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_MSI_VALID_DEVID,
  PROT_READ,
  PROT_WRITE,
  kvmArmCounterOffset,
  kvmArmDeviceAddr,
  kvmCoalescedMmioZone,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmEnableCap,
  kvmIoeventfd,
  kvmIrqLevel,
  kvmIrqRouting,
  kvmIrqRoutingEntry,
  kvmIrqRoutingIrqchip,
  kvmIrqRoutingMsi,
  kvmIrqfd,
  kvmMsi,
  kvmVcpuInit,
  regMaskRange,
  sysregKey,
  vkvmClock,
  vkvmFlushIcache,
  vkvmPsciRoute,
  vkvmSecureLoad,
} from '@vkvm/uapi';
import type { ReleaseRange } from '@vkvm/uapi';

import { FILE_DEVICE, FILE_ITS, FILE_VCPU, openFile } from '../fd-table.ts';
import type { FileKind } from '../fd-table.ts';
import { addPsciRoute } from '../psci/owner.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import { holds, releases } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { withLock } from '../state/lock.ts';
import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import type { Message } from '../state/irq-routing.ts';
import { isAccessible } from '../state/mappings.ts';
import { REQUEST_FLUSH_CODE, request } from '../state/requests.ts';
import { IRQCHIP } from '../state/vm-control.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { addFilter } from '../smccc/filter.ts';
import { writableMaskOf } from '../sysreg/id-masks.ts';
import { hideGic } from '../sysreg/id.ts';
import { setCounterOffset } from '../timer/arch-timer.ts';
import { advanceClock } from '../timer/clock.ts';
import { copyFromUser, copyToUser } from '../uaccess.ts';
import { createVgic } from '../vgic/create.ts';
import type { GicType } from '../vgic/create.ts';
import { setDeviceAddress } from '../vgic/device-v2.ts';
import { createIts, sendMessage } from '../vgic/its.ts';
import { loadSecure } from '../vcpu/secure.ts';
import { registerZone, unregisterZone } from '../vm/coalesced.ts';
import type { Zone } from '../vm/coalesced.ts';
import { setIoEventfd } from '../vm/ioeventfd.ts';
import { canRoute, setGsiRouting, setIrqfd } from '../vm/irqfd.ts';
import { setIrqLine } from '../vm/irq-line.ts';
import { openStats } from '../vm/stats-file.ts';
import { readersOf } from '../vm/vcpus.ts';
import { createVcpu, discardVcpu, retainVm } from '../vm/vm.ts';
import { checkExtension, enableCapability } from './capabilities.ts';
import type { IoctlCall, IoctlEntry } from './handler.ts';
import { memoryIoctls } from './memory.ts';
import { openSecure } from './secure.ts';

function createVcpuFile({ block: vm, arg, thread: { words, host } }: IoctlCall): number {
  const vcpu = createVcpu(vm, arg, host);
  if (typeof vcpu === 'number') return vcpu;
  const fd = withLock(words, PROCESS_LOCK, host, () => {
    const opened = openFile(words, FILE_VCPU, vcpu.base);
    if (opened >= 0) retainVm(vm);
    return opened;
  });
  if (fd < 0) discardVcpu(vm, vcpu, host);
  return fd;
}

function irqLine({ block: vm, thread }: IoctlCall): number {
  const { irq, level } = kvmIrqLevel.read(thread.argument, 0);
  return setIrqLine(vm, irq, level !== 0, thread);
}

function preferredTarget({ thread: { argument } }: IoctlCall): number {
  kvmVcpuInit.write(argument, 0, { target: KVM_ARM_TARGET_GENERIC_V8 });
  return 0;
}

function enableCap({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const { cap, flags, args, pad } = kvmEnableCap.read(argument, 0);
  return enableCapability(vm, cap, { flags, args, padIsZero: pad.every((byte) => byte === 0) }, host);
}

/** @returns 0 or -errno */
function createGic(vm: Block, type: GicType, host: Host): number {
  const error = createVgic(vm, type, host);
  if (error === 0 && type === KVM_DEV_TYPE_ARM_VGIC_V2) hideGic(vm);
  return error;
}

/** What a device of the kernel is. */
interface DeviceType {
  readonly releases: Releases;
  readonly kind: FileKind;
  /** The VM lock is held. @returns the object of its file, or -errno */
  readonly create: (vm: Block, host: Host) => number;
}

const gic = (type: GicType, range: ReleaseRange): DeviceType => ({
  releases: releases(range),
  kind: FILE_DEVICE,
  create: (vm, host) => createGic(vm, type, host) || vm.base,
});

/** Before it was a device, a GICv2 was made by KVM_CREATE_IRQCHIP alone. */
const DEVICE_TYPES: ReadonlyMap<number, DeviceType> = new Map([
  [KVM_DEV_TYPE_ARM_VGIC_V2, gic(KVM_DEV_TYPE_ARM_VGIC_V2, { since: '3.14' })],
  [KVM_DEV_TYPE_ARM_VGIC_V3, gic(KVM_DEV_TYPE_ARM_VGIC_V3, { since: '4.0' })],
  [KVM_DEV_TYPE_ARM_VGIC_ITS, { releases: releases({ since: '4.8' }), kind: FILE_ITS, create: createIts }],
]);

function createDevice({ block: vm, thread: { words, host, argument } }: IoctlCall): number {
  const device = kvmCreateDevice.view(argument, 0);
  const type = DEVICE_TYPES.get(device.type);
  if (!type || !holds(vm, type.releases)) return -ENODEV;
  if ((device.flags & KVM_CREATE_DEVICE_TEST) !== 0) return 0;
  const object = type.create(vm, host);
  if (object < 0) return object;
  return withLock(words, PROCESS_LOCK, host, () => {
    const fd = openFile(words, type.kind, object);
    if (fd < 0) return fd;
    retainVm(vm);
    device.fd = fd;
    return 0;
  });
}

/** Attributes of a VM: the SMCCC filter, which can only be set. */
const attributes =
  (set: boolean) =>
  ({ block: vm, thread: { host, argument } }: IoctlCall): number => {
    const { group, attr, addr } = kvmDeviceAttr.read(argument, 0);
    if (group !== KVM_ARM_VM_SMCCC_CTRL || attr !== BigInt(KVM_ARM_VM_SMCCC_FILTER)) return -ENXIO;
    return set ? addFilter(vm, addr, host) : 0;
  };

/** Both counters of the VM, once and for all. */
function setCounterOffsets({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const { counter_offset, reserved } = kvmArmCounterOffset.read(argument, 0);
  if (reserved !== 0n) return -EINVAL;
  return withVcpusLocked(vm, host, -EBUSY, () => {
    setCounterOffset(vm, counter_offset);
    return 0;
  });
}

/** Key of a word of the masks: op1 0, 1 and 3 in turn, then CRm, then op2. */
function maskKey(index: number): number {
  const op1 = [0, 1, 3][index >>> 6]!;
  return sysregKey(3, op1, 0, (index >>> 3) & 7, index & 7);
}

function getRegWritableMasks({ block: vm, thread: { words, argument } }: IoctlCall): number {
  const { addr, range, reserved } = regMaskRange.read(argument, 0);
  if (range !== KVM_ARM_FEATURE_ID_RANGE || reserved.some((word) => word !== 0)) return -EINVAL;
  const masks = BigUint64Array.from({ length: KVM_ARM_FEATURE_ID_RANGE_SIZE }, (_, index) =>
    writableMaskOf(vm, maskKey(index)),
  );
  return copyToUser(words, addr, new Uint8Array(masks.buffer));
}

/** User space has changed code: what was decoded of it goes, on all vCPUs before they run on. */
function flushIcache({ block: vm, thread: { words, host, argument } }: IoctlCall): number {
  const { user_addr, len } = vkvmFlushIcache.read(argument, 0);
  if (!isAccessible(words, user_addr, len, PROT_READ | PROT_WRITE)) return -EFAULT;
  for (const vcpu of readersOf(vm)) request(vcpu, REQUEST_FLUSH_CODE, host);
  return 0;
}

/** What the clock of a deterministic VM shows, and time that passes while its vCPUs wait. */
function moveClock({ block: vm, thread: { argument } }: IoctlCall): number {
  const clock = vkvmClock.view(argument, 0);
  const now = advanceClock(vm, clock.now);
  if (now < 0) return now;
  clock.now = now;
  return 0;
}

/** The zone of a coalesced MMIO request. Its address is all 64 bits. */
function zoneOf({ thread: { argument } }: IoctlCall): Zone {
  const { size, pio } = kvmCoalescedMmioZone.read(argument, 0);
  return { gpa: new DataView(argument).getBigUint64(kvmCoalescedMmioZone.offsets.addr, true), size, pio };
}

function ioEventfd({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const { len, datamatch, flags, fd } = kvmIoeventfd.read(argument, 0);
  const gpa = new DataView(argument).getBigUint64(kvmIoeventfd.offsets.addr, true);
  return setIoEventfd(vm, { gpa, length: len, datamatch, flags, fd }, host);
}

function irqfd({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const { fd, gsi, flags, resamplefd } = kvmIrqfd.read(argument, 0);
  return setIrqfd(vm, { fd, gsi, flags, resampleFd: resamplefd }, host);
}

/** A message as user space gives it. */
const messageFrom = (msi: {
  readonly address_lo: number;
  readonly address_hi: number;
  readonly data: number;
  readonly devid: number;
  readonly flags: number;
}): Message => ({
  address: (BigInt(msi.address_hi) << 32n) | BigInt(msi.address_lo),
  data: msi.data,
  device: msi.devid,
  flags: msi.flags,
});

/** The entries follow the struct. */
function gsiRouting({ arg, block: vm, thread: { words, host, argument } }: IoctlCall): number {
  const { nr, flags } = kvmIrqRouting.read(argument, 0);
  if (!canRoute(nr, flags)) return -EINVAL;
  const bytes = new Uint8Array(nr * kvmIrqRoutingEntry.size);
  const error = copyFromUser(words, arg + kvmIrqRouting.size, bytes);
  if (error !== 0) return error;
  const entries = Array.from({ length: nr }, (_, index) => {
    const at = index * kvmIrqRoutingEntry.size;
    const entry = kvmIrqRoutingEntry.read(bytes.buffer, at);
    const { flags: messageFlags } = entry;
    return {
      ...entry,
      ...kvmIrqRoutingIrqchip.read(bytes.buffer, at),
      message: messageFrom({ ...kvmIrqRoutingMsi.read(bytes.buffer, at), flags: messageFlags }),
    };
  });
  return setGsiRouting(vm, entries, host);
}

function signalMsi({ block: vm, thread: { host, argument } }: IoctlCall): number {
  const msi = kvmMsi.read(argument, 0);
  if (vm.get32(IRQCHIP) === 0 || (msi.flags & ~KVM_MSI_VALID_DEVID) !== 0) return -EINVAL;
  return sendMessage(vm, messageFrom(msi), host);
}

/** A VM has attributes since the SMCCC filter came. */
const VM_ATTRIBUTES = { since: '6.4' } as const;

export const vmIoctls: readonly IoctlEntry[] = [
  { name: 'KVM_CHECK_EXTENSION', handle: ({ arg, block }) => checkExtension(block.words, arg, block) },
  { name: 'KVM_CREATE_VCPU', handle: createVcpuFile },
  ...memoryIoctls,
  { name: 'KVM_IRQ_LINE', handle: irqLine },
  { name: 'KVM_IRQ_LINE_STATUS', handle: irqLine },
  {
    name: 'KVM_REGISTER_COALESCED_MMIO',
    handle: (call) => registerZone(call.block, zoneOf(call), call.thread.host),
  },
  {
    name: 'KVM_UNREGISTER_COALESCED_MMIO',
    handle: (call) => unregisterZone(call.block, zoneOf(call), call.thread.host),
  },
  { name: 'KVM_IOEVENTFD', handle: ioEventfd },
  { name: 'KVM_IRQFD', handle: irqfd },
  { name: 'KVM_SET_GSI_ROUTING', handle: gsiRouting },
  { name: 'KVM_SIGNAL_MSI', handle: signalMsi },
  {
    name: 'KVM_CREATE_IRQCHIP',
    handle: ({ block: vm, thread: { host } }) => createGic(vm, KVM_DEV_TYPE_ARM_VGIC_V2, host),
  },
  {
    name: 'KVM_ARM_SET_DEVICE_ADDR',
    handle({ block: vm, thread: { argument } }) {
      const { id, addr } = kvmArmDeviceAddr.view(argument, 0);
      return setDeviceAddress(vm, id, BigInt(addr));
    },
  },
  { name: 'KVM_ARM_PREFERRED_TARGET', handle: preferredTarget },
  { name: 'KVM_ENABLE_CAP', handle: enableCap },
  { name: 'KVM_SET_DEVICE_ATTR', range: VM_ATTRIBUTES, handle: attributes(true) },
  { name: 'KVM_HAS_DEVICE_ATTR', range: VM_ATTRIBUTES, handle: attributes(false) },
  { name: 'KVM_ARM_SET_COUNTER_OFFSET', handle: setCounterOffsets },
  { name: 'KVM_CREATE_DEVICE', handle: createDevice },
  { name: 'KVM_GET_STATS_FD', handle: ({ block: vm, thread: { host } }) => openStats(vm, undefined, host) },
  { name: 'KVM_ARM_GET_REG_WRITABLE_MASKS', handle: getRegWritableMasks },
  { name: 'VKVM_FLUSH_ICACHE', handle: flushIcache },
  { name: 'VKVM_CLOCK', handle: moveClock },
  {
    name: 'VKVM_SECURE_LOAD',
    handle: ({ block: vm, thread: { host, argument } }) =>
      loadSecure(vm, vkvmSecureLoad.read(argument, 0), host),
  },
  { name: 'VKVM_SECURE_VCPU', handle: openSecure },
  {
    name: 'VKVM_PSCI_ROUTE',
    handle: ({ block: vm, thread: { host, argument } }) =>
      addPsciRoute(vm, vkvmPsciRoute.read(argument, 0), host),
  },
];
