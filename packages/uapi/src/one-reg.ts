/**
 * Register ids of `KVM_GET_ONE_REG`: architecture in bits 63–56, log2 of the size in 55–52, class in 27–16, the rest by
 * class in 15–0. Source: include/uapi/linux/kvm.h, arch/arm64/include/uapi/asm/kvm.h.
 */

import type { RegId } from './brand.ts';
import { struct, u64, u64n } from './layout.ts';

/** `struct kvm_one_reg`. */
export const kvmOneReg = struct('kvm_one_reg', 16, {
  id: u64(0),
  addr: u64n(8), // user address of the value, little-endian
});

/** `struct kvm_reg_list`: followed by `n` ids. */
export const kvmRegList = struct('kvm_reg_list', 8, {
  n: u64n(0),
});

/** Architecture part of an id. */
export const KVM_REG_ARCH_MASK = 0xff00_0000_0000_0000n;
/** Architecture part of an id: arm64. */
export const KVM_REG_ARM64 = 0x6000_0000_0000_0000n;
/** Where the size stands: log2 of the bytes. */
export const KVM_REG_SIZE_SHIFT = 52n;
/** Size part of an id. */
export const KVM_REG_SIZE_MASK = 0x00f0_0000_0000_0000n;
/** Size part of an id: 1 byte. */
export const KVM_REG_SIZE_U8 = 0x0000_0000_0000_0000n;
/** Size part of an id: 2 bytes. */
export const KVM_REG_SIZE_U16 = 0x0010_0000_0000_0000n;
/** Size part of an id: 4 bytes. */
export const KVM_REG_SIZE_U32 = 0x0020_0000_0000_0000n;
/** Size part of an id: 8 bytes. */
export const KVM_REG_SIZE_U64 = 0x0030_0000_0000_0000n;
/** Size part of an id: 16 bytes. */
export const KVM_REG_SIZE_U128 = 0x0040_0000_0000_0000n;
/** Size part of an id: 32 bytes. */
export const KVM_REG_SIZE_U256 = 0x0050_0000_0000_0000n;
/** Size part of an id: 64 bytes. */
export const KVM_REG_SIZE_U512 = 0x0060_0000_0000_0000n;
/** Size part of an id: 128 bytes. */
export const KVM_REG_SIZE_U1024 = 0x0070_0000_0000_0000n;
/** Size part of an id: 256 bytes. */
export const KVM_REG_SIZE_U2048 = 0x0080_0000_0000_0000n;
/** Class part of an id. */
export const KVM_REG_ARM_COPROC_MASK = 0x0fff_0000n;
/** Class: core registers, by their offset in {@link CORE_REGS}. */
export const KVM_REG_ARM_CORE = 0x0010_0000n;
/** Class: CCSIDR_EL1 by the value of CSSELR_EL1 in bits 7–0. */
export const KVM_REG_ARM_DEMUX = 0x0011_0000n;
/** Class: system registers, by their encoding. */
export const KVM_REG_ARM64_SYSREG = 0x0013_0000n;
/** Class: firmware pseudo-registers. */
export const KVM_REG_ARM_FW = 0x0014_0000n;
/** Class: SVE. */
export const KVM_REG_ARM64_SVE = 0x0015_0000n;
/** Class: firmware feature bitmaps. */
export const KVM_REG_ARM_FW_FEAT_BMAP = 0x0016_0000n;

/** Length in bytes of the register that an id names. */
export const regSize = (id: RegId): number => 1 << Number((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);

/** Id of a system register. @param key - its encoding, as `sysregKey` packs it */
export const sysregId = (key: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | BigInt(key);

/** Encoding of the system register that an id names, as `sysregKey` packs it; undefined: it names another kind. */
export const sysregKeyOf = (id: RegId): number | undefined =>
  (id & KVM_REG_ARM_COPROC_MASK) === KVM_REG_ARM64_SYSREG ? Number(id & 0xffffn) : undefined;

/** Id of a 64-bit core register. @param index - its offset in `struct kvm_regs`, in words of 32 bits */
export const coreId = (index: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | BigInt(index);

/** Id of X0–X30. */
export const xRegId = (n: number): RegId => coreId(2 * n);

/** Id of V0–V31, 16 bytes. Not on a vCPU with SVE. */
export const vRegId = (n: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE | BigInt(CORE_REGS.V0 + 4 * n);

/** Id of CCSIDR_EL1 for a value of CSSELR_EL1; 4 bytes. */
export const ccsidrId = (csselr: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_DEMUX | BigInt(csselr);

/** Id of a slice of Z0–Z31, 256 bytes; only slice 0 exists so far. */
export const zRegId = (n: number, slice: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U2048 | KVM_REG_ARM64_SVE | BigInt((n << 5) | slice);

/** Id of a slice of P0–P15, 32 bytes. */
export const pRegId = (n: number, slice: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U256 | KVM_REG_ARM64_SVE | BigInt(0x400 | (n << 5) | slice);

/** Id of a slice of FFR, 32 bytes. */
export const ffrId = (slice: number): RegId =>
  KVM_REG_ARM64 | KVM_REG_SIZE_U256 | KVM_REG_ARM64_SVE | BigInt(0x600 | slice);

/** Core registers: offset in `struct kvm_regs`, in words of 32 bits. X0–X30 and V0–V31 follow their first. */
export const CORE_REGS = {
  X0: 0x00, // + 2 each
  SP_EL0: 0x3e,
  PC: 0x40,
  PSTATE: 0x42,
  SP_EL1: 0x44,
  ELR_EL1: 0x46,
  SPSR_EL1: 0x48,
  SPSR_abt: 0x4a,
  SPSR_und: 0x4c,
  SPSR_irq: 0x4e,
  SPSR_fiq: 0x50,
  V0: 0x54, // + 4 each, 16 bytes
  FPSR: 0xd4, // 4 bytes
  FPCR: 0xd5, // 4 bytes
} as const;

/** Id of SP_EL0. */
export const KVM_REG_SP_EL0: RegId = 0x6030_0000_0010_003en;
/** Id of PC. */
export const KVM_REG_PC: RegId = 0x6030_0000_0010_0040n;
/** Id of PSTATE, laid out as SPSR_EL1. */
export const KVM_REG_PSTATE: RegId = 0x6030_0000_0010_0042n;
/** Id of SP_EL1. */
export const KVM_REG_SP_EL1: RegId = 0x6030_0000_0010_0044n;
/** Id of ELR_EL1. */
export const KVM_REG_ELR_EL1: RegId = 0x6030_0000_0010_0046n;
/** Id of SPSR_EL1. */
export const KVM_REG_SPSR_EL1: RegId = 0x6030_0000_0010_0048n;
/** Id of FPSR, 4 bytes. */
export const KVM_REG_FPSR: RegId = 0x6020_0000_0010_00d4n;
/** Id of FPCR, 4 bytes. */
export const KVM_REG_FPCR: RegId = 0x6020_0000_0010_00d5n;

/** Id of CNTV_CTL_EL0. */
export const KVM_REG_ARM_TIMER_CTL: RegId = 0x6030_0000_0013_df19n;
/** Id of CNTVCT_EL0. A released mistake: it is the encoding of CNTV_CVAL_EL0, and the next is the reverse. */
export const KVM_REG_ARM_TIMER_CNT: RegId = 0x6030_0000_0013_df1an;
/** Id of CNTV_CVAL_EL0; see {@link KVM_REG_ARM_TIMER_CNT}. */
export const KVM_REG_ARM_TIMER_CVAL: RegId = 0x6030_0000_0013_df02n;
/** Id of CNTP_CTL_EL0. */
export const KVM_REG_ARM_PTIMER_CTL: RegId = 0x6030_0000_0013_df11n;
/** Id of CNTP_CVAL_EL0. */
export const KVM_REG_ARM_PTIMER_CVAL: RegId = 0x6030_0000_0013_df12n;
/** Id of CNTPCT_EL0. */
export const KVM_REG_ARM_PTIMER_CNT: RegId = 0x6030_0000_0013_df01n;

/** Id of the PSCI version, `major << 16 | minor`; of the whole VM. Since Linux 4.17. */
export const KVM_REG_ARM_PSCI_VERSION: RegId = 0x6030_0000_0014_0000n;
/** Id of the state of SMCCC_ARCH_WORKAROUND_1. Since Linux 5.3. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1: RegId = 0x6030_0000_0014_0001n;
/** Id of the state of SMCCC_ARCH_WORKAROUND_2. Since Linux 5.3. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2: RegId = 0x6030_0000_0014_0002n;
/** Id of the state of SMCCC_ARCH_WORKAROUND_3. Since Linux 5.18. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3: RegId = 0x6030_0000_0014_0003n;

/** State of workarounds 1 and 3: not available. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_AVAIL = 0;
/** State of workarounds 1 and 3: available. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_AVAIL = 1;
/** State of workarounds 1 and 3: not required. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_REQUIRED = 2;
/** State of workaround 2: not available. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_AVAIL = 0;
/** State of workaround 2: not known. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_UNKNOWN = 1;
/** State of workaround 2: available. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_AVAIL = 2;
/** State of workaround 2: not required. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_REQUIRED = 3;
/** Flag of workaround 2: switched on. */
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_ENABLED = 0x10;

/** Id of the bitmap of standard services. Since Linux 6.0. */
export const KVM_REG_ARM_STD_BMAP: RegId = 0x6030_0000_0016_0000n;
/** Id of the bitmap of standard hypervisor services. */
export const KVM_REG_ARM_STD_HYP_BMAP: RegId = 0x6030_0000_0016_0001n;
/** Id of the bitmap of KVM's own services. */
export const KVM_REG_ARM_VENDOR_HYP_BMAP: RegId = 0x6030_0000_0016_0002n;
/** Id of the second bitmap of KVM's own services. Since Linux 6.15. */
export const KVM_REG_ARM_VENDOR_HYP_BMAP_2: RegId = 0x6030_0000_0016_0003n;

/** Bit of STD_BMAP: random numbers. */
export const KVM_REG_ARM_STD_BIT_TRNG_V1_0 = 0;
/** Bit of STD_HYP_BMAP: stolen time. */
export const KVM_REG_ARM_STD_HYP_BIT_PV_TIME = 0;
/** Bit of VENDOR_HYP_BMAP: UID and features. */
export const KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT = 0;
/** Bit of VENDOR_HYP_BMAP: PTP. */
export const KVM_REG_ARM_VENDOR_HYP_BIT_PTP = 1;
/** Bit of VENDOR_HYP_BMAP_2: DISCOVER_IMPL_VER. */
export const KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_VER = 0;
/** Bit of VENDOR_HYP_BMAP_2: DISCOVER_IMPL_CPUS. */
export const KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_CPUS = 1;

/** Id of the set of SVE vector lengths: 64 bytes, bit (length in 16 bytes − 1). */
export const KVM_REG_ARM64_SVE_VLS: RegId = 0x6060_0000_0015_ffffn;
