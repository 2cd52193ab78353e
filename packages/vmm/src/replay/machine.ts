/**
 * What a replay may answer otherwise than the recording machine, and why: features that the CPU does not announce, ID
 * registers, and the facts about the machine in section 6 of the oracle's README. Rows name features, registers and
 * capability numbers; a row of a feature holds only where the kernel under test says that it does not have it.
 */
import {
  KVM_ARM_VCPU_EL1_32BIT,
  KVM_ARM_VCPU_PTRAUTH_ADDRESS,
  KVM_ARM_VCPU_PTRAUTH_GENERIC,
  KVM_ARM_VCPU_SVE,
  KVM_CAP_ARM_EL1_32BIT,
  KVM_CAP_ARM_INJECT_SERROR_ESR,
  KVM_CAP_ARM_PTRAUTH_ADDRESS,
  KVM_CAP_ARM_PTRAUTH_GENERIC,
  KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES,
  KVM_CAP_ARM_SVE,
  KVM_CAP_ARM_VM_IPA_SIZE,
  KVM_CAP_GUEST_DEBUG_HW_BPS,
  KVM_CAP_GUEST_DEBUG_HW_WPS,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_MAX_VCPU_ID,
  KVM_CAP_NR_VCPUS,
  KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
  KVM_DEV_TYPE_VFIO,
  KVM_REG_ARM64_SVE_VLS,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
  SYSREGS,
  ccsidrId,
  sysregId,
} from '@vkvm/uapi';
import type { RegId, SysregName } from '@vkvm/uapi';

/** A feature that KVM offers a VM only where the CPU has it. */
export interface FeatureRow {
  readonly name: string;
  /** Not 0 where the CPU has it. */
  readonly capability: number;
  /** Its bit in `kvm_vcpu_init.features`, if it has one. */
  readonly vcpuFeature?: number;
}

/** Features of the recording machine that others lack. */
export const FEATURES: readonly FeatureRow[] = [
  { name: 'AArch32 at EL1', capability: KVM_CAP_ARM_EL1_32BIT, vcpuFeature: KVM_ARM_VCPU_EL1_32BIT },
  { name: 'RAS', capability: KVM_CAP_ARM_INJECT_SERROR_ESR },
  { name: 'SVE', capability: KVM_CAP_ARM_SVE, vcpuFeature: KVM_ARM_VCPU_SVE },
  {
    name: 'pointer authentication',
    capability: KVM_CAP_ARM_PTRAUTH_ADDRESS,
    vcpuFeature: KVM_ARM_VCPU_PTRAUTH_ADDRESS,
  },
  {
    name: 'generic pointer authentication',
    capability: KVM_CAP_ARM_PTRAUTH_GENERIC,
    vcpuFeature: KVM_ARM_VCPU_PTRAUTH_GENERIC,
  },
];

/** Capabilities that every machine has, with a value that counts something of it. */
export const MACHINE_CAPABILITIES: ReadonlyMap<number, string> = new Map([
  [KVM_CAP_NR_VCPUS, 'CPUs online'],
  [KVM_CAP_MAX_VCPUS, 'most vCPUs'],
  [KVM_CAP_MAX_VCPU_ID, 'largest vCPU id'],
  [KVM_CAP_GUEST_DEBUG_HW_BPS, 'breakpoints'],
  [KVM_CAP_GUEST_DEBUG_HW_WPS, 'watchpoints'],
  [KVM_CAP_ARM_VM_IPA_SIZE, 'IPA bits'],
  [KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES, 'block sizes'],
]);

/** Device types that depend on how the host was built. */
export const MACHINE_DEVICES: ReadonlyMap<number, string> = new Map([
  [KVM_DEV_TYPE_VFIO, 'VFIO in the build'],
]);

/** System registers that describe the machine: their value, and which bits of them can be written. */
const MACHINE_SYSREGS: readonly SysregName[] = [
  'MIDR_EL1',
  'REVIDR_EL1',
  'AIDR_EL1',
  ...(Object.keys(SYSREGS) as SysregName[]).filter((name) => /^(ID_\w+|MVFR\d)_EL1$/.test(name)),
  'CLIDR_EL1',
  'CTR_EL0',
  'DCZID_EL0',
  'ACTLR_EL1',
  'AMAIR_EL1',
  'PMCR_EL0',
];

/** Most indices of CCSIDR_EL1, which describe the caches. */
const CACHES = 14;

/** Every register that describes the machine: id → name. */
export const MACHINE_REGISTERS: ReadonlyMap<RegId, string> = new Map<RegId, string>([
  ...MACHINE_SYSREGS.map((name) => [sysregId(SYSREGS[name]), name] as const),
  ...Array.from({ length: CACHES }, (_, csselr) => [ccsidrId(csselr), 'CCSIDR_EL1'] as const),
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1, 'the state of SMCCC_ARCH_WORKAROUND_1'],
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, 'the state of SMCCC_ARCH_WORKAROUND_3'],
  [KVM_REG_ARM64_SVE_VLS, 'SVE vector lengths'],
]);

/**
 * Registers that tell a guest of the machine's PMU, with the bits that do: user space sees others of them, or none.
 * Which events there are; who made it, and LC, which is fixed where there is no AArch32. Source: Arm DDI 0487, D19.5.
 */
export const GUEST_PMU_REGISTERS: readonly { readonly name: SysregName; readonly mask: bigint }[] = [
  { name: 'PMCR_EL0', mask: 0xffff_0040n },
  { name: 'PMCEID0_EL0', mask: 0xffff_ffff_ffff_ffffn },
  { name: 'PMCEID1_EL0', mask: 0xffff_ffff_ffff_ffffn },
];

/** SMCCC functions that ARCH_FEATURES tells the mitigation state of. */
export const MITIGATIONS: readonly bigint[] = [0x8000_8000n, 0x8000_7fffn, 0x8000_3fffn];

/** Registers of the GIC that describe it: attribute, and the bits that do. */
export const MACHINE_GIC_REGISTERS: readonly {
  readonly name: string;
  readonly group: number;
  /** Bits 31–0 of the attribute; the others select a vCPU. */
  readonly attribute: number;
  readonly mask: bigint;
}[] = [
  { name: 'GICD_TYPER.IDbits', group: KVM_DEV_ARM_VGIC_GRP_DIST_REGS, attribute: 0x4, mask: 0xf8_0000n },
  {
    name: 'ICC_CTLR_EL1',
    group: KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
    attribute: SYSREGS.ICC_CTLR_EL1,
    mask: 0xff00n,
  },
  ...[0x8, 0x100, 0x108, 0x110, 0x118, 0x120, 0x128, 0x130, 0x138].map((attribute) => ({
    name: attribute === 0x8 ? 'GITS_TYPER' : 'GITS_BASERn',
    group: KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
    attribute,
    mask: 0xffff_ffff_ffff_ffffn,
  })),
];

/** A feature by the field of the ID register that announces it, and instructions that are UNDEFINED without it. */
export interface InstructionRow {
  readonly name: string;
  readonly register: SysregName;
  /** Lowest bits of the fields of 4 bits, each below `least` where the CPU does not have the feature. */
  readonly fields: readonly number[];
  /** Default 1. */
  readonly least?: number;
  readonly encodings: readonly { readonly mask: number; readonly value: number }[];
}

/** MRS and MSR of ICC_*_EL1, which the CPUs of a host with a GICv2 do not have. Source: Arm IHI 0069, 12.2. */
export const GIC_INTERFACE: InstructionRow = {
  name: 'GICv3 CPU interface',
  register: 'ID_AA64PFR0_EL1',
  fields: [24],
  encodings: [
    { mask: 0xffdf_ffe0, value: 0xd518_4600 }, // PMR
    { mask: 0xffdf_f800, value: 0xd518_c800 }, // the others
  ],
};

/** Instructions of the recorded CPU that others do not have. Source: Arm DDI 0487, C6.2 and D24. */
export const INSTRUCTIONS: readonly InstructionRow[] = [
  GIC_INTERFACE,
  {
    name: 'SVE',
    register: 'ID_AA64PFR0_EL1',
    fields: [32],
    encodings: [{ mask: 0x1e00_0000, value: 0x0400_0000 }],
  },
  {
    name: 'FEAT_PAuth',
    register: 'ID_AA64ISAR1_EL1',
    fields: [4, 8, 24, 28],
    encodings: [
      { mask: 0xffff_0000, value: 0xdac1_0000 }, // PAC*, AUT*, XPAC*
      { mask: 0xffe0_fc00, value: 0x9ac0_3000 }, // PACGA
      { mask: 0xfe9f_f800, value: 0xd61f_0800 }, // BRAA, BLRAA, RETAA, ERETAA and their kin
      { mask: 0xff20_0400, value: 0xf820_0400 }, // LDRAA, LDRAB
    ],
  },
  {
    name: 'FEAT_SB',
    register: 'ID_AA64ISAR1_EL1',
    fields: [36],
    encodings: [{ mask: 0xffff_ffff, value: 0xd503_30ff }],
  },
  {
    name: 'FEAT_DPB',
    register: 'ID_AA64ISAR1_EL1',
    fields: [0],
    encodings: [{ mask: 0xffff_ffe0, value: 0xd50b_7c20 }], // DC CVAP
  },
  {
    name: 'FEAT_DPB2',
    register: 'ID_AA64ISAR1_EL1',
    fields: [0],
    least: 2,
    encodings: [{ mask: 0xffff_ffe0, value: 0xd50b_7d20 }], // DC CVADP
  },
  {
    name: 'FEAT_TLBIOS',
    register: 'ID_AA64ISAR0_EL1',
    fields: [56],
    encodings: [
      { mask: 0xffff_ff00, value: 0xd508_8100 }, // TLBI ...OS
      { mask: 0xffff_ff00, value: 0xd508_8500 }, // TLBI R...OS
    ],
  },
  {
    name: 'FEAT_TLBIRANGE',
    register: 'ID_AA64ISAR0_EL1',
    fields: [56],
    least: 2,
    encodings: [
      { mask: 0xffff_ff00, value: 0xd508_8200 }, // TLBI R...IS
      { mask: 0xffff_ff00, value: 0xd508_8600 }, // TLBI R...
    ],
  },
  {
    name: 'FEAT_LOR',
    register: 'ID_AA64MMFR1_EL1',
    fields: [16],
    encodings: [
      { mask: 0xffdf_ff00, value: 0xd518_a400 }, // LORSA_EL1 to LORID_EL1
      { mask: 0x3fa0_8000, value: 0x0880_0000 }, // LDLAR, STLLR
    ],
  },
  {
    name: 'FEAT_RNG',
    register: 'ID_AA64ISAR0_EL1',
    fields: [60],
    encodings: [{ mask: 0xffff_ffc0, value: 0xd53b_2400 }], // MRS of RNDR, RNDRRS
  },
  {
    name: 'FEAT_FlagM',
    register: 'ID_AA64ISAR0_EL1',
    fields: [52],
    encodings: [
      { mask: 0xffff_ffff, value: 0xd500_401f }, // CFINV
      { mask: 0xffe0_7c10, value: 0xba00_0400 }, // RMIF
      { mask: 0xffff_bc1f, value: 0x3a00_080d }, // SETF8, SETF16
    ],
  },
  {
    name: 'FEAT_FlagM2',
    register: 'ID_AA64ISAR0_EL1',
    fields: [52],
    least: 2,
    encodings: [
      { mask: 0xffff_ffff, value: 0xd500_403f }, // XAFLAG
      { mask: 0xffff_ffff, value: 0xd500_405f }, // AXFLAG
    ],
  },
  {
    name: 'FEAT_LRCPC',
    register: 'ID_AA64ISAR1_EL1',
    fields: [20],
    encodings: [{ mask: 0x3fff_fc00, value: 0x38bf_c000 }], // LDAPR
  },
  {
    name: 'FEAT_LRCPC2',
    register: 'ID_AA64ISAR1_EL1',
    fields: [20],
    least: 2,
    encodings: [{ mask: 0x3f20_0c00, value: 0x1900_0000 }], // LDAPUR, STLUR
  },
  {
    name: 'FEAT_PAN',
    register: 'ID_AA64MMFR1_EL1',
    fields: [20],
    encodings: [
      { mask: 0xffff_f0ff, value: 0xd500_409f }, // MSR PAN, #imm
      { mask: 0xffdf_ffe0, value: 0xd518_4260 }, // MSR, MRS PAN
    ],
  },
  {
    name: 'FEAT_UAO',
    register: 'ID_AA64MMFR2_EL1',
    fields: [4],
    encodings: [
      { mask: 0xffff_f0ff, value: 0xd500_407f }, // MSR UAO, #imm
      { mask: 0xffdf_ffe0, value: 0xd518_4280 }, // MSR, MRS UAO
    ],
  },
  {
    name: 'FEAT_DIT',
    register: 'ID_AA64PFR0_EL1',
    fields: [48],
    encodings: [
      { mask: 0xffff_f0ff, value: 0xd503_405f }, // MSR DIT, #imm
      { mask: 0xffdf_ffe0, value: 0xd51b_42a0 }, // MSR, MRS DIT
    ],
  },
  {
    name: 'FEAT_SSBS',
    register: 'ID_AA64PFR1_EL1',
    fields: [4],
    encodings: [
      { mask: 0xffff_f0ff, value: 0xd503_403f }, // MSR SSBS, #imm
      { mask: 0xffdf_ffe0, value: 0xd51b_42c0 }, // MSR, MRS SSBS
    ],
  },
];

/**
 * Unaligned accesses of Device memory, and DC ZVA there: the recorded CPU makes them, where the architecture has them
 * fault. The MMU being off makes all memory Device memory. Sources: the oracle's README, section 7; Arm DDI 0487, B2.10.
 */
export const DEVICE_ALIGNMENT = {
  name: 'an alignment fault of Device memory',
  classes: [0x24n, 0x25n],
  status: { mask: 0x3fn, value: 0x21n },
} as const;

/** Both byte orders for data, by the field of the ID register that announces them. */
export const BIG_ENDIAN = {
  name: 'big-endian data',
  register: 'ID_AA64MMFR0_EL1',
  field: 8,
} as const satisfies { name: string; register: SysregName; field: number };

/** Modes of PSTATE with AArch32 at EL0, by the field of the ID register that announces it. Source: Arm DDI 0487, C5.2.19. */
export const AARCH32_EL0 = {
  name: 'AArch32 at EL0',
  register: 'ID_AA64PFR0_EL1',
  field: 0,
  /** The field where EL0 has AArch32, too. */
  least: 2,
  modes: { mask: 0x1fn, value: 0x10n },
} as const satisfies { name: string; register: SysregName; [key: string]: unknown };
