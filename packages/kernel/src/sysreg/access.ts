/** MRS, MSR, SYS and SYSL that are more than storage: the row, who may, and its handler. */
import type { Block } from '../state/block.ts';
import { EL, SINK_SLOT, X, ZERO_SLOT } from '../state/vcpu-state.ts';
import { SYSREG_DONE, SYSREG_UNDEFINED } from './row.ts';
import type { SysregEnv, SysregOutcome } from './row.ts';
import type { SysregTable } from './table.ts';

/** Bit L of the instruction: a read. */
const READ = 1 << 21;

/** The encoding (op0, op1, CRn, CRm, op2) of an instruction, packed by `sysregKey`. */
export const keyOfWord = (word: number): number => (word >>> 5) & 0xffff;
export const isRead = (word: number): boolean => (word & READ) !== 0;
/** General register of an instruction; 31 is XZR. */
export const registerOfWord = (word: number): number => word & 31;

/** Whether KVM would see the access of an instruction word that a handler serves. */
export const isTrapped = (table: SysregTable, word: number): boolean =>
  table.find(keyOfWord(word))?.row.traps ?? true;

/** Performs the access of one instruction word. @param vcpu - its exception level decides */
export function accessSysreg(table: SysregTable, vcpu: Block, word: number, env: SysregEnv): SysregOutcome {
  const placed = table.find(keyOfWord(word));
  if (!placed) return SYSREG_UNDEFINED;
  const { row, offset } = placed;
  const rt = registerOfWord(word);
  const read = isRead(word);
  const lowest = read ? row.readEl : row.writeEl;
  if (lowest === undefined || vcpu.get32(EL) < lowest) return SYSREG_UNDEFINED;
  if (row.visible !== undefined && !row.visible(vcpu)) return SYSREG_UNDEFINED;
  if (read) {
    const to = rt === 31 ? SINK_SLOT : X + 8 * rt;
    if (row.read) return row.read(vcpu, to, env);
    vcpu.set64(to, vcpu.get64(offset));
    return SYSREG_DONE;
  }
  const from = rt === 31 ? ZERO_SLOT : X + 8 * rt;
  if (row.write) return row.write(vcpu, from, env);
  const value = vcpu.get64(from);
  const { writable } = row;
  vcpu.set64(offset, writable === undefined ? value : (value & writable) | (vcpu.get64(offset) & ~writable));
  return SYSREG_DONE;
}

/** Syndrome of a trapped access: class 0x18, with the encoding. Source: Arm DDI 0487, ESR_ELx. */
export function trapSyndrome(word: number): number {
  const key = keyOfWord(word);
  const op0 = key >>> 14;
  const op1 = (key >>> 11) & 7;
  const crn = (key >>> 7) & 15;
  const crm = (key >>> 3) & 15;
  const op2 = key & 7;
  const iss =
    (op0 << 20) |
    (op2 << 17) |
    (op1 << 14) |
    (crn << 10) |
    (registerOfWord(word) << 5) |
    (crm << 1) |
    (isRead(word) ? 1 : 0);
  return (0x18 << 26) | (1 << 25) | iss;
}
