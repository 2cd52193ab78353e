/**
 * The writer of `kvm_run`: one function an exit. Offsets are those of `@vkvm/uapi`'s kvm-run.ts. The exit for an access
 * that user space serves is written by guest code itself: interp/user-access.ts.
 */
import {
  KVM_DEBUG_ARCH_HSR_HIGH_VALID,
  KVM_EXIT_ARM_NISV,
  KVM_EXIT_DEBUG,
  KVM_EXIT_DIRTY_RING_FULL,
  KVM_EXIT_HYPERCALL,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_INTR,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_EXIT_UNKNOWN,
  VKVM_EXIT_IDLE,
  VKVM_EXIT_PSCI,
  VKVM_RFC_2013_EXIT_PSCI,
  kvmRun,
  kvmRunArmNisv,
  kvmRunDebug,
  kvmRunHw,
  kvmRunHypercall,
  kvmRunSyncRegs,
  kvmRunSystemEvent,
  vkvmRunIdle,
  vkvmRunPsci,
  releaseNumber,
} from '@vkvm/uapi';

import type { Block } from './block.ts';
import { holds, releases, since } from './profile.ts';
import { RFC_2013, releaseOf } from './profile.ts';
import { RUN_PAGE, X } from './vcpu-state.ts';

const { exit_reason: EXIT_REASON, immediate_exit: IMMEDIATE_EXIT, flags: FLAGS } = kvmRun.offsets;
const { hardware_exit_reason: HARDWARE_EXIT_REASON } = kvmRunHw.offsets;
const { device_irq_level: DEVICE_IRQ_LEVEL } = kvmRunSyncRegs.offsets;

export const exitReason = (vcpu: Block): number => vcpu.words.get32(vcpu.get32(RUN_PAGE) + EXIT_REASON);

export const immediateExit = (vcpu: Block): boolean =>
  vcpu.words.u8[vcpu.get32(RUN_PAGE) + IMMEDIATE_EXIT] !== 0;

function setReason(vcpu: Block, reason: number): number {
  const page = vcpu.get32(RUN_PAGE);
  vcpu.words.set32(page + EXIT_REASON, reason);
  return page;
}

/** A real run starts: what a KVM_RUN leaves behind that fails before it has an exit. */
export function exitUnknown(vcpu: Block): void {
  const page = setReason(vcpu, KVM_EXIT_UNKNOWN);
  vcpu.words.u16[(page + FLAGS) >>> 1] = 0;
  vcpu.words.set32(page + HARDWARE_EXIT_REASON, 0);
  vcpu.words.set32(page + HARDWARE_EXIT_REASON + 4, 0);
}

/** Since this release the upper half of the syndrome is told, and said to be. */
const HAS_HSR_HIGH = releaseNumber('5.19');

/** A debug exception. @param far - the address of a watchpoint; else of no meaning */
export function exitDebug(vcpu: Block, syndrome: number, far: bigint): void {
  const page = setReason(vcpu, KVM_EXIT_DEBUG);
  const { offsets } = kvmRunDebug;
  vcpu.words.set32(page + offsets.hsr, syndrome);
  vcpu.words.set32(page + offsets.hsr_high, 0);
  vcpu.words.set64(page + offsets.far, far);
  vcpu.words.u16[(page + FLAGS) >>> 1] = since(vcpu, HAS_HSR_HIGH) ? KVM_DEBUG_ARCH_HSR_HIGH_VALID : 0;
}

/** A signal: KVM_RUN answers EINTR. */
export function exitIntr(vcpu: Block): void {
  setReason(vcpu, KVM_EXIT_INTR);
}

/** Before 5.18 `data[0]` is the field `flags`, and nothing counts. */
const HAS_NDATA = releases({ since: '5.18' });

/** @param data0 - absent = `ndata` is 0, as for SUSPEND and WAKEUP */
export function exitSystemEvent(vcpu: Block, type: number, data0?: number): void {
  const page = setReason(vcpu, KVM_EXIT_SYSTEM_EVENT);
  const { offsets } = kvmRunSystemEvent;
  vcpu.words.set32(page + offsets.type, type);
  vcpu.words.set32(page + offsets.ndata, data0 === undefined || !holds(vcpu, HAS_NDATA) ? 0 : 1);
  if (data0 !== undefined) vcpu.words.setNumber(page + offsets.data, data0);
}

/**
 * An SMCCC call that the filter forwards. Arguments and results go through one_reg.
 * @param flags - `KVM_HYPERCALL_EXIT_*`
 */
export function exitHypercall(vcpu: Block, functionId: number, flags: number): void {
  const page = setReason(vcpu, KVM_EXIT_HYPERCALL);
  kvmRunHypercall.write(vcpu.words.memory, page, { nr: BigInt(functionId >>> 0), flags: BigInt(flags) });
}

/** User address of the results of a PSCI exit. */
export const psciResults = (vcpu: Block): number => vcpu.get32(RUN_PAGE) + vkvmRunPsci.offsets.ret;

/** `KVM_EXIT_PSCI` as the profile numbers it: mainline gave the proposal's number to system events. */
export const psciReason = (vcpu: Block): number =>
  releaseOf(vcpu.words) === RFC_2013 ? VKVM_RFC_2013_EXIT_PSCI : VKVM_EXIT_PSCI;

/** A PSCI call that user space serves, out of x0 to x7. @param conduit - `VKVM_PSCI_CONDUIT_*` */
export function exitPsci(vcpu: Block, conduit: number): void {
  const page = setReason(vcpu, psciReason(vcpu));
  const { words, base } = vcpu;
  const { fn, args, ret } = vkvmRunPsci.offsets;
  words.set32(page + fn, vcpu.get32(X));
  words.set32(page + vkvmRunPsci.offsets.conduit, conduit);
  words.u8.copyWithin(page + args, base + X + 8, base + X + 8 + (ret - args));
  words.u8.fill(0, page + ret, page + vkvmRunPsci.size);
}

/** @param iss - ESR_EL2.ISS of the access, without what describes it */
export function exitNisv(vcpu: Block, iss: number, gpa: number): void {
  const page = setReason(vcpu, KVM_EXIT_ARM_NISV);
  vcpu.words.setNumber(page + kvmRunArmNisv.offsets.esr_iss, iss);
  vcpu.words.setNumber(page + kvmRunArmNisv.offsets.fault_ipa, gpa);
}

/** User space must take entries out of the vCPU's dirty ring. */
export function exitDirtyRingFull(vcpu: Block): void {
  setReason(vcpu, KVM_EXIT_DIRTY_RING_FULL);
}

/** Our own mistake. As on arm64 Linux, the union is not written. */
export function exitInternalError(vcpu: Block): void {
  setReason(vcpu, KVM_EXIT_INTERNAL_ERROR);
}

/** @param why - `VKVM_IDLE_*` @param deadline - monotonic ns; Infinity = none */
export function exitIdle(vcpu: Block, why: number, deadline: number): void {
  const page = setReason(vcpu, VKVM_EXIT_IDLE);
  const { words } = vcpu;
  words.set32(page + vkvmRunIdle.offsets.why, why);
  words.set32(page + vkvmRunIdle.offsets.pad, 0);
  if (deadline === Infinity) words.set64(page + vkvmRunIdle.offsets.deadline_ns, 0xffff_ffff_ffff_ffffn);
  else words.setNumber(page + vkvmRunIdle.offsets.deadline_ns, Math.max(0, Math.ceil(deadline)));
}

/** Output levels of in-kernel timers for an interrupt controller in user space: `KVM_ARM_DEV_*` bits. */
export const deviceIrqLevel = (vcpu: Block): number =>
  vcpu.words.get32(vcpu.get32(RUN_PAGE) + DEVICE_IRQ_LEVEL);

export function setDeviceIrqLevel(vcpu: Block, level: number): void {
  vcpu.words.set32(vcpu.get32(RUN_PAGE) + DEVICE_IRQ_LEVEL, level);
  vcpu.words.set32(vcpu.get32(RUN_PAGE) + DEVICE_IRQ_LEVEL + 4, 0);
}
