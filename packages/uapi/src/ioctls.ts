/**
 * Requests of `ioctl`. Source: include/uapi/linux/kvm.h; Documentation/virt/kvm/api.rst, section 4.
 *
 * A number alone does not name a request: look it up together with the kind of descriptor.
 */

import type { LinuxVersion } from './brand.ts';
import { vkvmClock } from './clock.ts';
import { vkvmEngineStats } from './engine-stats.ts';
import { kvmArmDeviceAddr, kvmCreateDevice, kvmDeviceAttr } from './device.ts';
import { kvmCoalescedMmioZone, kvmIoeventfd, kvmIrqLevel, kvmIrqRouting, kvmIrqfd, kvmMsi } from './irq.ts';
import {
  kvmArmCopyMteTags,
  kvmClearDirtyLog,
  kvmCreateGuestMemfd,
  kvmDirtyLog,
  kvmUserspaceMemoryRegion,
  kvmUserspaceMemoryRegion2,
  vkvmFlushIcache,
} from './memory.ts';
import { kvmOneReg, kvmRegList } from './one-reg.ts';
import { vkvmPsciRoute } from './psci-exit.ts';
import { vkvmSecureLoad } from './secure.ts';
import {
  kvmArmCounterOffset,
  kvmEnableCap,
  kvmGuestDebug,
  kvmMpState,
  kvmSignalMask,
  kvmVcpuEvents,
  kvmVcpuFinalize,
  kvmVcpuInit,
  regMaskRange,
} from './vcpu.ts';
import type { Fields, Struct } from './layout.ts';

/** What a descriptor can stand for: `/dev/kvm`, a VM, a vCPU, a device. */
export type FileClass = 'system' | 'vm' | 'vcpu' | 'device';

/** A request. */
export interface IoctlRow<Name extends string = string> {
  readonly name: Name;
  /** All 32 bits. Its size field is the length of `argument`. */
  readonly number: number;
  /** The kinds of descriptor that take it; none: arm64 refuses it with `EINVAL`. */
  readonly files: readonly FileClass[];
  /** `none`: zero is passed, and not 0 may be refused. Otherwise a number, or the address of a struct. */
  readonly argument: 'none' | 'scalar' | Struct<Fields>;
  /** What the kernel really does with the struct, whatever the direction bits of `number` say. */
  readonly direction: 'none' | 'in' | 'out' | 'inout';
  readonly since?: LinuxVersion;
}

/** What `KVM_GET_API_VERSION` answers. */
export const KVM_API_VERSION = 12;
/** Type of KVM's requests. */
export const KVMIO = 0xae;
/** Type of vkvm's own requests; numbers 0x00–0x7f. */
export const VKVMIO = 0x56;
/** Argument of `KVM_CREATE_VM`: mask of the size in bits of guest-physical addresses; 0 is 40. */
export const KVM_VM_TYPE_ARM_IPA_SIZE_MASK = 0xff;
/** Argument of `KVM_CREATE_VM`: a protected VM. */
export const KVM_VM_TYPE_ARM_PROTECTED = 0x8000_0000;

/** 12, for ever. */
export const KVM_GET_API_VERSION = 0xae00;
/** A VM's descriptor; the argument is its IPA bits (0: 40), bit 31 a protected VM. */
export const KVM_CREATE_VM = 0xae01;
/** The value of a capability. */
export const KVM_CHECK_EXTENSION = 0xae03;
/** Bytes of a vCPU's file to map. */
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
/** A vCPU's descriptor; the argument is its id. */
export const KVM_CREATE_VCPU = 0xae41;
/** Dirty pages of a memslot. */
export const KVM_GET_DIRTY_LOG = 0x4010_ae42;
/** Make, move, flag or delete a memslot. */
export const KVM_SET_USER_MEMORY_REGION = 0x4020_ae46;
/** The same, with guest_memfd. */
export const KVM_SET_USER_MEMORY_REGION2 = 0x40a0_ae49;
/** An in-kernel GICv2. */
export const KVM_CREATE_IRQCHIP = 0xae60;
/** Level of an interrupt line. */
export const KVM_IRQ_LINE = 0x4008_ae61;
/** Collect stores to a range in a ring. */
export const KVM_REGISTER_COALESCED_MMIO = 0x4010_ae67;
/** As `KVM_IRQ_LINE`; arm64 never sets the status. */
export const KVM_IRQ_LINE_STATUS = 0xc008_ae67;
/** Undo `KVM_REGISTER_COALESCED_MMIO`. */
export const KVM_UNREGISTER_COALESCED_MMIO = 0x4010_ae68;
/** Replace the routing of GSIs. */
export const KVM_SET_GSI_ROUTING = 0x4008_ae6a;
/** An eventfd raises a GSI. */
export const KVM_IRQFD = 0x4020_ae76;
/** A store signals an eventfd. */
export const KVM_IOEVENTFD = 0x4040_ae79;
/** Run the guest until an exit. */
export const KVM_RUN = 0xae80;
/** Signals blocked during `KVM_RUN`; a null pointer removes it. */
export const KVM_SET_SIGNAL_MASK = 0x4004_ae8b;
/** Power state of a vCPU. */
export const KVM_GET_MP_STATE = 0x8004_ae98;
/** Set the power state of a vCPU. */
export const KVM_SET_MP_STATE = 0x4004_ae99;
/** Debug the guest. */
export const KVM_SET_GUEST_DEBUG = 0x4208_ae9b;
/** Pending SError. */
export const KVM_GET_VCPU_EVENTS = 0x8040_ae9f;
/** Make an SError pending, inject an external abort. */
export const KVM_SET_VCPU_EVENTS = 0x4040_aea0;
/** Switch a capability on. */
export const KVM_ENABLE_CAP = 0x4068_aea3;
/** Deliver a message-signalled interrupt. */
export const KVM_SIGNAL_MSI = 0x4020_aea5;
/** Address of the GICv2. Same number as `KVM_GET_ONE_REG`. */
export const KVM_ARM_SET_DEVICE_ADDR = 0x4010_aeab;
/** Read a register. Same number as `KVM_ARM_SET_DEVICE_ADDR`. */
export const KVM_GET_ONE_REG = 0x4010_aeab;
/** Write a register. */
export const KVM_SET_ONE_REG = 0x4010_aeac;
/** Choose features and reset. */
export const KVM_ARM_VCPU_INIT = 0x4020_aeae;
/** Target and features for `KVM_ARM_VCPU_INIT`. */
export const KVM_ARM_PREFERRED_TARGET = 0x8020_aeaf;
/** Ids of all registers. */
export const KVM_GET_REG_LIST = 0xc008_aeb0;
/** Read or write memory tags. */
export const KVM_ARM_MTE_COPY_TAGS = 0x8030_aeb4;
/** Offset of both counters. Since Linux 6.4. */
export const KVM_ARM_SET_COUNTER_OFFSET = 0x4010_aeb5;
/** Writable bits of feature id registers. Since Linux 6.7. */
export const KVM_ARM_GET_REG_WRITABLE_MASKS = 0x8040_aeb6;
/** Clear dirty pages. */
export const KVM_CLEAR_DIRTY_LOG = 0xc018_aec0;
/** Fix the configuration of a feature. */
export const KVM_ARM_VCPU_FINALIZE = 0x4004_aec2;
/** Take back the entries that user space has read. */
export const KVM_RESET_DIRTY_RINGS = 0xaec7;
/** A descriptor to read statistics from. */
export const KVM_GET_STATS_FD = 0xaece;
/** Memory that user space cannot map. */
export const KVM_CREATE_GUEST_MEMFD = 0xc040_aed4;
/** An in-kernel device. */
export const KVM_CREATE_DEVICE = 0xc00c_aee0;
/** Set an attribute. */
export const KVM_SET_DEVICE_ATTR = 0x4018_aee1;
/** Get an attribute, to where it points. */
export const KVM_GET_DEVICE_ATTR = 0x4018_aee2;
/** Ask for an attribute. */
export const KVM_HAS_DEVICE_ATTR = 0x4018_aee3;
/** User space changed code in guest memory: its own IC IVAU. vkvm's own. */
export const VKVM_FLUSH_ICACHE = 0x4010_5600;
/** Give some PSCI functions another owner than `VKVM_CAP_PSCI_OWNER` says. vkvm's own; since ABI revision 2. */
export const VKVM_PSCI_ROUTE = 0x4010_5601;
/** Inject a secure runtime, once, before the VM runs. vkvm's own; since ABI revision 2. */
export const VKVM_SECURE_LOAD = 0x4048_5602;
/** A descriptor of the secure runtime's vCPU, which takes requests about registers only. vkvm's own; since ABI revision 2. */
export const VKVM_SECURE_VCPU = 0x5603;
/** Read the clock of a deterministic VM, and let time pass. vkvm's own; since ABI revision 3. */
export const VKVM_CLOCK = 0xc008_5604;
/** What the engine of a vCPU did. vkvm's own; since ABI revision 3. */
export const VKVM_GET_ENGINE_STATS = 0x8040_5605;

/** Refused on arm64. */
export const KVM_SET_TSS_ADDR = 0xae47;
/** Refused on arm64. */
export const KVM_GET_IRQCHIP = 0xc208_ae62;
/** Refused on arm64. */
export const KVM_SET_BOOT_CPU_ID = 0xae78;
/** Refused on arm64. */
export const KVM_GET_CLOCK = 0x8030_ae7c;
/** Refused on arm64. */
export const KVM_GET_REGS = 0x8360_ae81;
/** Refused on arm64. */
export const KVM_SET_REGS = 0x4360_ae82;
/** Refused on arm64. */
export const KVM_GET_SREGS = 0x8000_ae83;
/** Refused on arm64. */
export const KVM_SET_SREGS = 0x4000_ae84;
/** Refused on arm64. */
export const KVM_TRANSLATE = 0xc018_ae85;
/** Refused on arm64. */
export const KVM_INTERRUPT = 0x4004_ae86;
/** Refused on arm64. */
export const KVM_GET_FPU = 0x8000_ae8c;
/** Refused on arm64. */
export const KVM_SET_FPU = 0x4000_ae8d;
/** Refused on arm64. */
export const KVM_NMI = 0xae9a;
/** Refused on arm64. */
export const KVM_KVMCLOCK_CTRL = 0xaead;
/** Refused on arm64. */
export const KVM_SMI = 0xaeb7;
/** Refused on arm64. */
export const KVM_SET_MEMORY_ATTRIBUTES = 0x4020_aed2;
/** Refused on arm64. */
export const KVM_PRE_FAULT_MEMORY = 0xc040_aed5;

const rows = [
  {
    name: 'KVM_GET_API_VERSION',
    number: KVM_GET_API_VERSION,
    files: ['system'],
    argument: 'none',
    direction: 'none',
  },
  { name: 'KVM_CREATE_VM', number: KVM_CREATE_VM, files: ['system'], argument: 'scalar', direction: 'none' },
  {
    name: 'KVM_CHECK_EXTENSION',
    number: KVM_CHECK_EXTENSION,
    files: ['system', 'vm'],
    argument: 'scalar',
    direction: 'none',
  },
  {
    name: 'KVM_GET_VCPU_MMAP_SIZE',
    number: KVM_GET_VCPU_MMAP_SIZE,
    files: ['system'],
    argument: 'none',
    direction: 'none',
  },
  { name: 'KVM_CREATE_VCPU', number: KVM_CREATE_VCPU, files: ['vm'], argument: 'scalar', direction: 'none' },
  {
    name: 'KVM_GET_DIRTY_LOG',
    number: KVM_GET_DIRTY_LOG,
    files: ['vm'],
    argument: kvmDirtyLog,
    direction: 'in',
  },
  {
    name: 'KVM_SET_USER_MEMORY_REGION',
    number: KVM_SET_USER_MEMORY_REGION,
    files: ['vm'],
    argument: kvmUserspaceMemoryRegion,
    direction: 'in',
  },
  {
    name: 'KVM_SET_USER_MEMORY_REGION2',
    number: KVM_SET_USER_MEMORY_REGION2,
    files: ['vm'],
    argument: kvmUserspaceMemoryRegion2,
    direction: 'in',
    since: '6.8',
  },
  {
    name: 'KVM_CREATE_IRQCHIP',
    number: KVM_CREATE_IRQCHIP,
    files: ['vm'],
    argument: 'none',
    direction: 'none',
  },
  { name: 'KVM_IRQ_LINE', number: KVM_IRQ_LINE, files: ['vm'], argument: kvmIrqLevel, direction: 'in' },
  {
    name: 'KVM_REGISTER_COALESCED_MMIO',
    number: KVM_REGISTER_COALESCED_MMIO,
    files: ['vm'],
    argument: kvmCoalescedMmioZone,
    direction: 'in',
  },
  {
    name: 'KVM_IRQ_LINE_STATUS',
    number: KVM_IRQ_LINE_STATUS,
    files: ['vm'],
    argument: kvmIrqLevel,
    direction: 'inout',
  },
  {
    name: 'KVM_UNREGISTER_COALESCED_MMIO',
    number: KVM_UNREGISTER_COALESCED_MMIO,
    files: ['vm'],
    argument: kvmCoalescedMmioZone,
    direction: 'in',
  },
  {
    name: 'KVM_SET_GSI_ROUTING',
    number: KVM_SET_GSI_ROUTING,
    files: ['vm'],
    argument: kvmIrqRouting,
    direction: 'in',
    since: '4.8',
  },
  { name: 'KVM_IRQFD', number: KVM_IRQFD, files: ['vm'], argument: kvmIrqfd, direction: 'in', since: '4.1' },
  {
    name: 'KVM_IOEVENTFD',
    number: KVM_IOEVENTFD,
    files: ['vm'],
    argument: kvmIoeventfd,
    direction: 'in',
    since: '4.1',
  },
  { name: 'KVM_RUN', number: KVM_RUN, files: ['vcpu'], argument: 'none', direction: 'none' },
  {
    name: 'KVM_SET_SIGNAL_MASK',
    number: KVM_SET_SIGNAL_MASK,
    files: ['vcpu'],
    argument: kvmSignalMask,
    direction: 'in',
  },
  {
    name: 'KVM_GET_MP_STATE',
    number: KVM_GET_MP_STATE,
    files: ['vcpu'],
    argument: kvmMpState,
    direction: 'out',
    since: '4.1',
  },
  {
    name: 'KVM_SET_MP_STATE',
    number: KVM_SET_MP_STATE,
    files: ['vcpu'],
    argument: kvmMpState,
    direction: 'in',
    since: '4.1',
  },
  {
    name: 'KVM_SET_GUEST_DEBUG',
    number: KVM_SET_GUEST_DEBUG,
    files: ['vcpu'],
    argument: kvmGuestDebug,
    direction: 'in',
    since: '4.3',
  },
  {
    name: 'KVM_GET_VCPU_EVENTS',
    number: KVM_GET_VCPU_EVENTS,
    files: ['vcpu'],
    argument: kvmVcpuEvents,
    direction: 'out',
    since: '4.19',
  },
  {
    name: 'KVM_SET_VCPU_EVENTS',
    number: KVM_SET_VCPU_EVENTS,
    files: ['vcpu'],
    argument: kvmVcpuEvents,
    direction: 'in',
    since: '4.19',
  },
  { name: 'KVM_ENABLE_CAP', number: KVM_ENABLE_CAP, files: ['vm'], argument: kvmEnableCap, direction: 'in' },
  {
    name: 'KVM_SIGNAL_MSI',
    number: KVM_SIGNAL_MSI,
    files: ['vm'],
    argument: kvmMsi,
    direction: 'in',
    since: '4.8',
  },
  {
    name: 'KVM_ARM_SET_DEVICE_ADDR',
    number: KVM_ARM_SET_DEVICE_ADDR,
    files: ['vm'],
    argument: kvmArmDeviceAddr,
    direction: 'in',
  },
  {
    name: 'KVM_GET_ONE_REG',
    number: KVM_GET_ONE_REG,
    files: ['vcpu'],
    argument: kvmOneReg,
    direction: 'in',
  },
  {
    name: 'KVM_SET_ONE_REG',
    number: KVM_SET_ONE_REG,
    files: ['vcpu'],
    argument: kvmOneReg,
    direction: 'in',
  },
  {
    name: 'KVM_ARM_VCPU_INIT',
    number: KVM_ARM_VCPU_INIT,
    files: ['vcpu'],
    argument: kvmVcpuInit,
    direction: 'in',
  },
  {
    name: 'KVM_ARM_PREFERRED_TARGET',
    number: KVM_ARM_PREFERRED_TARGET,
    files: ['vm'],
    argument: kvmVcpuInit,
    direction: 'out',
  },
  {
    name: 'KVM_GET_REG_LIST',
    number: KVM_GET_REG_LIST,
    files: ['vcpu'],
    argument: kvmRegList,
    direction: 'inout',
  },
  {
    name: 'KVM_ARM_MTE_COPY_TAGS',
    number: KVM_ARM_MTE_COPY_TAGS,
    files: ['vm'],
    argument: kvmArmCopyMteTags,
    direction: 'in',
  },
  {
    name: 'KVM_ARM_SET_COUNTER_OFFSET',
    number: KVM_ARM_SET_COUNTER_OFFSET,
    files: ['vm'],
    argument: kvmArmCounterOffset,
    direction: 'in',
    since: '6.4',
  },
  {
    name: 'KVM_ARM_GET_REG_WRITABLE_MASKS',
    number: KVM_ARM_GET_REG_WRITABLE_MASKS,
    files: ['vm'],
    argument: regMaskRange,
    direction: 'in',
    since: '6.7',
  },
  {
    name: 'KVM_CLEAR_DIRTY_LOG',
    number: KVM_CLEAR_DIRTY_LOG,
    files: ['vm'],
    argument: kvmClearDirtyLog,
    direction: 'in',
  },
  {
    name: 'KVM_ARM_VCPU_FINALIZE',
    number: KVM_ARM_VCPU_FINALIZE,
    files: ['vcpu'],
    argument: kvmVcpuFinalize,
    direction: 'in',
    since: '5.2',
  },
  {
    name: 'KVM_RESET_DIRTY_RINGS',
    number: KVM_RESET_DIRTY_RINGS,
    files: ['vm'],
    argument: 'none',
    direction: 'none',
  },
  {
    name: 'KVM_GET_STATS_FD',
    number: KVM_GET_STATS_FD,
    files: ['vm', 'vcpu'],
    argument: 'none',
    direction: 'none',
    since: '5.14',
  },
  {
    name: 'KVM_CREATE_GUEST_MEMFD',
    number: KVM_CREATE_GUEST_MEMFD,
    files: ['vm'],
    argument: kvmCreateGuestMemfd,
    direction: 'in',
  },
  {
    name: 'KVM_CREATE_DEVICE',
    number: KVM_CREATE_DEVICE,
    files: ['vm'],
    argument: kvmCreateDevice,
    direction: 'inout',
  },
  {
    name: 'KVM_SET_DEVICE_ATTR',
    number: KVM_SET_DEVICE_ATTR,
    files: ['vm', 'vcpu', 'device'],
    argument: kvmDeviceAttr,
    direction: 'in',
  },
  {
    name: 'KVM_GET_DEVICE_ATTR',
    number: KVM_GET_DEVICE_ATTR,
    files: ['vcpu', 'device'],
    argument: kvmDeviceAttr,
    direction: 'in',
  },
  {
    name: 'KVM_HAS_DEVICE_ATTR',
    number: KVM_HAS_DEVICE_ATTR,
    files: ['vm', 'vcpu', 'device'],
    argument: kvmDeviceAttr,
    direction: 'in',
  },
  {
    name: 'VKVM_FLUSH_ICACHE',
    number: VKVM_FLUSH_ICACHE,
    files: ['vm'],
    argument: vkvmFlushIcache,
    direction: 'in',
  },
  {
    name: 'VKVM_PSCI_ROUTE',
    number: VKVM_PSCI_ROUTE,
    files: ['vm'],
    argument: vkvmPsciRoute,
    direction: 'in',
  },
  {
    name: 'VKVM_SECURE_LOAD',
    number: VKVM_SECURE_LOAD,
    files: ['vm'],
    argument: vkvmSecureLoad,
    direction: 'in',
  },
  {
    name: 'VKVM_SECURE_VCPU',
    number: VKVM_SECURE_VCPU,
    files: ['vm'],
    argument: 'none',
    direction: 'none',
  },
  { name: 'VKVM_CLOCK', number: VKVM_CLOCK, files: ['vm'], argument: vkvmClock, direction: 'inout' },
  {
    name: 'VKVM_GET_ENGINE_STATS',
    number: VKVM_GET_ENGINE_STATS,
    files: ['vcpu'],
    argument: vkvmEngineStats,
    direction: 'out',
  },
  { name: 'KVM_SET_TSS_ADDR', number: KVM_SET_TSS_ADDR, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_GET_IRQCHIP', number: KVM_GET_IRQCHIP, files: [], argument: 'none', direction: 'none' },
  {
    name: 'KVM_SET_BOOT_CPU_ID',
    number: KVM_SET_BOOT_CPU_ID,
    files: [],
    argument: 'none',
    direction: 'none',
  },
  { name: 'KVM_GET_CLOCK', number: KVM_GET_CLOCK, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_GET_REGS', number: KVM_GET_REGS, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_SET_REGS', number: KVM_SET_REGS, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_GET_SREGS', number: KVM_GET_SREGS, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_SET_SREGS', number: KVM_SET_SREGS, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_TRANSLATE', number: KVM_TRANSLATE, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_INTERRUPT', number: KVM_INTERRUPT, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_GET_FPU', number: KVM_GET_FPU, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_SET_FPU', number: KVM_SET_FPU, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_NMI', number: KVM_NMI, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_KVMCLOCK_CTRL', number: KVM_KVMCLOCK_CTRL, files: [], argument: 'none', direction: 'none' },
  { name: 'KVM_SMI', number: KVM_SMI, files: [], argument: 'none', direction: 'none' },
  {
    name: 'KVM_SET_MEMORY_ATTRIBUTES',
    number: KVM_SET_MEMORY_ATTRIBUTES,
    files: [],
    argument: 'none',
    direction: 'none',
  },
  {
    name: 'KVM_PRE_FAULT_MEMORY',
    number: KVM_PRE_FAULT_MEMORY,
    files: [],
    argument: 'none',
    direction: 'none',
  },
] as const satisfies readonly IoctlRow[];

/** Name of a request. */
export type IoctlName = (typeof rows)[number]['name'];

/** Every request. Each pair of number and kind of descriptor stands once. */
export const IOCTLS: readonly IoctlRow<IoctlName>[] = rows;
