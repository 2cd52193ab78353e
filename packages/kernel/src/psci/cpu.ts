/** PSCI calls about CPUs. Source: Arm DEN 0022, chapter 5; what KVM makes of them, arch/arm64/kvm/psci.c. */
import {
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  PSCI_AFFINITY_OFF,
  PSCI_AFFINITY_ON,
  PSCI_INVALID_PARAMETERS,
  PSCI_SUCCESS,
} from '@vkvm/uapi';

import { affinityOf } from '../state/affinity.ts';
import { Block } from '../state/block.ts';
import { argumentHigh, argumentLow } from '../state/call-registers.ts';
import {
  MP_STATE,
  RESET_BIG_ENDIAN,
  RESET_CONTEXT,
  RESET_PC,
  RESET_PENDING,
  WAITING,
} from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import { REQUEST_LOOK, request } from '../state/requests.ts';
import { SCTLR_EL1, VM_BLOCK, X } from '../state/vcpu-state.ts';
import { STATE_LOCK } from '../state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import type { PsciHandler } from './handler.ts';
import { psciVersion, versionRow } from './versions.ts';

/** SCTLR_EL1.EE: data accesses of EL1 are big-endian. */
const SCTLR_EE = 1 << 25;

/** An affinity in x1: Aff2.Aff1.Aff0 in the low word, Aff3 above it. Other bits must be zero; before 5.16 nobody looks. */
const RESERVED_LOW = 0xff00_0000;
const AFF3 = 0xff;
const STRICT_AFFINITY = releases({ since: '5.16' });
const isAffinity = (vcpu: Block): boolean =>
  ((argumentLow(vcpu, 1) & RESERVED_LOW) === 0 && argumentHigh(vcpu, 1) <= AFF3) ||
  !holds(vcpu, STRICT_AFFINITY);

/** The VM's vCPUs with x1's affinity, of which `mask` says what counts. Aff3 of every vCPU is 0. */
function matching(vcpu: Block, mask: number): Block[] {
  if ((argumentHigh(vcpu, 1) & AFF3) !== 0) return [];
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  const found: Block[] = [];
  for (let n = 0; n < words.get32(vm + VCPU_COUNT); n++) {
    const other = words.get32(vm + VCPU_TABLE + 4 * n);
    if (((affinityOf(words, other) ^ argumentLow(vcpu, 1)) & mask) === 0) found.push(new Block(words, other));
  }
  return found;
}

const ALL_AFFINITIES = 0xff_ffff;

/** CPU_ON names a CPU by its place among the VM's, not by affinity. */
const TARGET_IS_INDEX = releases({ until: '3.14' });

/** The CPU that CPU_ON is to turn on. */
function targetOf(vcpu: Block): Block | undefined {
  if (!holds(vcpu, TARGET_IS_INDEX)) return isAffinity(vcpu) ? matching(vcpu, ALL_AFFINITIES)[0] : undefined;
  const vm = vcpu.get32(VM_BLOCK);
  const index = argumentLow(vcpu, 1);
  if (argumentHigh(vcpu, 1) !== 0 || index >= vcpu.words.get32(vm + VCPU_COUNT)) return undefined;
  return new Block(vcpu.words, vcpu.words.get32(vm + VCPU_TABLE + 4 * index));
}

/** CPU_SUSPEND: a standby, whatever state is asked for. The registers stay, and the call returns when woken. */
export const cpuSuspend: PsciHandler = (vcpu) => {
  vcpu.set32(WAITING, 1);
  return PSCI_SUCCESS;
};

/** CPU_OFF: never refused, not even for the last CPU. */
export const cpuOff: PsciHandler = (vcpu, host) => {
  withLock(vcpu.words, vcpu.get32(VM_BLOCK) + STATE_LOCK, host, () =>
    vcpu.set32(MP_STATE, KVM_MP_STATE_STOPPED),
  );
  return PSCI_SUCCESS;
};

/** The target finds x3 in its x0. Version 0.1 as it was at first did not pass it on. */
const HAS_CONTEXT = releases({ since: '3.16' });

/** CPU_ON: the reset is left to the target. The entry point is not looked at. */
export const cpuOn: PsciHandler = (vcpu, host) => {
  const target = targetOf(vcpu);
  if (target === undefined) return PSCI_INVALID_PARAMETERS;
  const wasOff = withLock(vcpu.words, vcpu.get32(VM_BLOCK) + STATE_LOCK, host, () => {
    if (target.get32(MP_STATE) !== KVM_MP_STATE_STOPPED) return false;
    copy(vcpu, X + 16, target, RESET_PC);
    if (holds(vcpu, HAS_CONTEXT)) copy(vcpu, X + 24, target, RESET_CONTEXT);
    else target.set64(RESET_CONTEXT, 0n);
    target.set32(RESET_BIG_ENDIAN, (vcpu.get32(SCTLR_EL1) & SCTLR_EE) === 0 ? 0 : 1);
    target.set32(RESET_PENDING, 1);
    target.set32(MP_STATE, KVM_MP_STATE_RUNNABLE);
    return true;
  });
  if (!wasOff) return versionRow(psciVersion(vcpu)).notOff;
  request(target, REQUEST_LOOK, host);
  return PSCI_SUCCESS;
};

function copy(from: Block, offset: number, to: Block, at: number): void {
  to.set32(at, from.get32(offset));
  to.set32(at + 4, from.get32(offset + 4));
}

/** AFFINITY_INFO: x2 is the lowest affinity level that counts. */
export const affinityInfo: PsciHandler = (vcpu) => {
  const level = argumentLow(vcpu, 2);
  if (!isAffinity(vcpu) || argumentHigh(vcpu, 2) !== 0 || level > 3) return PSCI_INVALID_PARAMETERS;
  const found = matching(vcpu, level === 3 ? 0 : (ALL_AFFINITIES << (8 * level)) & ALL_AFFINITIES);
  if (found.length === 0) return PSCI_INVALID_PARAMETERS;
  const off = found.every((other) => other.get32(MP_STATE) === KVM_MP_STATE_STOPPED);
  return off ? PSCI_AFFINITY_OFF : PSCI_AFFINITY_ON;
};
