/** The engine's ports: what guest code cannot do by itself. In-kernel devices come first, then user space. */
import { EFAULT } from '@vkvm/uapi';

import { PORT_GO_ON, PORT_LEAVE, PORT_USER } from '../interp/traps.ts';
import type { Traps } from '../interp/traps.ts';
import { ACCESS_WRITE, accessBytes } from '../mmu/access.ts';
import type { Block } from '../state/block.ts';
import { MP_STATE, SETTLED, VCPU_ID, WAITING } from '../state/control.ts';
import { exitDirtyRingFull } from '../state/exit.ts';
import { HVC_EXITS, MMIO_EXITS_KERNEL, count } from '../state/stats.ts';
import { holds, releases } from '../state/profile.ts';
import { SCRATCH, SYNDROME, FAULT_PA, EL, PC, X } from '../state/vcpu-state.ts';
import { IPA_BITS, PSCI_BY_KERNEL, UNBACKED_COUNT, WRITE_PROTECTED_COUNT } from '../state/vm-control.ts';
import { accessSysreg, isTrapped, keyOfWord, trapSyndrome } from '../sysreg/access.ts';
import { SYSREG_DONE, SYSREG_EXCEPTION, SYSREG_LEAVE, SYSREG_TRAP, SYSREG_UNDEFINED } from '../sysreg/row.ts';
import type { SysregEnv } from '../sysreg/row.ts';
import { psciCall } from '../psci/call.ts';
import type { CallOutcome } from '../psci/handler.ts';
import { isPsci } from '../psci/ids.ts';
import { smccc } from '../smccc/call.ts';
import { isItsBehind, mayHaveFrame, mmio } from '../vgic/vgic.ts';
import { isUnbacked, isWriteProtected } from '../vm/memslots.ts';
import { serveStore } from '../vm/store-bus.ts';
import type { Thread } from '../vm/thread.ts';
import { ESR_UNDEFINED } from './exception.ts';
import { PORT_AGAIN, PORT_EXCEPTION, PORT_EXIT, PORT_EXTERNAL_ABORT } from './port.ts';
import type { PortAction } from './port.ts';
import { stepPc, stepPcBack } from './pstate.ts';
import { callSecure, hasRoomForCall, isSecureVm, secureVcpuFor } from './secure.ts';
import type { SecureCpu } from './secure.ts';
import { SYSREG_TABLE } from './sysregs.ts';

/** The first guest-physical address that the VM does not have. */
const addressEnd = (vm: Block): number => (1 << (vm.get32(IPA_BITS) - 32)) * 0x1_0000_0000;

/** Beyond the VM's addresses there is user space, too. */
const BEYOND_IS_MMIO = releases({ until: '6.1' });

/** Where an access outside of memory goes. */
export const NOWHERE_ABORT = 0;
export const NOWHERE_FAULT = 1;
export const NOWHERE_USER = 2;

/**
 * @param write - whether it is a store
 * @returns an abort (beyond the VM's addresses), EFAULT (a memslot without memory), or user space
 */
export function nowhere(vm: Block, gpa: number, write: boolean): 0 | 1 | 2 {
  if (gpa >= addressEnd(vm)) return holds(vm, BEYOND_IS_MMIO) ? NOWHERE_USER : NOWHERE_ABORT;
  if (vm.get32(UNBACKED_COUNT) !== 0 && isUnbacked(vm, gpa)) return NOWHERE_FAULT;
  if (write && vm.get32(WRITE_PROTECTED_COUNT) !== 0 && isWriteProtected(vm, gpa)) return NOWHERE_FAULT;
  return NOWHERE_USER;
}

/** A thread that knows its vCPUs: a secure runtime has one. */
export interface TrapsThread extends Thread {
  /** @param base - address of the vCPU's block */
  vcpuAt(base: number): SecureCpu;
}

export class VcpuTraps implements Traps {
  /** Why the last port left guest code. */
  action: PortAction = PORT_AGAIN;
  /** Whether real hardware would have trapped to the hypervisor. Who wants to know sets it to false before. */
  hasTrapped = false;
  /** In a secure runtime: it has ended its call. {@link callSecure} clears it. */
  hasReturned = false;
  readonly hearsAll: boolean;
  /** 0 or -errno, for PORT_EXIT. */
  result = 0;
  /** Instructions that the last port completed before it left, which the engine has not counted: 0 or 1. */
  uncounted = 0;
  readonly #vcpu: Block;
  readonly #vm: Block;
  readonly #thread: TrapsThread;
  readonly #env: SysregEnv;
  readonly #reportOnce: (cause: string) => void;
  readonly #access: { bytes: number; write: boolean; readonly data: number };

  constructor(
    vcpu: Block,
    vm: Block,
    thread: TrapsThread,
    env: SysregEnv,
    reportOnce: (cause: string) => void,
  ) {
    this.#vcpu = vcpu;
    this.#vm = vm;
    this.#thread = thread;
    this.hearsAll = thread.trace?.kvm_mmio !== undefined;
    this.#env = env;
    this.#reportOnce = reportOnce;
    this.#access = { bytes: 0, write: false, data: vcpu.base + SCRATCH };
  }

  hypercall(smc: number, immediate: number): number {
    this.hasTrapped = true;
    const vcpu = this.#vcpu;
    if (smc === 0) count(vcpu, HVC_EXITS);
    return this.#isPlainPsci(smc)
      ? this.#afterCall(psciCall(vcpu, this.#thread.host), smc)
      : this.#call(smc, immediate);
  }

  /** A PSCI call that needs none of the questions of {@link #call}: nearly all are. */
  #isPlainPsci(smc: number): boolean {
    return (
      smc === 0 &&
      this.#vm.get32(PSCI_BY_KERNEL) !== 0 &&
      this.#thread.trace === undefined &&
      isPsci(this.#vcpu.get32(X))
    );
  }

  #call(smc: number, immediate: number): number {
    const vcpu = this.#vcpu;
    const vm = this.#vm;
    const { trace, host } = this.#thread;
    if (isSecureVm(vm)) {
      this.hasReturned = true;
      return this.#leave(PORT_AGAIN);
    }
    if (trace) {
      const [id, functionId] = [vcpu.get32(VCPU_ID), vcpu.get32(X)];
      if (smc === 0) trace.kvm_hvc_arm64?.(id, functionId, immediate);
      else trace.kvm_smc_arm64?.(id, functionId, immediate);
    }
    const secure = secureVcpuFor(vm, vcpu);
    if (secure !== 0) {
      if (!hasRoomForCall(vm, vcpu)) return this.#repeat(exitDirtyRingFull);
      callSecure(vm, vcpu, this.#thread.vcpuAt(secure), host);
      return PORT_GO_ON;
    }
    return this.#afterCall(smccc(vcpu, smc !== 0, immediate, host), smc);
  }

  #afterCall(outcome: CallOutcome, smc: number): number {
    const vcpu = this.#vcpu;
    if (outcome === 'exit') return this.#exit(0);
    if (outcome === 'undefined') {
      // As on hardware, a trapped SMC is returned to; the return address of HVC is after it.
      if (smc !== 0) stepPcBack(vcpu);
      return this.#raise(ESR_UNDEFINED);
    }
    const runs = vcpu.get32(MP_STATE) === 0 && vcpu.get32(WAITING) === 0;
    return runs ? PORT_GO_ON : this.#leave(PORT_AGAIN);
  }

  sysreg(word: number): number {
    this.hasTrapped = isTrapped(SYSREG_TABLE, word);
    const vcpu = this.#vcpu;
    switch (accessSysreg(SYSREG_TABLE, vcpu, word, this.#env)) {
      case SYSREG_DONE:
        return PORT_GO_ON;
      case SYSREG_LEAVE:
        stepPc(vcpu);
        this.#leave(PORT_AGAIN);
        this.uncounted = 1;
        return PORT_LEAVE;
      case SYSREG_EXCEPTION:
        return this.#leave(PORT_EXCEPTION);
      case SYSREG_TRAP:
        return this.#raise(trapSyndrome(word));
      case SYSREG_UNDEFINED:
        this.#reportUnknown(word);
        return this.#raise(ESR_UNDEFINED);
    }
  }

  mmioRead(access: number): number {
    const vcpu = this.#vcpu;
    const gpa = vcpu.getNumber(FAULT_PA);
    if (this.#deviceAccess(access, gpa)) return PORT_GO_ON;
    return this.#userAccess(access, gpa);
  }

  mmioWrite(access: number): number {
    const vcpu = this.#vcpu;
    const gpa = vcpu.getNumber(FAULT_PA);
    // Guest code itself looks at the interrupts that the store may have raised.
    if (this.#deviceAccess(access, gpa)) return PORT_GO_ON;
    return this.#userAccess(access, gpa);
  }

  /** @returns whether an in-kernel device is at the address; the access is made then */
  #deviceAccess(access: number, gpa: number): boolean {
    this.hasTrapped = true;
    if (!mayHaveFrame(this.#vm, gpa)) return false;
    this.#access.bytes = accessBytes(access);
    this.#access.write = (access & ACCESS_WRITE) !== 0;
    if (!mmio(this.#vcpu, gpa, this.#access, this.#thread.host)) return false;
    count(this.#vcpu, MMIO_EXITS_KERNEL);
    // What is left of its commands is for the turns of the vCPU.
    if (isItsBehind(this.#vm)) this.#vcpu.set32(SETTLED, 0);
    return true;
  }

  #userAccess(access: number, gpa: number): number {
    const vcpu = this.#vcpu;
    const write = (access & ACCESS_WRITE) !== 0;
    const { trace, host } = this.#thread;
    switch (nowhere(this.#vm, gpa, write)) {
      case NOWHERE_ABORT:
        return this.#leave(PORT_EXTERNAL_ABORT);
      case NOWHERE_FAULT:
        return this.#exit(-EFAULT);
      case NOWHERE_USER:
        if (trace?.kvm_mmio) {
          const [low, high] = write ? [vcpu.get32(SCRATCH), vcpu.get32(SCRATCH + 4)] : [0, 0];
          trace.kvm_mmio(vcpu.get32(VCPU_ID), write, accessBytes(access), gpa, low, high);
        }
        if (write && serveStore(this.#vm, gpa, accessBytes(access), vcpu.base + SCRATCH, host)) {
          count(vcpu, MMIO_EXITS_KERNEL);
          return PORT_GO_ON;
        }
        return PORT_USER;
    }
  }

  #leave(action: Exclude<PortAction, typeof PORT_EXIT>): number {
    this.action = action;
    this.uncounted = 0;
    return PORT_LEAVE;
  }

  #exit(result: number): number {
    this.uncounted = 0;
    this.action = PORT_EXIT;
    this.result = result;
    return PORT_LEAVE;
  }

  /** KVM_RUN returns, and the next one makes the call again. */
  #repeat(exit: (vcpu: Block) => void): number {
    const vcpu = this.#vcpu;
    stepPcBack(vcpu);
    exit(vcpu);
    return this.#exit(0);
  }

  #raise(syndrome: number): number {
    this.#vcpu.set32(SYNDROME, syndrome);
    this.#vcpu.set32(SYNDROME + 4, 0);
    return this.#leave(PORT_EXCEPTION);
  }

  /** EL0 may try anything; EL1 asks for a register because it takes the CPU to have it. */
  #reportUnknown(word: number): void {
    if (this.#vcpu.get32(EL) === 0 || SYSREG_TABLE.find(keyOfWord(word))) return;
    this.#reportOnce(describeWord(word, this.#vcpu.get64(PC)));
  }
}

/** Top level of the encodings, by bits 28:25. Source: Arm DDI 0487, C4.1. */
const GROUPS: readonly string[] = [
  'reserved',
  'unallocated',
  'SVE',
  'unallocated',
  'loads and stores',
  'data processing (register)',
  'loads and stores',
  'scalar FP and AdvSIMD',
  'data processing (immediate)',
  'data processing (immediate)',
  'branches, exceptions and system',
  'branches, exceptions and system',
  'loads and stores',
  'data processing (register)',
  'loads and stores',
  'scalar FP and AdvSIMD',
];

/** One line about an instruction that cannot be executed. */
export function describeWord(word: number, pc: bigint): string {
  const group = GROUPS[(word >>> 25) & 15]!;
  return `unimplemented instruction 0x${(word >>> 0).toString(16).padStart(8, '0')} at 0x${pc.toString(16)}, class ${group}`;
}
