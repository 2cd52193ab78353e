/** Why a machine stopped, and what its vCPU was doing. */
import { KVM_REG_ELR_EL1, KVM_REG_PC, SYSREGS, sysregId } from '@vkvm/uapi';
import type { Vcpu } from '../kvm/vcpu.ts';

/** The guest or its VM is beyond help; `message` says in one line why and where. */
export interface CrashStop {
  readonly kind: 'crash';
  readonly message: string;
}

/** The end of a run: the guest powered off, asked for a reset or crashed, or somebody stopped or paused the machine. */
export type MachineStop = { readonly kind: 'shutdown' | 'reset' | 'stopped' | 'paused' } | CrashStop;

/** Exception classes of ESR_ELx.EC that end a guest. Source: Arm DDI 0487, D24.2.40. */
const EXCEPTION_CLASSES: Readonly<Record<number, string>> = {
  0x00: 'an unknown instruction',
  0x07: 'an FP or SIMD instruction while CPACR_EL1 forbids it',
  0x0e: 'an illegal execution state',
  0x18: 'a system register that it may not use',
  0x20: 'an instruction fetch of EL0 from an address without memory or permission',
  0x21: 'an instruction fetch from an address without memory or permission',
  0x22: 'a misaligned PC',
  0x24: 'a data access of EL0 that is not allowed',
  0x25: 'a data access that is not allowed',
  0x26: 'a misaligned SP',
  0x2f: 'an SError',
  0x3c: 'a breakpoint instruction',
};

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** A crash of the guest on `vcpu`, with where it was. */
export function crash(vcpu: Vcpu, what: string): CrashStop {
  return { kind: 'crash', message: `vCPU ${vcpu.id} at pc ${hex(vcpu.getReg(KVM_REG_PC))}: ${what}` };
}

/**
 * A vCPU whose exception vector faults on its own first instruction takes that exception for ever. It is what
 * becomes of a guest that jumped into nowhere, or ran into garbage, before it had set its vectors.
 *
 * @returns a crash that names the exception, or undefined if the vCPU is not in that state now; it is proven if two
 *   looks with some running between them give the same message
 */
export function findVectorLoop(vcpu: Vcpu): CrashStop | undefined {
  const pc = vcpu.getReg(KVM_REG_PC);
  if (vcpu.getReg(KVM_REG_ELR_EL1) !== pc) return undefined;
  const vector = pc - vcpu.getReg(sysregId(SYSREGS.VBAR_EL1));
  if (vector !== 0x000n && vector !== 0x200n) return undefined; // synchronous, from EL1 with SP_EL0 or SP_EL1
  const esr = vcpu.getReg(sysregId(SYSREGS.ESR_EL1));
  const what = EXCEPTION_CLASSES[Number(esr >> 26n) & 0x3f] ?? 'an exception';
  return crash(
    vcpu,
    `the exception vector itself raises ${what} (ESR_EL1 ${hex(esr)}), for ever; ` +
      `the guest jumped to a wrong address or is not a program for this machine`,
  );
}
