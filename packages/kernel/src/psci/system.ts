/**
 * PSCI calls about the whole machine: user space does what they ask for, told by KVM_EXIT_SYSTEM_EVENT.
 * Source: Arm DEN 0022, chapter 5; the registers they leave, arch/arm64/kvm/psci.c.
 */
import {
  KVM_MP_STATE_STOPPED,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2,
  KVM_SYSTEM_EVENT_SUSPEND,
  PSCI_INTERNAL_FAILURE,
  PSCI_INVALID_PARAMETERS,
  PSCI_NOT_SUPPORTED,
  PSCI_OFF2_HIBERNATE,
  PSCI_RESET2_VENDOR_START,
  PSCI_RESET2_WARM,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { Block } from '../state/block.ts';
import { argumentHigh, argumentLow, setResult, setResults } from '../state/call-registers.ts';
import { MP_STATE } from '../state/control.ts';
import { exitSystemEvent } from '../state/exit.ts';
import { withLock } from '../state/lock.ts';
import { REQUEST_LOOK, request } from '../state/requests.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { STATE_LOCK, SYSTEM_SUSPEND } from '../state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import type { PsciHandler } from './handler.ts';

/** Stops every vCPU of the VM, this one too. */
function stopAll(vcpu: Block, host: Host): void {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  withLock(words, vm + STATE_LOCK, host, () => {
    for (let n = 0; n < words.get32(vm + VCPU_COUNT); n++) {
      const other = new Block(words, words.get32(vm + VCPU_TABLE + 4 * n));
      other.set32(MP_STATE, KVM_MP_STATE_STOPPED);
      request(other, REQUEST_LOOK, host);
    }
  });
}

function leave(vcpu: Block, host: Host, type: number, flags: number): 'exit' {
  stopAll(vcpu, host);
  exitSystemEvent(vcpu, type, flags);
  return 'exit';
}

/** The result is read only by a guest that is resumed after it asked to stop. */
export const systemOff: PsciHandler = (vcpu, host) => {
  setResults(vcpu, PSCI_INTERNAL_FAILURE);
  return leave(vcpu, host, KVM_SYSTEM_EVENT_SHUTDOWN, 0);
};

export const systemReset: PsciHandler = (vcpu, host) => {
  setResults(vcpu, PSCI_INTERNAL_FAILURE);
  return leave(vcpu, host, KVM_SYSTEM_EVENT_RESET, 0);
};

/** SYSTEM_RESET2: user space finds the type in x1 and the cookie in x2. */
export const systemReset2: PsciHandler = (vcpu, host) => {
  const type = argumentLow(vcpu, 1);
  const vendor = argumentHigh(vcpu, 1) !== 0 || type >= PSCI_RESET2_VENDOR_START;
  if (!vendor && type !== PSCI_RESET2_WARM) return PSCI_INVALID_PARAMETERS;
  setResult(vcpu, PSCI_INTERNAL_FAILURE);
  return leave(vcpu, host, KVM_SYSTEM_EVENT_RESET, KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2);
};

/** SYSTEM_OFF2: type 0 is another name of hibernation. Unlike RESET2, the arguments are lost. */
export const systemOff2: PsciHandler = (vcpu, host) => {
  const type = argumentLow(vcpu, 1);
  const hibernate = argumentHigh(vcpu, 1) === 0 && (type === 0 || type === PSCI_OFF2_HIBERNATE);
  const cookie = argumentLow(vcpu, 2) | argumentHigh(vcpu, 2);
  if (!hibernate || cookie !== 0) return PSCI_INVALID_PARAMETERS;
  setResults(vcpu, PSCI_INTERNAL_FAILURE);
  return leave(vcpu, host, KVM_SYSTEM_EVENT_SHUTDOWN, KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2);
};

/** Whether user space has enabled KVM_CAP_ARM_SYSTEM_SUSPEND. */
export const mayForwardSuspend = (vcpu: Block): boolean =>
  vcpu.words.get32(vcpu.get32(VM_BLOCK) + SYSTEM_SUSPEND) !== 0;

/** SYSTEM_SUSPEND: stops nobody and leaves the registers, in which user space reads the call and writes the result. */
export const systemSuspend: PsciHandler = (vcpu) => {
  if (!mayForwardSuspend(vcpu)) return PSCI_NOT_SUPPORTED;
  exitSystemEvent(vcpu, KVM_SYSTEM_EVENT_SUSPEND);
  return 'exit';
};
