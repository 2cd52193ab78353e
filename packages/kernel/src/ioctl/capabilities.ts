/**
 * KVM_CHECK_EXTENSION and KVM_ENABLE_CAP: one row a capability that is not 0. A capability is announced when the whole of
 * what it stands for works, in profiles that have it: uapi's rows say which.
 */
import {
  ABI_REVISION,
  CAPS,
  EINVAL,
  KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED,
  KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE,
  KVM_CAP_ARM_INJECT_EXT_DABT,
  KVM_CAP_ARM_INJECT_SERROR_ESR,
  KVM_CAP_ARM_IRQ_LINE_LAYOUT_2,
  KVM_CAP_ARM_NISV_TO_USER,
  KVM_CAP_ARM_PMU_V3,
  KVM_CAP_ARM_PMU_V3_STRICT,
  KVM_CAP_ARM_PSCI,
  KVM_CAP_ARM_PSCI_0_2,
  KVM_CAP_ARM_SEA_TO_USER,
  KVM_CAP_ARM_SET_DEVICE_ADDR,
  KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES,
  KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES,
  KVM_CAP_ARM_SYSTEM_SUSPEND,
  KVM_CAP_ARM_USER_IRQ,
  KVM_CAP_ARM_VM_IPA_SIZE,
  KVM_CAP_ARM_WRITABLE_IMP_ID_REGS,
  KVM_CAP_BINARY_STATS_FD,
  KVM_CAP_CHECK_EXTENSION_VM,
  KVM_CAP_COALESCED_MMIO,
  KVM_CAP_COALESCED_PIO,
  KVM_CAP_COUNTER_OFFSET,
  KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
  KVM_CAP_DEVICE_CTRL,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP,
  KVM_CAP_ENABLE_CAP_VM,
  KVM_CAP_GUEST_DEBUG_HW_BPS,
  KVM_CAP_GUEST_DEBUG_HW_WPS,
  KVM_CAP_GUEST_MEMFD,
  KVM_CAP_GUEST_MEMFD_FLAGS,
  KVM_CAP_HALT_POLL,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_INTERNAL_ERROR_DATA,
  KVM_CAP_IOEVENTFD,
  KVM_CAP_IOEVENTFD_ANY_LENGTH,
  KVM_CAP_IRQCHIP,
  KVM_CAP_IRQFD,
  KVM_CAP_IRQFD_RESAMPLE,
  KVM_CAP_IRQ_ROUTING,
  KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_MAX_VCPU_ID,
  KVM_CAP_MP_STATE,
  KVM_CAP_MSI_DEVID,
  KVM_CAP_NR_MEMSLOTS,
  KVM_CAP_NR_VCPUS,
  KVM_CAP_ONE_REG,
  KVM_CAP_PTP_KVM,
  KVM_CAP_READONLY_MEM,
  KVM_CAP_SET_GUEST_DEBUG,
  KVM_CAP_SET_GUEST_DEBUG2,
  KVM_CAP_SIGNAL_MSI,
  KVM_CAP_STEAL_TIME,
  KVM_CAP_SYNC_MMU,
  KVM_CAP_SYSTEM_EVENT_DATA,
  KVM_CAP_USER_MEMORY,
  KVM_CAP_USER_MEMORY2,
  KVM_CAP_VCPU_ATTRIBUTES,
  KVM_CAP_VCPU_EVENTS,
  KVM_COALESCED_MMIO_PAGE_OFFSET,
  KVM_DIRTY_LOG_INITIALLY_SET,
  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
  VKVM_CAP_ABI_REVISION,
  VKVM_CAP_DETERMINISTIC,
  VKVM_CAP_PROFILE,
  VKVM_CAP_PSCI_OWNER,
  VKVM_CAP_SLICE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { PSCI_OWNERS, setPsciOwner } from '../psci/owner.ts';
import type { Block } from '../state/block.ts';
import { GUEST_DEBUG_FLAGS } from '../state/guest-debug.ts';
import { MAX_IRQ_ROUTES } from '../state/irq-routing.ts';
import { holds, releaseOf, releases } from '../state/profile.ts';
import {
  EAGER_SPLIT_CHUNK,
  MAX_VCPUS,
  NISV_TO_USER,
  SLICE,
  SYSTEM_SUSPEND,
  WRITABLE_IMP_ID_REGS,
} from '../state/vm-control.ts';
import { VCPU_COUNT } from '../state/vm-state.ts';
import type { Words } from '../state/words.ts';
import { BREAKPOINTS, WATCHPOINTS } from '../sysreg/debug.ts';
import { makeDeterministic } from '../timer/clock.ts';
import { hasIts } from '../vgic/vgic.ts';
import { MAX_IPA_BITS, memslotLimit } from '../vm/features.ts';
import { setManualProtect } from '../vm/dirty-log.ts';
import { BLOCK_SIZES, setEagerSplit } from '../vm/eager-split.ts';
import { MAX_DIRTY_RING_SIZE, enableDirtyRing, enableRingWithBitmap } from '../vm/dirty-ring.ts';
import { GUEST_MEMFD_FLAGS } from '../vm/guest-memfd.ts';
import { KVM_MAX_VCPUS } from '../vm/vm.ts';

/** The arguments of KVM_ENABLE_CAP. */
export interface EnableCap {
  readonly flags: number;
  readonly args: readonly bigint[];
  /** All bytes of `pad` are zero. */
  readonly padIsZero: boolean;
}

interface CapabilityRow {
  readonly number: number;
  /** A function answers for one VM; `undefined` is `/dev/kvm`. */
  readonly value: number | ((vm: Block | undefined, words: Words) => number);
  /** Absent: not to be enabled. @returns 0 or -errno */
  readonly enable?: (vm: Block, cap: EnableCap, host: Host) => number;
  /** Flags are not looked at; of all others they must be 0. */
  readonly anyFlags?: boolean;
}

/** How many vCPUs are sensible: memory for more of them is scarce. */
const RECOMMENDED_VCPUS = 16;
const MAX_SLICE = 2n ** 53n;

const maxVcpus = (vm: Block | undefined): number => (vm ? vm.get32(MAX_VCPUS) : KVM_MAX_VCPUS);
/** Asked of `/dev/kvm`, some capabilities are an error. */
const onVmOnly =
  (value: number) =>
  (vm: Block | undefined): number =>
    vm ? value : -EINVAL;

const setFlag =
  (offset: number) =>
  (vm: Block): number => {
    vm.set32(offset, 1);
    return 0;
  };

const CAPABILITIES: readonly CapabilityRow[] = [
  { number: KVM_CAP_IRQCHIP, value: 1 },
  { number: KVM_CAP_USER_MEMORY, value: 1 },
  { number: KVM_CAP_NR_VCPUS, value: RECOMMENDED_VCPUS },
  { number: KVM_CAP_NR_MEMSLOTS, value: (_vm, words) => memslotLimit(words) },
  { number: KVM_CAP_MP_STATE, value: 1 },
  // The page of a vCPU's file that the ring is in.
  { number: KVM_CAP_COALESCED_MMIO, value: KVM_COALESCED_MMIO_PAGE_OFFSET },
  { number: KVM_CAP_SYNC_MMU, value: 1 },
  { number: KVM_CAP_DESTROY_MEMORY_REGION_WORKS, value: 1 },
  { number: KVM_CAP_SET_GUEST_DEBUG, value: 1 },
  { number: KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, value: 1 },
  { number: KVM_CAP_IRQ_ROUTING, value: MAX_IRQ_ROUTES },
  { number: KVM_CAP_IRQFD, value: 1 },
  { number: KVM_CAP_IOEVENTFD, value: 1 },
  { number: KVM_CAP_INTERNAL_ERROR_DATA, value: 1 },
  { number: KVM_CAP_VCPU_EVENTS, value: 1 },
  { number: KVM_CAP_MAX_VCPUS, value: maxVcpus },
  { number: KVM_CAP_ONE_REG, value: 1 },
  // As on Linux, whether or not there is an ITS to take messages.
  { number: KVM_CAP_SIGNAL_MSI, value: 1 },
  { number: KVM_CAP_READONLY_MEM, value: 1 },
  { number: KVM_CAP_IRQFD_RESAMPLE, value: 1 },
  { number: KVM_CAP_ARM_PSCI, value: 1 },
  { number: KVM_CAP_ARM_SET_DEVICE_ADDR, value: 1 },
  { number: KVM_CAP_DEVICE_CTRL, value: 1 },
  { number: KVM_CAP_ENABLE_CAP_VM, value: 1 },
  { number: KVM_CAP_ARM_PSCI_0_2, value: 1 },
  { number: KVM_CAP_CHECK_EXTENSION_VM, value: 1 },
  { number: KVM_CAP_GUEST_DEBUG_HW_BPS, value: BREAKPOINTS },
  { number: KVM_CAP_GUEST_DEBUG_HW_WPS, value: WATCHPOINTS },
  { number: KVM_CAP_IOEVENTFD_ANY_LENGTH, value: 1 },
  { number: KVM_CAP_VCPU_ATTRIBUTES, value: 1 },
  { number: KVM_CAP_MAX_VCPU_ID, value: maxVcpus },
  { number: KVM_CAP_ARM_PMU_V3, value: 1 },
  { number: KVM_CAP_MSI_DEVID, value: (vm) => (vm ? Number(hasIts(vm)) : -EINVAL) },
  { number: KVM_CAP_IMMEDIATE_EXIT, value: 1 },
  { number: KVM_CAP_ARM_USER_IRQ, value: 1 },
  { number: KVM_CAP_ARM_INJECT_SERROR_ESR, value: 1 },
  { number: KVM_CAP_COALESCED_PIO, value: 1 },
  { number: KVM_CAP_ARM_VM_IPA_SIZE, value: MAX_IPA_BITS },
  {
    number: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
    value: KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
    enable: (vm, { args: [options = 0n] }) => setManualProtect(vm, options),
  },
  { number: KVM_CAP_ARM_IRQ_LINE_LAYOUT_2, value: 1 },
  { number: KVM_CAP_ARM_NISV_TO_USER, value: 1, enable: setFlag(NISV_TO_USER) },
  { number: KVM_CAP_ARM_INJECT_EXT_DABT, value: 1 },
  // A wait here never polls; how long it may is 32 bits of ns.
  {
    number: KVM_CAP_HALT_POLL,
    value: 1,
    enable: (_vm, { args: [ns = 0n] }) => (ns >> 32n === 0n ? 0 : -EINVAL),
  },
  { number: KVM_CAP_STEAL_TIME, value: 1 },
  { number: KVM_CAP_SET_GUEST_DEBUG2, value: GUEST_DEBUG_FLAGS },
  { number: KVM_CAP_PTP_KVM, value: 1 },
  { number: KVM_CAP_BINARY_STATS_FD, value: 1 },
  { number: KVM_CAP_SYSTEM_EVENT_DATA, value: 1 },
  { number: KVM_CAP_ARM_SYSTEM_SUSPEND, value: 1, enable: setFlag(SYSTEM_SUSPEND) },
  {
    number: KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
    value: MAX_DIRTY_RING_SIZE,
    enable: (vm, { args: [size = 0n] }) => enableDirtyRing(vm, Number(BigInt.asUintN(32, size))),
    anyFlags: true,
  },
  { number: KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, value: 1, enable: enableRingWithBitmap },
  { number: KVM_CAP_COUNTER_OFFSET, value: 1 },
  {
    number: KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE,
    value: (vm) => (vm ? vm.get32(EAGER_SPLIT_CHUNK) : 0),
    enable: (vm, { args: [size = 0n] }) => setEagerSplit(vm, size),
  },
  { number: KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES, value: BLOCK_SIZES },
  { number: KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES, value: 1 },
  { number: KVM_CAP_USER_MEMORY2, value: 1 },
  {
    number: KVM_CAP_ARM_WRITABLE_IMP_ID_REGS,
    value: 1,
    enable: (vm) => (vm.get32(VCPU_COUNT) === 0 ? setFlag(WRITABLE_IMP_ID_REGS)(vm) : -EINVAL),
  },
  { number: KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED, value: onVmOnly(0) },
  { number: KVM_CAP_GUEST_MEMFD, value: 1 },
  { number: KVM_CAP_GUEST_MEMFD_FLAGS, value: GUEST_MEMFD_FLAGS },
  // Memory here has no errors that a guest could run into.
  { number: KVM_CAP_ARM_SEA_TO_USER, value: 1, enable: () => 0 },
  { number: KVM_CAP_ARM_PMU_V3_STRICT, value: 1 },
  { number: VKVM_CAP_ABI_REVISION, value: ABI_REVISION },
  { number: VKVM_CAP_PROFILE, value: (_vm, words) => releaseOf(words) },
  { number: VKVM_CAP_SLICE, value: 1, enable: enableSlice },
  { number: VKVM_CAP_DETERMINISTIC, value: 1, enable: enableDeterministic },
  { number: VKVM_CAP_PSCI_OWNER, value: PSCI_OWNERS, enable: enablePsciOwner },
];

const byNumber = new Map(
  CAPABILITIES.map((row) => [
    row.number,
    { ...row, range: releases(CAPS.find(({ number }) => number === row.number) ?? {}) },
  ]),
);

/** The row of a capability, if the profile has it. */
function lookUp(words: Words, number: number): CapabilityRow | undefined {
  const row = byNumber.get(number);
  return row && holds({ words }, row.range) ? row : undefined;
}

/** @returns the value; 0 for what is unknown; -EINVAL for what only a VM may be asked */
export function checkExtension(words: Words, number: number, vm?: Block): number {
  const value = lookUp(words, number)?.value ?? 0;
  return typeof value === 'function' ? value(vm, words) : value;
}

/** @returns 0 or -errno: EINVAL what cannot be enabled, or not so; EBUSY not any more */
export function enableCapability(vm: Block, number: number, cap: EnableCap, host: Host): number {
  const row = lookUp(vm.words, number);
  if (!row?.enable || (cap.flags !== 0 && !row.anyFlags)) return -EINVAL;
  return row.enable(vm, cap, host);
}

/** args[0] a VKVM_PSCI_OWNER_*. */
function enablePsciOwner(
  vm: Block,
  { args: [owner = 0n, ...rest], padIsZero }: EnableCap,
  host: Host,
): number {
  if (!padIsZero || rest.some((word) => word !== 0n)) return -EINVAL;
  return setPsciOwner(vm, owner, host);
}

/** args[0] the wall-clock time at which the VM's clock starts, in ns since 1970. */
function enableDeterministic(vm: Block, { args: [epoch = 0n, ...rest], padIsZero }: EnableCap): number {
  if (!padIsZero || rest.some((word) => word !== 0n)) return -EINVAL;
  return makeDeterministic(vm, epoch);
}

/** args[0] instructions per KVM_RUN; 0 takes it back. Of our own structs, what is reserved must be zero. */
function enableSlice(vm: Block, { args: [instructions = 0n, ...rest], padIsZero }: EnableCap): number {
  if (!padIsZero || rest.some((word) => word !== 0n) || instructions >= MAX_SLICE) return -EINVAL;
  vm.setNumber(SLICE, Number(instructions));
  return 0;
}
