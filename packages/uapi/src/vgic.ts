/**
 * Attributes of the in-kernel GIC. Source: arch/arm64/include/uapi/asm/kvm.h;
 * Documentation/virt/kvm/devices/arm-vgic.rst, arm-vgic-v3.rst, arm-vgic-its.rst.
 */

/** Group: where the frames lie in guest memory; values u64. */
export const KVM_DEV_ARM_VGIC_GRP_ADDR = 0;
/** Group: distributor registers; values u32. */
export const KVM_DEV_ARM_VGIC_GRP_DIST_REGS = 1;
/** Group: GICv2 CPU interface registers; values u32. */
export const KVM_DEV_ARM_VGIC_GRP_CPU_REGS = 2;
/** Group: number of interrupts, 64–992 in steps of 32; value u32. */
export const KVM_DEV_ARM_VGIC_GRP_NR_IRQS = 3;
/** Group: commands; no value. */
export const KVM_DEV_ARM_VGIC_GRP_CTRL = 4;
/** Group: redistributor registers; values u32. */
export const KVM_DEV_ARM_VGIC_GRP_REDIST_REGS = 5;
/** Group: GICv3 CPU interface system registers; values u64. */
export const KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS = 6;
/** Group: input levels, 32 lines at a time; values u32. */
export const KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO = 7;
/** Group: ITS registers; values u64. */
export const KVM_DEV_ARM_VGIC_GRP_ITS_REGS = 8;
/** Group: the maintenance interrupt, a PPI; value u32. */
export const KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ = 9;
/** GICv5 group: which PPIs user space drives; read-only. */
export const KVM_DEV_ARM_VGIC_USERSPACE_PPIS = 5;

/** Address: GICv2 distributor, 4 KiB. */
export const KVM_VGIC_V2_ADDR_TYPE_DIST = 0;
/** Address: GICv2 CPU interface, 8 KiB. */
export const KVM_VGIC_V2_ADDR_TYPE_CPU = 1;
/** Address: GICv3 distributor, 64 KiB. */
export const KVM_VGIC_V3_ADDR_TYPE_DIST = 2;
/** Address: GICv3 redistributors, 128 KiB a vCPU in one region. */
export const KVM_VGIC_V3_ADDR_TYPE_REDIST = 3;
/** Address: ITS, 128 KiB. */
export const KVM_VGIC_ITS_ADDR_TYPE = 4;
/** Address: one of several redistributor regions: count 63–52, base 51–16, flags 15–12, index 11–0. */
export const KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION = 5;

/** Size in bytes of the GICv2 distributor. */
export const KVM_VGIC_V2_DIST_SIZE = 0x1000;
/** Size in bytes of the GICv2 CPU interface. */
export const KVM_VGIC_V2_CPU_SIZE = 0x2000;
/** Size in bytes of the GICv3 distributor. */
export const KVM_VGIC_V3_DIST_SIZE = 0x1_0000;
/** Size in bytes of one vCPU's GICv3 redistributor. */
export const KVM_VGIC_V3_REDIST_SIZE = 0x2_0000;
/** Size in bytes of the ITS. */
export const KVM_VGIC_V3_ITS_SIZE = 0x2_0000;

/** Command: initialise; vCPUs and addresses are final. */
export const KVM_DEV_ARM_VGIC_CTRL_INIT = 0;
/** Command of the ITS: write its tables to guest memory. */
export const KVM_DEV_ARM_ITS_SAVE_TABLES = 1;
/** Command of the ITS: read its tables from guest memory. */
export const KVM_DEV_ARM_ITS_RESTORE_TABLES = 2;
/** Command: write the pending tables to guest memory. */
export const KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES = 3;
/** Command of the ITS: reset it. */
export const KVM_DEV_ARM_ITS_CTRL_RESET = 4;

/** GICv2 register attribute: vCPU id in bits 39–32. */
export const KVM_DEV_ARM_VGIC_CPUID_SHIFT = 32;
/** Mask of the field at {@link KVM_DEV_ARM_VGIC_CPUID_SHIFT}, in place. */
export const KVM_DEV_ARM_VGIC_CPUID_MASK = 0xff_0000_0000n;
/** GICv3 register attribute: Aff3, Aff2, Aff1, Aff0 in bits 63–32. */
export const KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT = 32;
/** Mask of the field at {@link KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT}, in place. */
export const KVM_DEV_ARM_VGIC_V3_MPIDR_MASK = 0xffff_ffff_0000_0000n;
/** Register attribute: byte offset in bits 31–0. */
export const KVM_DEV_ARM_VGIC_OFFSET_SHIFT = 0;
/** Mask of the field at {@link KVM_DEV_ARM_VGIC_OFFSET_SHIFT}. */
export const KVM_DEV_ARM_VGIC_OFFSET_MASK = 0xffff_ffffn;
/** CPU interface attribute: op0, op1, CRn, CRm, op2 of the register in bits 15–0, packed as in a register id. */
export const KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK = 0xffffn;
/** Level attribute: which information, in bits 31–10. */
export const KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT = 10;
/** Mask of the field at {@link KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT}, in place. */
export const KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_MASK = 0xffff_fc00n;
/** Level attribute: first INTID of the 32, in bits 9–0. */
export const KVM_DEV_ARM_VGIC_LINE_LEVEL_INTID_MASK = 0x3ffn;
/** Level attribute: the information is the input level. */
export const VGIC_LEVEL_INFO_LINE_LEVEL = 0;
