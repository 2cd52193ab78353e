/** Reset: KVM_ARM_VCPU_INIT, and the entry state that PSCI CPU_ON asked for. */
import type { Host } from '../host.ts';
import { resetCounters } from '../pmu/counters.ts';
import type { Block } from '../state/block.ts';
import {
  BANKED_SPSR,
  EXCEPTION_PENDING,
  OSLSR_EL1,
  PSCI_PENDING,
  RESET_BIG_ENDIAN,
  RESET_CONTEXT,
  RESET_PC,
  RESET_PENDING,
  SERROR_PENDING,
  WAITING,
} from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { REQUEST_FLUSH_ALL, REQUEST_RELOAD, request } from '../state/requests.ts';
import {
  EXCLUSIVE_HOST,
  FPCR,
  FPSR,
  INTERRUPT_LINES,
  PC,
  SCTLR_EL1,
  SP_EL0,
  V,
  VM_BLOCK,
  X,
} from '../state/vcpu-state.ts';
import { IRQCHIP, STATE_LOCK } from '../state/vm-control.ts';
import { resetTimers } from '../timer/arch-timer.ts';
import { copy64, writePstate } from './pstate.ts';
import { SYSREG_TABLE } from './sysregs.ts';

/** EL1h with all exceptions masked. */
const RESET_PSTATE = 0x3c5;
/** SCTLR_EL1.EE */
const EE = 1 << 25;
const SERROR_LINE = 4;
const REGISTERS = 31;

/**
 * Gives every register its reset value; ELR_EL1, SPSR_EL1 and SP_EL1 have none and stay. The vCPU is outside guest code.
 * @see Linux arch/arm64/kvm/reset.c
 */
export function resetVcpu(vcpu: Block, host: Host): void {
  const { u8 } = vcpu.words;
  const zero = (offset: number, length: number): unknown =>
    u8.fill(0, vcpu.base + offset, vcpu.base + offset + length);
  zero(X, REGISTERS * 8);
  zero(V, 32 * 16);
  zero(BANKED_SPSR, OSLSR_EL1 - BANKED_SPSR);
  zero(PC, 8);
  writePstate(vcpu, RESET_PSTATE);
  zero(SP_EL0, 8);
  vcpu.set32(FPCR, 0);
  vcpu.set32(FPSR, 0);
  vcpu.set32(EXCLUSIVE_HOST, 0);
  vcpu.set32(WAITING, 0);
  vcpu.set32(EXCEPTION_PENDING, 0);
  vcpu.set32(PSCI_PENDING, 0);
  SYSREG_TABLE.reset(vcpu);
  resetTimers(vcpu, host);
  resetCounters(vcpu, host);
  request(vcpu, REQUEST_FLUSH_ALL | REQUEST_RELOAD, host);
}

/** What KVM_ARM_VCPU_INIT drops besides: a pending CPU_ON, SError, and lines that user space raised. */
export function dropPending(vcpu: Block): void {
  vcpu.set32(RESET_PENDING, 0);
  vcpu.set32(SERROR_PENDING, 0);
  const { words } = vcpu;
  const kept = words.get32(vcpu.get32(VM_BLOCK) + IRQCHIP) === 0 ? 0 : ~SERROR_LINE;
  Atomics.and(words.i32, (vcpu.base + INTERRUPT_LINES) >>> 2, kept);
}

/**
 * Applies the reset of a CPU_ON, if there is one: before the vCPU runs, and before user space looks at it.
 * @returns whether there was one; the vCPU then has requests to serve
 */
export function applyPendingReset(vcpu: Block, host: Host): boolean {
  if (vcpu.get32(RESET_PENDING) === 0) return false;
  withLock(vcpu.words, vcpu.get32(VM_BLOCK) + STATE_LOCK, host, () => {
    resetVcpu(vcpu, host);
    copy64(vcpu, PC, RESET_PC);
    copy64(vcpu, X, RESET_CONTEXT);
    if (vcpu.get32(RESET_BIG_ENDIAN) !== 0) vcpu.set32(SCTLR_EL1, vcpu.get32(SCTLR_EL1) | EE);
    vcpu.set32(RESET_PENDING, 0);
  });
  return true;
}
