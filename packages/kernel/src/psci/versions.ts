/** The PSCI version of a VM: which there are, which one it has, and how user space chooses. */
import {
  EINVAL,
  KVM_ARM_VCPU_PSCI_0_2,
  PSCI_0_1,
  PSCI_0_2,
  PSCI_1_0,
  PSCI_1_1,
  PSCI_1_2,
  PSCI_1_3,
  PSCI_ALREADY_ON,
  PSCI_INVALID_PARAMETERS,
  releaseNumber,
} from '@vkvm/uapi';
import type { LinuxVersion, PsciVersion } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { featuresOf } from '../state/features.ts';
import { releaseOf } from '../state/profile.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { VERSION } from './state.ts';

interface PsciVersionRow {
  readonly version: PsciVersion;
  /** The Linux that brought it. */
  readonly since: LinuxVersion;
  /** What CPU_ON answers for a CPU that is not off. */
  readonly notOff: number;
}

/** Oldest first. Version 0.1 has function ids of its own, and is what a VM without the feature PSCI_0_2 has. */
export const VERSIONS: readonly PsciVersionRow[] = [
  { version: PSCI_0_1, since: '3.9', notOff: PSCI_INVALID_PARAMETERS },
  { version: PSCI_0_2, since: '3.16', notOff: PSCI_ALREADY_ON },
  { version: PSCI_1_0, since: '4.16', notOff: PSCI_ALREADY_ON },
  { version: PSCI_1_1, since: '5.18', notOff: PSCI_ALREADY_ON },
  { version: PSCI_1_2, since: '6.13', notOff: PSCI_ALREADY_ON },
  { version: PSCI_1_3, since: '6.13', notOff: PSCI_ALREADY_ON },
];

const hasPsci02 = (vcpu: Block): boolean => (featuresOf(vcpu) & (1 << KVM_ARM_VCPU_PSCI_0_2)) !== 0;

const NEWEST_FIRST = VERSIONS.map(({ version, since }) => ({
  version,
  from: releaseNumber(since),
})).toReversed();

/** The newest version that the profile has. */
function newest(release: number): PsciVersion {
  for (const { version, from } of NEWEST_FIRST) if (release >= from) return version;
  return PSCI_0_1;
}

/** Gives a new VM the version that it has if user space chooses none. */
export const initPsciVersion = (vm: Block): void => vm.set32(VERSION, newest(releaseOf(vm.words)));

/** The version a vCPU's guest has: 0.1 without the feature, else the VM's. */
export const psciVersion = (vcpu: Block): number =>
  hasPsci02(vcpu) ? vcpu.words.get32(vcpu.get32(VM_BLOCK) + VERSION) : PSCI_0_1;

export const versionRow = (version: number): PsciVersionRow =>
  VERSIONS.find((row) => row.version === version)!;

/**
 * Chooses the version of the whole VM, at any time. The state lock is held.
 * @returns 0; -EINVAL: not a version there is, or 0.1 with the feature PSCI_0_2, or another without it
 */
export function setPsciVersion(vcpu: Block, version: bigint): number {
  const row = NEWEST_FIRST.find((each) => BigInt(each.version) === version);
  if (row === undefined || releaseOf(vcpu.words) < row.from) return -EINVAL;
  if ((row.version === PSCI_0_1) === hasPsci02(vcpu)) return -EINVAL;
  vcpu.words.set32(vcpu.get32(VM_BLOCK) + VERSION, row.version);
  return 0;
}
