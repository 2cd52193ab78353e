/**
 * Bits of identification registers that user space may change: KVM_ARM_GET_REG_WRITABLE_MASKS. They are constants of the
 * kernel, whatever the CPU has: where it has nothing there is nothing to lower. Source: what Linux 6.12 and 7.3 answer.
 */
import { SYSREGS } from '@vkvm/uapi';

import { holds, releases } from '../state/profile.ts';
import type { Words } from '../state/words.ts';

interface MaskRow {
  readonly name: keyof typeof SYSREGS;
  /** From 6.7 on. */
  readonly early: bigint;
  /** From 7.3 on. */
  readonly late: bigint;
}

const LATE = releases({ since: '7.3' });
const WRITABLE = releases({ since: '6.7' });

const MASKS: readonly MaskRow[] = [
  { name: 'MIDR_EL1', early: 0n, late: 0xffff_ffffn },
  { name: 'REVIDR_EL1', early: 0n, late: 0xffff_ffff_ffff_ffffn },
  { name: 'ID_AA64PFR0_EL1', early: 0xffff_00f0_0f00_ffffn, late: 0xffff_00f0_ff00_ffffn },
  { name: 'ID_AA64PFR1_EL1', early: 0xf_0000_00ffn, late: 0x0f00_000f_0000_f0ffn },
  { name: 'ID_AA64PFR2_EL1', early: 0xf_0000_0000n, late: 0xf_0000_fff0n },
  { name: 'ID_AA64ZFR0_EL1', early: 0xff0_ff0f_0fff_00ffn, late: 0xfff_ff0f_0fff_f0ffn },
  { name: 'ID_AA64FPFR0_EL1', early: 0xf000_0003n, late: 0xfc00_80ffn },
  { name: 'ID_AA64DFR0_EL1', early: 0xf0_00f0_0f0fn, late: 0xf0_00f0_0f0fn },
  { name: 'ID_AA64ISAR0_EL1', early: 0xffff_ffff_ffff_fff0n, late: 0xffff_ffff_f0ff_fff0n },
  { name: 'ID_AA64ISAR1_EL1', early: 0xffff_ffff_00ff_f00fn, late: 0xffff_ffff_00ff_f00fn },
  { name: 'ID_AA64ISAR2_EL1', early: 0xffff_0fff_ffff_00ffn, late: 0xffff_ffff_ffff_00ffn },
  { name: 'ID_AA64ISAR3_EL1', early: 0n, late: 0xff0f_00f0n },
  { name: 'ID_AA64MMFR0_EL1', early: 0xff00_f000_ffff_ff0fn, late: 0xff00_ffff_ffff_ff0fn },
  { name: 'ID_AA64MMFR1_EL1', early: 0xffff_f0f0_0fff_f00fn, late: 0xffff_ffff_0fff_f00fn },
  { name: 'ID_AA64MMFR2_EL1', early: 0xf0ff_000f_f00f_ffffn, late: 0xf0ff_000f_f00f_ffffn },
  { name: 'ID_AA64MMFR3_EL1', early: 0xf_0f0fn, late: 0xf_0fffn },
  { name: 'ID_AA64MMFR4_EL1', early: 0n, late: 0xf0_0000n },
  { name: 'CLIDR_EL1', early: 0x7fff_ffff_ffffn, late: 0x7fff_ffff_ffffn },
  { name: 'AIDR_EL1', early: 0n, late: 0xffff_ffff_ffff_ffffn },
  { name: 'CTR_EL0', early: 0x300f_000fn, late: 0x300f_c00fn },
];

const byKey = new Map(MASKS.map((row) => [SYSREGS[row.name], row]));

/** The mask of a register by its encoding; 0 = nothing of it can be changed. */
export function writableMaskOf(memory: { readonly words: Words }, key: number): bigint {
  const row = byKey.get(key);
  if (row === undefined || !holds(memory, WRITABLE)) return 0n;
  return holds(memory, LATE) ? row.late : row.early;
}
