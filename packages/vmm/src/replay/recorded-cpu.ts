/**
 * The CPU that the traces were recorded on, an emulated Armv8 "max" with EL2: the values of its ID registers, as KVM
 * showed them to user space and to guests with every set of features and in every release.
 */
import type { SysregName } from '@vkvm/uapi';

/** Values other than 0. */
export const RECORDED_ID_REGISTERS: Partial<Readonly<Record<SysregName, readonly bigint[]>>> = {
  MIDR_EL1: [0xf_0510n],
  ID_PFR0_EL1: [0x102_0131n],
  ID_PFR1_EL1: [0x1001_1001n],
  ID_DFR0_EL1: [0x1_0009n, 0x401_0009n, 0x501_0009n, 0x601_0009n],
  ID_MMFR0_EL1: [0x1010_1105n],
  ID_MMFR1_EL1: [0x4000_0000n],
  ID_MMFR2_EL1: [0x126_0000n],
  ID_MMFR3_EL1: [0x212_2211n],
  ID_ISAR0_EL1: [0x210_1110n],
  ID_ISAR1_EL1: [0x1311_2111n],
  ID_ISAR2_EL1: [0x2123_2042n],
  ID_ISAR3_EL1: [0x111_2131n],
  ID_ISAR4_EL1: [0x1_1142n],
  ID_ISAR5_EL1: [0x101_1121n],
  ID_MMFR4_EL1: [0x1_1110n],
  ID_ISAR6_EL1: [0x111_1111n],
  MVFR0_EL1: [0x1011_0222n],
  MVFR1_EL1: [0x1321_1111n],
  MVFR2_EL1: [0x43n],
  ID_PFR2_EL1: [0x11n],
  ID_MMFR5_EL1: [0x1n],
  ID_AA64PFR0_EL1: [
    0x1101_0010_2011_0222n,
    0x1101_0010_2111_0222n,
    0x1101_0011_2011_0222n,
    0x1101_0011_2111_0222n,
  ],
  ID_AA64PFR1_EL1: [0x11n, 0x21n],
  ID_AA64ZFR0_EL1: [0x110_1101_0011_0021n],
  ID_AA64DFR0_EL1: [0x1030_5006n, 0x1030_5009n, 0x1030_5409n, 0x1030_5506n, 0x1030_5609n],
  ID_AA64ISAR0_EL1: [0x1221_1111_1021_2120n],
  ID_AA64ISAR1_EL1: [0x11_1111_0021_1002n, 0x11_1111_1021_1102n],
  ID_AA64MMFR0_EL1: [0x323_1020_1126n],
  ID_AA64MMFR1_EL1: [0x10_1021_1122n, 0x110_1021_1122n],
  ID_AA64MMFR2_EL1: [0x1021_0110_1001_1011n],
  CLIDR_EL1: [0x200_0021n, 0x200_0023n],
  CTR_EL0: [0x8444_c004n, 0x9444_c004n],
  DCZID_EL0: [0x4n],
};
