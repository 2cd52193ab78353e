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
import { argumentLow, narrowArguments, setResult, setResults } from '../state/call-registers.ts';
import { holds, releases } from '../state/profile.ts';
import { affinityInfo, cpuOff, cpuOn, cpuSuspend } from './cpu.ts';
import type { CallOutcome, PsciHandler } from './handler.ts';
import { isFixedPsci } from './ids.ts';
import {
  mayForwardSuspend,
  systemOff,
  systemOff2,
  systemReset,
  systemReset2,
  systemSuspend,
} from './system.ts';
import { psciVersion } from './versions.ts';

/** Numbers of the fixed ids, in each width. */
const NUMBERS = 0x20;
/** The bit of an id that tells the width is 30: it comes to stand above the number. */
const WIDTH_SHIFT = 25;

/** Place of an id in {@link CALLS}, or -1. */
const placeOf = (id: number): number =>
  isFixedPsci(id) ? (id & (NUMBERS - 1)) | ((id >>> WIDTH_SHIFT) & NUMBERS) : -1;

/** What PSCI_FEATURES answers for an id: flags, or NOT_SUPPORTED for what the version lacks or nobody serves. */
function featuresOf(vcpu: Block, id: number, version: number): number {
  const call = callOf(id, version);
  if (call === undefined) return PSCI_NOT_SUPPORTED;
  if (call.name === 'SYSTEM_SUSPEND' && !mayForwardSuspend(vcpu)) return PSCI_NOT_SUPPORTED;
  return call.features;
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

type Row = PsciFunctionRow & { readonly name: PsciFunctionName };

/** A row of uapi as one function id of it is served. */
interface Call {
  readonly name: PsciFunctionName;
  readonly since: number;
  readonly features: number;
  /** The 32-bit id of a function that has both: its arguments are words. */
  readonly narrow: boolean;
  readonly handle: PsciHandler | undefined;
}

const CALLS: (Call | undefined)[] = Array.from({ length: 2 * NUMBERS });
for (const { name, since, features, smc32, smc64 } of PSCI_FUNCTIONS as readonly Row[]) {
  const call = { name, since, features, handle: HANDLERS[name] };
  if (smc32 !== undefined) CALLS[placeOf(smc32)] = { ...call, narrow: smc64 !== undefined };
  if (smc64 !== undefined) CALLS[placeOf(smc64)] = { ...call, narrow: false };
}

/** The call with an id, if a version has it. */
function callOf(id: number, version: number): Call | undefined {
  const place = placeOf(id);
  const call = place < 0 ? undefined : CALLS[place];
  return call === undefined || call.since > version ? undefined : call;
}

/** Of version 0.1's functions, only these are served. */
const HANDLERS_0_1: Readonly<Partial<Record<PsciFunctionName, PsciHandler>>> = {
  CPU_OFF: cpuOff,
  CPU_ON: cpuOn,
};

/** Where version 0.1 is all there is, a call of another version is no call. */
const IS_ONLY_0_1 = releases({ until: '3.16' });

/** Version 0.1 has function ids of its own. */
function serve01(vcpu: Block, id: number, host: Host): number | 'exit' | 'undefined' {
  const row = PSCI_0_1_FUNCTIONS.find((each) => each.id === id);
  if (row === undefined && holds(vcpu, IS_ONLY_0_1)) return 'undefined';
  return (row && HANDLERS_0_1[row.name])?.(vcpu, host) ?? PSCI_NOT_SUPPORTED;
}

function serve(vcpu: Block, host: Host): number | 'exit' | 'undefined' {
  const id = argumentLow(vcpu, 0);
  const version = psciVersion(vcpu);
  if (version === PSCI_0_1) return serve01(vcpu, id, host);
  const call = callOf(id, version);
  if (call === undefined) return PSCI_NOT_SUPPORTED;
  if (call.narrow) narrowArguments(vcpu);
  return call.handle === undefined ? PSCI_NOT_SUPPORTED : call.handle(vcpu, host);
}

/** Only x0 has a result, and x1 to x3 stay. SMCCC 1.1 had them zeroed. */
const KEEPS_ARGUMENTS = releases({ until: '4.16' });

/**
 * Serves the call in x0 to x3, which nobody else owns.
 * @returns whether KVM_RUN goes on, returns with the exit that is written, or finds an undefined instruction
 */
export function psciCall(vcpu: Block, host: Host): CallOutcome {
  const result = serve(vcpu, host);
  if (typeof result !== 'number') return result;
  if (holds(vcpu, KEEPS_ARGUMENTS)) setResult(vcpu, result);
  else setResults(vcpu, result);
  return 'resume';
}
