/**
 * KVM_DEV_TYPE_ARM_VGIC_V2: attributes, and the older KVM_ARM_SET_DEVICE_ADDR. Source:
 * Documentation/virt/kvm/devices/arm-vgic.rst; the order of the checks is that of arch/arm64/kvm/vgic.
 *
 * The VM lock is held by every caller.
 */
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENXIO,
  KVM_DEV_ARM_VGIC_CPUID_MASK,
  KVM_DEV_ARM_VGIC_CPUID_SHIFT,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CPU_REGS,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_ARM_VGIC_OFFSET_MASK,
  KVM_VGIC_V2_ADDR_TYPE_CPU,
  KVM_VGIC_V2_ADDR_TYPE_DIST,
  KVM_VGIC_V2_CPU_SIZE,
  KVM_VGIC_V2_DIST_SIZE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { VCPU_ID } from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { holds } from '../state/profile.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { VGIC_LOCK } from '../state/vm-control.ts';
import { getUser, putUser } from '../uaccess.ts';
import { initialise, isGicV2 } from './create.ts';
import { checkFrame, noteFrame } from './frame.ts';
import { giccUserRows } from './gicc.ts';
import { gicdV2Rows } from './gicd-v2.ts';
import { getInterruptCount, setInterruptCount } from './interrupt-count.ts';
import { vcpusOf } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { WIDTH_32, findRow, userReadRegister, userWriteRegister } from './regions.ts';
import type { RegisterRow } from './regions.ts';
import { CPU_INTERFACE_BASE, CPU_INTERFACE_PLACED, DISTRIBUTOR_BASE, DISTRIBUTOR_PLACED } from './state.ts';
import { VALUE_FIRST } from './value-first.ts';

/** What an address reads as that was not set. */
const UNSET = 0xffff_ffff_ffff_ffffn;
const ALIGNMENT = 0x1000n;

/** A frame: how long it is, and where the VM's block says where it lies. */
interface Frame {
  readonly size: number;
  readonly placed: number;
  readonly base: number;
}

const DISTRIBUTOR: Frame = {
  size: KVM_VGIC_V2_DIST_SIZE,
  placed: DISTRIBUTOR_PLACED,
  base: DISTRIBUTOR_BASE,
};
const CPU_INTERFACE: Frame = {
  size: KVM_VGIC_V2_CPU_SIZE,
  placed: CPU_INTERFACE_PLACED,
  base: CPU_INTERFACE_BASE,
};

function frameOf(type: bigint): Frame | undefined {
  if (type === BigInt(KVM_VGIC_V2_ADDR_TYPE_DIST)) return DISTRIBUTOR;
  return type === BigInt(KVM_VGIC_V2_ADDR_TYPE_CPU) ? CPU_INTERFACE : undefined;
}

/** @returns 0 or -errno */
function place(vm: Block, { size, placed, base }: Frame, address: bigint): number {
  const isPlaced = vm.get32(placed) !== 0;
  const error = checkFrame(vm, { base: address, size, alignment: ALIGNMENT, isPlaced });
  if (error !== 0) return error;
  vm.setNumber(base, Number(address));
  noteFrame(vm, Number(address), size);
  vm.set32(placed, 1);
  return 0;
}

/** The only device that KVM_ARM_SET_DEVICE_ADDR knows. Source: asm/kvm.h, KVM_ARM_DEVICE_VGIC_V2. */
const DEVICE_VGIC_V2 = 0n;
const DEVICE_SHIFT = 16n;
const FIELD_MASK = 0xffffn;

/** KVM_ARM_SET_DEVICE_ADDR. @param id - device in bits 31–16, type of the address in 15–0 */
export function setDeviceAddress(vm: Block, id: bigint, address: bigint): number {
  const frame = frameOf(id & FIELD_MASK);
  if (((id >> DEVICE_SHIFT) & FIELD_MASK) !== DEVICE_VGIC_V2 || !frame || !isGicV2(vm)) return -ENODEV;
  return place(vm, frame, address);
}

/**
 * What the first KVM_RUN of a VM checks.
 * @returns 0; -ENXIO: an address is unset; -EINVAL: the frames overlap
 */
export function mapResourcesV2(vm: Block, host: Host): number {
  if (vm.get32(DISTRIBUTOR_PLACED) === 0 || vm.get32(CPU_INTERFACE_PLACED) === 0) return -ENXIO;
  const distributor = vm.getNumber(DISTRIBUTOR_BASE);
  const cpuInterface = vm.getNumber(CPU_INTERFACE_BASE);
  const apart =
    distributor + KVM_VGIC_V2_DIST_SIZE <= cpuInterface || cpuInterface + KVM_VGIC_V2_CPU_SIZE <= distributor;
  return apart ? initialise(vm, host) : -EINVAL;
}

const isRegisterGroup = (group: number): boolean =>
  group === KVM_DEV_ARM_VGIC_GRP_DIST_REGS || group === KVM_DEV_ARM_VGIC_GRP_CPU_REGS;

/** A register that an attribute names: by the id of a vCPU, and an offset. */
interface Register {
  readonly gic: Gic;
  readonly rows: readonly RegisterRow[];
  readonly vcpu: number;
  readonly offset: number;
}

function registerOf(vm: Block, group: number, attr: bigint, host: Host): Register | undefined {
  const gic: Gic = { words: vm.words, vm: vm.base, host };
  const id = Number((attr & KVM_DEV_ARM_VGIC_CPUID_MASK) >> BigInt(KVM_DEV_ARM_VGIC_CPUID_SHIFT));
  for (const vcpu of vcpusOf(gic)) {
    if (vm.words.get32(vcpu + VCPU_ID) !== id) continue;
    const rows = group === KVM_DEV_ARM_VGIC_GRP_DIST_REGS ? gicdV2Rows : giccUserRows(gic);
    return { gic, rows, vcpu, offset: Number(attr & KVM_DEV_ARM_VGIC_OFFSET_MASK) };
  }
  return undefined;
}

/** Looks at a register while nothing else does; the GIC is initialised if it is not. */
function access(vm: Block, host: Host, body: () => number): number {
  return withVcpusLocked(vm, host, -EBUSY, () => {
    initialise(vm, host);
    return withLock(vm.words, vm.base + VGIC_LOCK, host, body);
  });
}

/** KVM_SET_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute */
export function vgicV2SetAttr(
  vm: Block,
  group: number,
  attr: bigint,
  userAddress: number,
  host: Host,
): number {
  if (isRegisterGroup(group)) {
    const value = getUser(vm.words, userAddress, 4);
    if (value === undefined && holds(vm, VALUE_FIRST)) return -EFAULT;
    const register = registerOf(vm, group, attr, host);
    if (!register) return -EINVAL;
    if (value === undefined) return -EFAULT;
    const { gic, rows, vcpu, offset } = register;
    return access(vm, host, () => userWriteRegister(gic, rows, vcpu, offset, Number(value)));
  }
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR: {
      const address = getUser(vm.words, userAddress, 8);
      if (address === undefined) return -EFAULT;
      const frame = frameOf(attr);
      return frame ? place(vm, frame, address) : -ENXIO;
    }
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return setInterruptCount(vm, userAddress);
    case KVM_DEV_ARM_VGIC_GRP_CTRL:
      return attr === BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT) ? initialise(vm, host) : -ENXIO;
    default:
      return -ENXIO;
  }
}

/** KVM_GET_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute, or it only takes */
export function vgicV2GetAttr(
  vm: Block,
  group: number,
  attr: bigint,
  userAddress: number,
  host: Host,
): number {
  const { words } = vm;
  if (isRegisterGroup(group)) {
    const register = registerOf(vm, group, attr, host);
    if (!register) return -EINVAL;
    const { gic, rows, vcpu, offset } = register;
    let value = 0;
    const error = access(vm, host, () => {
      value = userReadRegister(gic, rows, vcpu, offset);
      return 0;
    });
    return error || putUser(words, userAddress, 4, BigInt(value));
  }
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR: {
      if (holds(vm, VALUE_FIRST) && getUser(words, userAddress, 8) === undefined) return -EFAULT;
      const frame = frameOf(attr);
      if (!frame) return -ENXIO;
      return putUser(words, userAddress, 8, vm.get32(frame.placed) === 0 ? UNSET : vm.get64(frame.base));
    }
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return getInterruptCount(vm, userAddress);
    default:
      return -ENXIO;
  }
}

/** KVM_HAS_DEVICE_ATTR. @returns 0; -ENXIO no such attribute; -EINVAL it names no vCPU */
export function vgicV2HasAttr(vm: Block, group: number, attr: bigint, host: Host): number {
  if (isRegisterGroup(group)) {
    const register = registerOf(vm, group, attr, host);
    if (!register) return -EINVAL;
    return findRow(register.gic, register.rows, register.offset, WIDTH_32) ? 0 : -ENXIO;
  }
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return frameOf(attr) ? 0 : -ENXIO;
    case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
      return 0;
    case KVM_DEV_ARM_VGIC_GRP_CTRL:
      return attr === BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT) ? 0 : -ENXIO;
    default:
      return -ENXIO;
  }
}
