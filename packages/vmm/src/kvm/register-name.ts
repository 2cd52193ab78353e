/** Names of registers for messages. */
import {
  CORE_REGS,
  KVM_REG_ARM64_SYSREG,
  KVM_REG_ARM_COPROC_MASK,
  KVM_REG_ARM_CORE,
  KVM_REG_ARM_DEMUX,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_PTIMER_CNT,
  KVM_REG_ARM_PTIMER_CTL,
  KVM_REG_ARM_PTIMER_CVAL,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_TIMER_CNT,
  KVM_REG_ARM_TIMER_CTL,
  KVM_REG_ARM_TIMER_CVAL,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
  SYSREGS,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';

/** Ids that are not what their encoding says, or that have none: the virtual timer's, and the firmware's. */
const SPECIAL: ReadonlyMap<RegId, string> = new Map([
  [KVM_REG_ARM_TIMER_CTL, 'CNTV_CTL_EL0'],
  [KVM_REG_ARM_TIMER_CVAL, 'CNTV_CVAL_EL0'],
  [KVM_REG_ARM_TIMER_CNT, 'CNTVCT_EL0'],
  [KVM_REG_ARM_PTIMER_CTL, 'CNTP_CTL_EL0'],
  [KVM_REG_ARM_PTIMER_CVAL, 'CNTP_CVAL_EL0'],
  [KVM_REG_ARM_PTIMER_CNT, 'CNTPCT_EL0'],
  [KVM_REG_ARM_PSCI_VERSION, 'PSCI_VERSION'],
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1, 'SMCCC_ARCH_WORKAROUND_1'],
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2, 'SMCCC_ARCH_WORKAROUND_2'],
  [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, 'SMCCC_ARCH_WORKAROUND_3'],
  [KVM_REG_ARM_STD_BMAP, 'STD_BMAP'],
  [KVM_REG_ARM_STD_HYP_BMAP, 'STD_HYP_BMAP'],
  [KVM_REG_ARM_VENDOR_HYP_BMAP, 'VENDOR_HYP_BMAP'],
  [KVM_REG_ARM_VENDOR_HYP_BMAP_2, 'VENDOR_HYP_BMAP_2'],
]);

const sysregNames: ReadonlyMap<number, string> = new Map(
  Object.entries(SYSREGS).map(([name, key]) => [key, name]),
);

const LAST_X = 30;
const LAST_V = 31;

function coreName(index: number): string | undefined {
  const x = (index - CORE_REGS.X0) / 2;
  if (x <= LAST_X) return `X${x}`;
  const v = (index - CORE_REGS.V0) / 4;
  if (v >= 0 && v <= LAST_V) return `V${v}`;
  return Object.entries(CORE_REGS).find(([, at]) => at === index)?.[0];
}

/** An id in hexadecimal. */
export const formatRegId = (id: RegId): string => `0x${id.toString(16).padStart(16, '0')}`;

/** The name of a register; its id where it has none that is known here. */
export function registerName(id: RegId): string {
  const special = SPECIAL.get(id);
  if (special !== undefined) return special;
  const number = Number(id & 0xffffn);
  switch (id & KVM_REG_ARM_COPROC_MASK) {
    case KVM_REG_ARM_CORE:
      return coreName(number) ?? formatRegId(id);
    case KVM_REG_ARM64_SYSREG:
      return sysregNames.get(number) ?? formatRegId(id);
    case KVM_REG_ARM_DEMUX:
      return `CCSIDR_EL1[${number}]`;
    default:
      return formatRegId(id);
  }
}
