/** Names of registers as scenarios write them, and the values of registers as traces write them. */
import {
  CORE_REGS,
  KVM_REG_ARM64,
  KVM_REG_ARM_CORE,
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
  KVM_REG_FPCR,
  KVM_REG_FPSR,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_REG_SIZE_U64,
  SYSREGS,
  sysregId,
  vRegId,
  xRegId,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import { formatBytes, formatWord, parseWord } from './json.ts';

/** What stands before the bytes of a register wider than 64 bits. */
export const PREFIX_BYTES = 'le:';

/** Id of a 64-bit core register. */
const core = (index: number): RegId => KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | BigInt(index);

const numbered = (prefix: string, length: number, id: (n: number) => RegId): [string, RegId][] =>
  Array.from({ length }, (_, n) => [`${prefix}${n}`, id(n)]);

/** Later rows win: ELR_EL1 and its like are core registers, and CNTV_CVAL and CNTVCT are exchanged in the ABI. */
const ids: ReadonlyMap<string, RegId> = new Map<string, RegId>([
  ...Object.entries(SYSREGS).map(([name, key]) => [name.toLowerCase(), sysregId(key)] as const),
  ...numbered('x', 31, xRegId),
  ...numbered('v', 32, vRegId),
  ['sp', core(CORE_REGS.SP_EL0)],
  ['sp_el0', core(CORE_REGS.SP_EL0)],
  ['pc', KVM_REG_PC],
  ['pstate', KVM_REG_PSTATE],
  ['sp_el1', core(CORE_REGS.SP_EL1)],
  ['elr_el1', core(CORE_REGS.ELR_EL1)],
  ['spsr_el1', core(CORE_REGS.SPSR_EL1)],
  ['spsr_abt', core(CORE_REGS.SPSR_abt)],
  ['spsr_und', core(CORE_REGS.SPSR_und)],
  ['spsr_irq', core(CORE_REGS.SPSR_irq)],
  ['spsr_fiq', core(CORE_REGS.SPSR_fiq)],
  ['fpsr', KVM_REG_FPSR],
  ['fpcr', KVM_REG_FPCR],
  ['cntv_ctl', KVM_REG_ARM_TIMER_CTL],
  ['cntv_cval', KVM_REG_ARM_TIMER_CVAL],
  ['cntvct', KVM_REG_ARM_TIMER_CNT],
  ['cntp_ctl', KVM_REG_ARM_PTIMER_CTL],
  ['cntp_cval', KVM_REG_ARM_PTIMER_CVAL],
  ['cntpct', KVM_REG_ARM_PTIMER_CNT],
  ['psci_version', KVM_REG_ARM_PSCI_VERSION],
  ['wa1', KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1],
  ['wa2', KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2],
  ['wa3', KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3],
  ['std_bmap', KVM_REG_ARM_STD_BMAP],
  ['std_hyp_bmap', KVM_REG_ARM_STD_HYP_BMAP],
  ['vendor_hyp_bmap', KVM_REG_ARM_VENDOR_HYP_BMAP],
  ['vendor_hyp_bmap2', KVM_REG_ARM_VENDOR_HYP_BMAP_2],
]);

/** @param register - a name, or an id in hex @returns undefined for an unknown name */
export const registerId = (register: string): RegId | undefined => ids.get(register) ?? parseWord(register);

/** A register's bytes as a trace has them: hex up to 64 bits; above, bytes without trailing zeros, but at least one. */
export function formatRegister(value: Uint8Array): string {
  if (value.length > 8) {
    const end = Math.max(1, value.findLastIndex((byte) => byte !== 0) + 1);
    return `${PREFIX_BYTES}${formatBytes(value.subarray(0, end))}`;
  }
  return formatWord(value.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n));
}
