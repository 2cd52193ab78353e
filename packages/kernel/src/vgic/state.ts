/**
 * Where the words of a GIC lie, of version 2 or 3. Everything here is written under the VM's vGIC lock, by any thread; what has another
 * rule says so.
 *
 * Interrupts come in banks of 32, all of one layout: bank 0 (SGIs and PPIs) is the vCPU's, bank n (SPIs 32n to
 * 32n + 31) the VM's. A word of a bank has one bit an interrupt.
 */
import { VGIC } from '../state/vcpu-state.ts';
import { VM_VGIC } from '../state/vm-state.ts';

/** Words of a bank, as byte offsets in it. */
export const ENABLED = 0x00;
/** The latch of an edge, or of a write to ISPENDR. The line of a level-sensitive interrupt is apart. */
export const PENDING = 0x04;
/** Input lines. */
export const LINE = 0x08;
export const ACTIVE = 0x0c;
/** 1 = edge-triggered, 0 = level-sensitive. */
export const EDGE = 0x10;
/** 1 = Group 1. */
export const GROUP = 0x14;
/** Derived: pending, enabled and not active. */
export const READY = 0x18;
/** Priorities, a byte each. */
export const PRIORITY = 0x20;
export const BANK_SIZE = 0x40;

/** Bank 0 of a vCPU, from the start of its block. */
export const PRIVATE_BANK = VGIC + 0x00;
/** CPU interface of a vCPU. Priority mask, 8 bits as user space wrote them; the guest sees {@link PRIORITY_MASK}. */
export const PMR = VGIC + 0x40;
/** Binary points as user space wrote them; below the minimum they act as the minimum. */
export const BPR0 = VGIC + 0x44;
export const BPR1 = VGIC + 0x48;
/** ICC_CTLR_EL1: CBPR (bit 0) and EOImode (bit 1). Of a GICv2 more bits of GICC_CTLR: interrupts.ts. */
export const CONTROL = VGIC + 0x4c;
/** ICC_IGRPEN0_EL1 in bit 0, ICC_IGRPEN1_EL1 in bit 1. */
export const GROUPS_ENABLED = VGIC + 0x50;
/** Active priorities of Group 0 and Group 1: bit n is priority 8n. */
export const AP0R = VGIC + 0x54;
export const AP1R = VGIC + 0x58;
/** Derived: the pending interrupt of highest priority in an enabled group, or {@link NONE}; its priority and group. */
export const BEST = VGIC + 0x5c;
export const BEST_PRIORITY = VGIC + 0x60;
export const BEST_GROUP = VGIC + 0x64;
/** ICC_CTLR_EL1.PRIbits and IDbits as user space has lowered them. The guest always sees the full ones. */
export const USER_PRI_BITS = VGIC + 0x68;
export const USER_ID_BITS = VGIC + 0x6c;
/** GICR_CTLR.EnableLPIs. */
export const LPIS_ENABLED = VGIC + 0x70;
/** GICR_PENDBASER, 64 bits. */
export const PENDBASER = VGIC + 0x78;

/** GICv2, a byte an SGI: the vCPUs that have it pending here, a bit each; and the id of the one it is active from. */
export const SGI_SOURCES = VGIC + 0x80;
export const SGI_ACTIVE_SOURCE = VGIC + 0x90;

/** Words of the VM, from the start of its block. Not 0: KVM_DEV_ARM_VGIC_CTRL_INIT is done. */
export const INITIALISED = VM_VGIC + 0x00;
/** Number of SPIs, a multiple of 32; 0 = not chosen yet. */
export const SPI_COUNT = VM_VGIC + 0x04;
/** Not 0: the distributor has an address; then that address, 64 bits. Written under the VM lock. */
export const DISTRIBUTOR_PLACED = VM_VGIC + 0x08;
export const DISTRIBUTOR_BASE = VM_VGIC + 0x10;
/** GICD_CTLR.EnableGrp1. */
export const DISTRIBUTOR_ENABLED = VM_VGIC + 0x18;
/** GICD_IIDR.Revision. */
export const REVISION = VM_VGIC + 0x1c;
/** The maintenance interrupt. Written under the VM lock. */
export const MAINTENANCE_INTID = VM_VGIC + 0x20;
/** Derived: bit n = bank n has a ready SPI. */
export const READY_BANKS = VM_VGIC + 0x24;
/** Redistributor regions by their index: see redistributors.ts. Written under the VM lock. */
export const REGION_COUNT = VM_VGIC + 0x28;
/** GICv2. Not 0: the CPU interface has an address; then that address, 64 bits. Written under the VM lock. */
export const CPU_INTERFACE_PLACED = VM_VGIC + 0x2c;
export const CPU_INTERFACE_BASE = VM_VGIC + 0x30;
/** GICv2. Not 0: user space has chosen a revision, and so may set groups. */
export const GROUPS_WRITABLE = VM_VGIC + 0x38;
/** Not 0: a vCPU's first KVM_RUN could not map the frames, and no other's has since. A GICv3's redistributors do not care. */
export const UNMAPPED = VM_VGIC + 0x3c;
/** Address of the block of the LPIs, which comes with the first ITS; 0 = there are none: lpi-state.ts. */
export const LPIS = VM_VGIC + 0x54;
/** GICR_PROPBASER, 64 bits: one for all redistributors. */
export const PROPBASER = VM_VGIC + 0x40;
/** ITSes: address of the block of the first, 0 = none; and how many. its-state.ts. Written under the VM lock, too. */
export const ITS_FIRST = VM_VGIC + 0x48;
export const ITS_COUNT = VM_VGIC + 0x4c;
/** Not 0: an ITS has commands before it that it did not come to yet. */
export const ITS_BEHIND = VM_VGIC + 0x50;
/** Banks by number; the first is unused. */
const SPI_BANKS = VM_VGIC + 0x1000;
/** GICD_IROUTER by INTID, as Aff2.Aff1.Aff0 (GICv2: GICD_ITARGETSR); and the address of the vCPU it names, 0 = none. */
export const ROUTE = VM_VGIC + 0x2000;
export const TARGET = VM_VGIC + 0x3000;
export const REGIONS = VM_VGIC + 0x4000;

/** No interrupt. Special INTIDs: Arm IHI 0069, 2.2.1. */
export const NONE = 1023;
export const PRIVATE_COUNT = 32;
export const SGI_COUNT = 16;
/** KVM implements 32 priorities: bits 7 to 3. */
export const PRIORITY_BITS = 5;
export const PRIORITY_MASK = 0xf8;

/** Address of a bank, as an index of the words of 32 bits. @param vm, vcpu - addresses of the blocks */
export const bankIndex = (vm: number, vcpu: number, bank: number): number =>
  (bank === 0 ? vcpu + PRIVATE_BANK : vm + SPI_BANKS + bank * BANK_SIZE) >>> 2;
