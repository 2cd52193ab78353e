/** Registers of the GIC as user space saves and restores them: the register groups of the device. */
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENOENT,
  ENXIO,
  KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
  KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ,
  KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
  KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT,
  KVM_DEV_ARM_VGIC_LINE_LEVEL_INTID_MASK,
  KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK,
  KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT,
  SYSREGS,
  VGIC_LEVEL_INFO_LINE_LEVEL,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { VGIC_LOCK } from '../state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import { getUser, putUser } from '../uaccess.ts';
import { GICD_IIDR, GICD_TYPER2, gicdRows } from './gicd.ts';
import { gicrRows } from './gicr.ts';
import { ICC_REGISTERS } from './icc.ts';
import { bankChanged, interruptCount, vcpuByAffinity } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { WIDTH_32, findRow, userReadRegister, userWriteRegister } from './regions.ts';
import { EDGE, INITIALISED, LINE, MAINTENANCE_INTID, PRIVATE_COUNT, SGI_COUNT, bankIndex } from './state.ts';
import { VALUE_FIRST } from './value-first.ts';

/** CPU interface registers that user space knows, by their encoding. */
const iccByKey = new Map(
  ICC_REGISTERS.filter(({ userRead }) => userRead !== undefined).map((row) => [SYSREGS[row.name], row]),
);

const keyOf = (attr: bigint): number => Number(attr & KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK);
const lowWord = (attr: bigint): number => Number(BigInt.asUintN(32, attr));

/** The vCPU an attribute names, by its affinity; the distributor is reached through the first one. 0 = none. */
function vcpuOf(gic: Gic, group: number, attr: bigint): number {
  const { words, vm } = gic;
  if (group === KVM_DEV_ARM_VGIC_GRP_DIST_REGS) {
    return words.get32(vm + VCPU_COUNT) === 0 ? 0 : words.get32(vm + VCPU_TABLE);
  }
  return vcpuByAffinity(gic, Number(attr >> BigInt(KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT)));
}

const rowsOf = (group: number) => (group === KVM_DEV_ARM_VGIC_GRP_DIST_REGS ? gicdRows : gicrRows);

/** Identification registers may be set before the GIC is initialised; the maintenance interrupt must be. */
function isTimely(vm: Block, group: number, attr: bigint): boolean {
  const initialised = vm.get32(INITIALISED) !== 0;
  if (group === KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ) return !initialised;
  const offset = lowWord(attr);
  const early = group === KVM_DEV_ARM_VGIC_GRP_DIST_REGS && (offset === GICD_IIDR || offset === GICD_TYPER2);
  return initialised || (early && holds(vm, NESTED));
}

const infoOf = (attr: bigint): number => lowWord(attr) >>> KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;

/** The lines of 32 interrupts that exist and are not SGIs; then where they are. */
function linesOf(gic: Gic, vcpu: number, intid: number): { mask: number; bank: number; number: number } {
  const number = intid >>> 5;
  const mask = intid >= interruptCount(gic) ? 0 : number === 0 ? -1 << SGI_COUNT : -1;
  return { mask, bank: bankIndex(gic.vm, vcpu, mask === 0 ? 0 : number), number };
}

function readLines(gic: Gic, vcpu: number, intid: number): number {
  const { u32 } = gic.words;
  const { mask, bank } = linesOf(gic, vcpu, intid);
  return (u32[bank + (LINE >>> 2)]! & ~u32[bank + (EDGE >>> 2)]! & mask) >>> 0;
}

function writeLines(gic: Gic, vcpu: number, intid: number, value: number): void {
  const { u32 } = gic.words;
  const { mask, bank, number } = linesOf(gic, vcpu, intid);
  if (mask === 0) return;
  const word = bank + (LINE >>> 2);
  u32[word] = (u32[word]! & ~mask) | (value & mask);
  bankChanged(gic, vcpu, number);
}

/** What a CPU interface register that there is not is answered. */
const IS_NO_ENTRY = releases({ since: '6.1' });
const noInterfaceRegister = (gic: Gic): number => (holds(gic, IS_NO_ENTRY) ? -ENOENT : -ENXIO);

/** @returns the value, or -errno */
function read(gic: Gic, vcpu: number, group: number, attr: bigint): number {
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS: {
      const row = iccByKey.get(keyOf(attr));
      return row === undefined ? noInterfaceRegister(gic) : row.userRead!(gic, vcpu);
    }
    case KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO: {
      const intid = Number(attr & KVM_DEV_ARM_VGIC_LINE_LEVEL_INTID_MASK);
      if (infoOf(attr) !== VGIC_LEVEL_INFO_LINE_LEVEL || intid % 32 !== 0) return -EINVAL;
      return readLines(gic, vcpu, intid);
    }
    case KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ:
      return gic.words.get32(gic.vm + MAINTENANCE_INTID);
    default:
      return userReadRegister(gic, rowsOf(group), vcpu, lowWord(attr));
  }
}

/** @returns 0 or -errno */
function write(gic: Gic, vcpu: number, group: number, attr: bigint, value: bigint): number {
  const low = lowWord(value);
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS: {
      const row = iccByKey.get(keyOf(attr));
      return row === undefined
        ? noInterfaceRegister(gic)
        : row.userWrite!(gic, vcpu, low, lowWord(value >> 32n));
    }
    case KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO: {
      const intid = Number(attr & KVM_DEV_ARM_VGIC_LINE_LEVEL_INTID_MASK);
      if (infoOf(attr) !== VGIC_LEVEL_INFO_LINE_LEVEL || intid % 32 !== 0) return -EINVAL;
      writeLines(gic, vcpu, intid, low);
      return 0;
    }
    case KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ:
      if (low < SGI_COUNT || low >= PRIVATE_COUNT) return -EINVAL;
      gic.words.set32(gic.vm + MAINTENANCE_INTID, low);
      return 0;
    default:
      return userWriteRegister(gic, rowsOf(group), vcpu, lowWord(attr), low);
  }
}

const bytesOf = (group: number): 4 | 8 => (group === KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS ? 8 : 4);

/** @returns 0 or -errno: EINVAL no such vCPU; EBUSY a vCPU runs, or too early, or too late */
export function getRegister(vm: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  const { words } = vm;
  const gic: Gic = { words, vm: vm.base, host };
  const vcpu = vcpuOf(gic, group, attr);
  if (vcpu === 0) return -EINVAL;
  return withVcpusLocked(vm, host, -EBUSY, () => {
    if (!isTimely(vm, group, attr)) return -EBUSY;
    const value = withLock(words, vm.base + VGIC_LOCK, host, () => read(gic, vcpu, group, attr));
    return value < 0 ? value : putUser(words, userAddress, bytesOf(group), BigInt(value));
  });
}

/** @returns 0 or -errno: as {@link getRegister}, and what the register refuses */
export function setRegister(vm: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  const { words } = vm;
  const gic: Gic = { words, vm: vm.base, host };
  const value = getUser(words, userAddress, bytesOf(group));
  if (value === undefined && holds(vm, VALUE_FIRST)) return -EFAULT;
  const vcpu = vcpuOf(gic, group, attr);
  if (vcpu === 0) return -EINVAL;
  // Of the CPU interface's registers Linux looks at the value last.
  const early = group !== KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS;
  if (early && value === undefined) return -EFAULT;
  return withVcpusLocked(vm, host, -EBUSY, () => {
    if (!isTimely(vm, group, attr)) return -EBUSY;
    if (value === undefined) return -EFAULT;
    return withLock(words, vm.base + VGIC_LOCK, host, () => write(gic, vcpu, group, attr, value));
  });
}

/** @returns 0; -EINVAL no such vCPU; -ENXIO no such register */
export function hasRegister(vm: Block, group: number, attr: bigint, host: Host): number {
  if (group === KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ) return 0;
  if (group === KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO)
    return infoOf(attr) === VGIC_LEVEL_INFO_LINE_LEVEL ? 0 : -ENXIO;
  const gic: Gic = { words: vm.words, vm: vm.base, host };
  if (vcpuOf(gic, group, attr) === 0) return -EINVAL;
  const exists =
    group === KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS
      ? iccByKey.has(keyOf(attr))
      : findRow(gic, rowsOf(group), lowWord(attr), WIDTH_32) !== undefined;
  return exists ? 0 : -ENXIO;
}

/** The maintenance interrupt of a nested guest is chosen by an attribute, and identification registers before INIT. */
const NESTED = releases({ since: '7.3' });

/** Groups that this file serves. */
export const isRegisterGroup = (vm: Block, group: number): boolean =>
  group === KVM_DEV_ARM_VGIC_GRP_DIST_REGS ||
  group === KVM_DEV_ARM_VGIC_GRP_REDIST_REGS ||
  group === KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS ||
  group === KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO ||
  (group === KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ && holds(vm, NESTED));
