/** Function ids of PSCI: which there are, and whose they are in each model. */
import { PSCI_0_1, PSCI_0_1_FUNCTIONS, PSCI_FUNCTIONS } from '@vkvm/uapi';
import type { PsciFunctionName, PsciVersion } from '@vkvm/uapi';
import type { FunctionRange } from '../kvm/vm.ts';

/** One function id. */
export interface PsciId {
  readonly name: PsciFunctionName;
  readonly id: number;
  /** The version that brought it; those of 0.1 went with it. */
  readonly since: PsciVersion;
  /** What PSCI_FEATURES answers, where it is served. */
  readonly features: number;
  /** The 32-bit id of a function that has both: its arguments are words. */
  readonly isNarrow: boolean;
}

/** Every id: those of 0.2 and newer in the order of the table, then those of 0.1. */
export const PSCI_IDS: readonly PsciId[] = [
  ...PSCI_FUNCTIONS.flatMap(({ name, since, features, smc32, smc64 }) => [
    ...(smc32 === undefined ? [] : [{ name, id: smc32, since, features, isNarrow: smc64 !== undefined }]),
    ...(smc64 === undefined ? [] : [{ name, id: smc64, since, features, isNarrow: false }]),
  ]),
  ...PSCI_0_1_FUNCTIONS.map(({ name, id }): PsciId => ({
    name,
    id,
    since: PSCI_0_1,
    features: 0,
    isNarrow: false,
  })),
];

const byId = new Map(PSCI_IDS.map((row) => [row.id, row]));

/** Whether a version has the id. */
export const hasId = ({ since }: PsciId, version: PsciVersion): boolean =>
  (since === PSCI_0_1) === (version === PSCI_0_1) && since <= version;

/** @returns undefined if the version does not have it */
export function findId(id: number, version: PsciVersion): PsciId | undefined {
  const row = byId.get(id);
  return row && hasId(row, version) ? row : undefined;
}

/** All of PSCI's share of function ids, used or not. Source: Arm DEN 0028, 6.2; asm/kvm.h for 0.1. */
export const PSCI_RANGES: readonly FunctionRange[] = [
  { base: 0x8400_0000, count: 0x20 },
  { base: 0xc400_0000, count: 0x20 },
  { base: 0x95c1_ba5e, count: 4 },
];

const ABOUT_ONE_CPU: ReadonlySet<PsciFunctionName> = new Set([
  'CPU_SUSPEND',
  'CPU_OFF',
  'CPU_ON',
  'AFFINITY_INFO',
]);

/** Whether a function moves or tells the power state of CPUs. */
export const isAboutOneCpu = (name: PsciFunctionName): boolean => ABOUT_ONE_CPU.has(name);
