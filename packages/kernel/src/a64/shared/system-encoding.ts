/** The syndrome of a trapped system register access. Source: Arm DDI 0487, ESR_ELx, ISS encoding for 0b011000. */

/** Encoding of a system register or system instruction. */
export interface SystemEncoding {
  readonly op0: number;
  readonly op1: number;
  readonly CRn: number;
  readonly CRm: number;
  readonly op2: number;
}

/** @param Rt - the general register; 31 if there is none */
export const trapIss = (direction: 'read' | 'write', encoding: SystemEncoding, Rt: number): number =>
  (encoding.op0 << 20) |
  (encoding.op2 << 17) |
  (encoding.op1 << 14) |
  (encoding.CRn << 10) |
  (Rt << 5) |
  (encoding.CRm << 1) |
  (direction === 'read' ? 1 : 0);
