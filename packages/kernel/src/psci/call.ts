/** A PSCI call: uapi's row, the version that must have it, the handler. PSCI_FEATURES reads the same rows. */
import {
  ARM_SMCCC_VERSION_FUNC_ID,
  PSCI_0_1,
  PSCI_0_1_FUNCTIONS,
  PSCI_FUNCTIONS,
  PSCI_NOT_SUPPORTED,
  PSCI_SUCCESS,
  PSCI_TOS_MP,
} from '@vkvm/uapi';
import type { PsciFunctionName, PsciFunctionRow } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { argumentLow, narrowArguments, setResults } from '../state/call-registers.ts';
import { affinityInfo, cpuOff, cpuOn, cpuSuspend } from './cpu.ts';
import type { PsciHandler } from './handler.ts';
import {
  mayForwardSuspend,
  systemOff,
  systemOff2,
  systemReset,
  systemReset2,
  systemSuspend,
} from './system.ts';
import { psciVersion } from './versions.ts';

type Row = PsciFunctionRow & { readonly name: PsciFunctionName };

const rowsById = new Map<number, Row>();
for (const row of PSCI_FUNCTIONS as readonly Row[]) {
  if (row.smc32 !== undefined) rowsById.set(row.smc32, row);
  if (row.smc64 !== undefined) rowsById.set(row.smc64, row);
}

/** What PSCI_FEATURES answers for an id: flags, or NOT_SUPPORTED for what the version lacks or nobody serves. */
function featuresOf(vcpu: Block, id: number, version: number): number {
  const row = rowsById.get(id);
  if (row === undefined || row.since > version) return PSCI_NOT_SUPPORTED;
  if (row.name === 'SYSTEM_SUSPEND' && !mayForwardSuspend(vcpu)) return PSCI_NOT_SUPPORTED;
  return row.features;
}

const psciFeatures: PsciHandler = (vcpu) => {
  const id = argumentLow(vcpu, 1);
  // The one function of another service that PSCI tells about: its answer says that there is SMCCC 1.1.
  if (id === ARM_SMCCC_VERSION_FUNC_ID) return PSCI_SUCCESS;
  return featuresOf(vcpu, id, psciVersion(vcpu));
};

/** What KVM serves; a row of uapi without a handler here answers NOT_SUPPORTED everywhere. */
const HANDLERS: Readonly<Partial<Record<PsciFunctionName, PsciHandler>>> = {
  PSCI_VERSION: psciVersion,
  CPU_SUSPEND: cpuSuspend,
  CPU_OFF: cpuOff,
  CPU_ON: cpuOn,
  AFFINITY_INFO: affinityInfo,
  MIGRATE_INFO_TYPE: () => PSCI_TOS_MP,
  SYSTEM_OFF: systemOff,
  SYSTEM_RESET: systemReset,
  PSCI_FEATURES: psciFeatures,
  SYSTEM_SUSPEND: systemSuspend,
  SYSTEM_RESET2: systemReset2,
  SYSTEM_OFF2: systemOff2,
};

/** Of version 0.1's functions, only these are served. */
const HANDLERS_0_1: Readonly<Partial<Record<PsciFunctionName, PsciHandler>>> = {
  CPU_OFF: cpuOff,
  CPU_ON: cpuOn,
};

function find(vcpu: Block, id: number): PsciHandler | undefined {
  const version = psciVersion(vcpu);
  if (version === PSCI_0_1) {
    const old = PSCI_0_1_FUNCTIONS.find((each) => each.id === id);
    return old === undefined ? undefined : HANDLERS_0_1[old.name];
  }
  const row = rowsById.get(id);
  if (row === undefined || row.since > version) return undefined;
  if (id === row.smc32 && row.smc64 !== undefined) narrowArguments(vcpu);
  return HANDLERS[row.name];
}

/** Serves a call that nobody else owns. @returns whether KVM_RUN goes on or returns with the exit that is written */
export function psciCall(vcpu: Block, id: number, host: Host): 'resume' | 'exit' {
  const result = find(vcpu, id)?.(vcpu, host) ?? PSCI_NOT_SUPPORTED;
  if (result === 'exit') return 'exit';
  setResults(vcpu, result);
  return 'resume';
}
