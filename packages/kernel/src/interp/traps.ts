/**
 * What guest code needs of the layers above: the engine declares these ports, vcpu/ implements and injects them.
 *
 * The state words (pc at the instruction, registers, flags) are up to date when a port is called and are read again
 * after it. A port answers 0 = go on with the next instruction, or 1 = leave guest code. Only i32 cross.
 */
export interface Traps {
  /**
   * HVC or SMC at EL1. The pc is already after the instruction.
   * @param smc - 1 for SMC, 0 for HVC
   */
  hypercall(smc: number, immediate: number): number;
  /**
   * MRS, MSR, SYS that is not plain storage, at any EL. The pc is at the instruction; "go on" steps it. To raise an
   * exception, or to continue elsewhere, write SYNDROME or the pc and leave.
   * @param word - the instruction
   */
  sysreg(word: number): number;
  /**
   * A load from FAULT_PA, which no memslot backs. "Go on": its value is in SCRATCH, zero-extended to 8 bytes. "Leave":
   * the instruction is not complete; the pc is at it.
   * @param access - an ACCESS word (mmu/access.ts)
   */
  mmioRead(access: number): number;
  /** A store of the value in SCRATCH to FAULT_PA. "Leave": as for {@link mmioRead}. */
  mmioWrite(access: number): number;
}
