/** Power of vCPUs as user space moves it: `KVM_ARM_VCPU_INIT`, one_reg and MP_STATE, which the kernel's PSCI sees too. */
import {
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  KVM_REG_PC,
  SYSREGS,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import type { Vcpu } from '../kvm/vcpu.ts';

/** What a CPU starts with, from its reset state. Source: Arm DEN 0022, 6.4. */
export interface EntryPoint {
  readonly pc: bigint;
  /** Value of x0. */
  readonly context: bigint;
}

/** What the vCPUs of a machine are to their PSCI. */
export interface CpuPowerOptions {
  readonly vcpus: readonly Vcpu[];
  /** MPIDR_EL1 affinity of each vCPU. */
  readonly affinities: readonly number[];
  /** Whether the kernel has MP_STATE: `KVM_CAP_MP_STATE`. */
  readonly hasMpState: boolean;
  /** `KVM_ARM_VCPU_INIT` with the features the vCPU has. */
  readonly reset: (vcpu: Vcpu) => void;
}

const SCTLR_EL1 = sysregId(SYSREGS.SCTLR_EL1);
/** SCTLR_EL1.EE: data accesses of EL1 are big-endian. */
const SCTLR_EE = 1n << 25n;

export class CpuPower {
  readonly #options: CpuPowerOptions;

  constructor(options: CpuPowerOptions) {
    this.#options = options;
  }

  /** The vCPUs with an affinity, of which `mask` says what counts. */
  matching(affinity: bigint, mask: bigint): Vcpu[] {
    const { vcpus, affinities } = this.#options;
    return vcpus.filter((_, index) => ((BigInt(affinities[index] ?? 0) ^ affinity) & mask) === 0n);
  }

  isOff(vcpu: Vcpu): boolean {
    return vcpu.mpState === KVM_MP_STATE_STOPPED;
  }

  /** Whether no other vCPU is on. */
  isLast(vcpu: Vcpu): boolean {
    return this.#options.vcpus.every((other) => other === vcpu || this.isOff(other));
  }

  /** Resets a vCPU and lets it run from an entry point, in the byte order of `caller`. */
  turnOn(vcpu: Vcpu, { pc, context }: EntryPoint, caller: Vcpu): void {
    const byteOrder = caller.getReg(SCTLR_EL1) & SCTLR_EE;
    this.#options.reset(vcpu);
    vcpu.setReg(KVM_REG_PC, pc);
    vcpu.setReg(xRegId(0), context);
    if (byteOrder !== 0n) vcpu.setReg(SCTLR_EL1, vcpu.getReg(SCTLR_EL1) | SCTLR_EE);
    vcpu.mpState = KVM_MP_STATE_RUNNABLE;
  }

  turnOff(vcpu: Vcpu): void {
    vcpu.mpState = KVM_MP_STATE_STOPPED;
  }

  /** For a machine that ends: where no vCPU can be told to stop, it is enough that none is run. */
  turnOffAll(): void {
    if (!this.#options.hasMpState) return;
    for (const vcpu of this.#options.vcpus) this.turnOff(vcpu);
  }

  /** Waits for an interrupt: `KVM_RUN` answers it with the event WAKEUP, and the vCPU goes on when it is {@link wake}d. */
  suspend(vcpu: Vcpu): void {
    vcpu.mpState = KVM_MP_STATE_SUSPENDED;
  }

  /** Ends {@link suspend}. */
  wake(vcpu: Vcpu): void {
    vcpu.mpState = KVM_MP_STATE_RUNNABLE;
  }
}
