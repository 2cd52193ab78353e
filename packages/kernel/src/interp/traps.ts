/**
 * What guest code needs of the layers above: the engine declares these ports, vcpu/ implements and injects them.
 *
 * The state words (pc at the instruction, registers, flags) are up to date when a port is called and are read again
 * after it. A port answers {@link PORT_GO_ON}, with the next instruction, or {@link PORT_LEAVE} guest code. Only i32 cross.
 */
export const PORT_GO_ON = 0;
export const PORT_LEAVE = 1;
/** Of an access: user space shall serve it. */
export const PORT_USER = 2;

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
   * A load from FAULT_PA, which no memslot backs. "Go on": its value is in SCRATCH, zero-extended to 8 bytes. Else the
   * instruction is not complete; the pc is at it.
   * @param access - an ACCESS word (mmu/access.ts)
   */
  mmioRead(access: number): number;
  /** A store of the value in SCRATCH to FAULT_PA. Else as for {@link mmioRead}. */
  mmioWrite(access: number): number;
  /** The two are asked about every access; else not about those that nobody but user space can serve. */
  readonly hearsAll: boolean;
}
