/** The axes of the matrix, and the calls that a guest of each cell makes. */
import { PROFILES, PSCI_0_1_FUNCTIONS, PSCI_FUNCTIONS, PSCI_VERSIONS } from '@vkvm/uapi';
import type { ProfileName, PsciFunctionName, PsciVersion } from '@vkvm/uapi';
import type { PsciConduit, PsciOwner } from '@vkvm/vmm';

/** One combination. */
export interface Cell {
  readonly profile: ProfileName;
  readonly version: PsciVersion;
  readonly owner: PsciOwner;
  readonly conduit: PsciConduit;
}

const OWNERS = ['kernel', 'exit', 'user'] as const satisfies readonly PsciOwner[];
const CONDUITS = ['hvc', 'smc'] as const satisfies readonly PsciConduit[];

/** Every combination, whether a profile can have it or not. */
export const CELLS: readonly Cell[] = PROFILES.flatMap(({ name: profile }) =>
  PSCI_VERSIONS.flatMap((version) =>
    OWNERS.flatMap((owner) => CONDUITS.map((conduit) => ({ profile, version, owner, conduit }))),
  ),
);

/** x0 to x3 of a call. */
export type Registers = readonly [bigint, bigint, bigint, bigint];

/** A call with a heading for its column. */
export interface Probe {
  readonly heading: string;
  readonly call: Registers;
}

/** The id of the 64-bit convention where there is one. */
function idOf(wanted: PsciFunctionName): number {
  const row = PSCI_FUNCTIONS.find(({ name }) => name === wanted);
  return row?.smc64 ?? row?.smc32 ?? 0;
}

const id01 = (wanted: PsciFunctionName): number =>
  PSCI_0_1_FUNCTIONS.find(({ name }) => name === wanted)?.id ?? 0;

const probe = (heading: string, id: number, ...args: number[]): Probe => {
  const [x1 = 1, x2 = 2, x3 = 3] = args;
  return { heading, call: [BigInt(id), BigInt(x1), BigInt(x2), BigInt(x3)] };
};

const features = (name: PsciFunctionName, of: string): Probe =>
  probe(`F(${of})`, idOf('PSCI_FEATURES'), idOf(name));

/** An affinity that no vCPU has. */
const NOBODY = 0xff;

/** Calls that come back; of a guest with one CPU, whose affinity is 0. */
export const PROBES: readonly Probe[] = [
  probe('VERSION', idOf('PSCI_VERSION')),
  features('CPU_ON', 'ON'),
  features('SYSTEM_SUSPEND', 'SUSPEND'),
  features('SYSTEM_RESET2', 'RESET2'),
  features('SYSTEM_OFF2', 'OFF2'),
  probe('AFFINITY', idOf('AFFINITY_INFO'), 0, 0),
  probe('ON bad', idOf('CPU_ON'), NOBODY),
  probe('ON self', idOf('CPU_ON'), 0),
  probe('MIGRATE_TYPE', idOf('MIGRATE_INFO_TYPE')),
  probe('0.1 ON bad', id01('CPU_ON'), NOBODY),
  probe('0.1 ON self', id01('CPU_ON'), 0),
  probe('0.1 MIGRATE', id01('MIGRATE')),
];

/** Calls that end the machine, where they are served. */
export const ENDS: readonly Probe[] = [
  probe('OFF', idOf('SYSTEM_OFF')),
  probe('RESET', idOf('SYSTEM_RESET')),
];

/** What {@link calls.s} and {@link KernelGuest} leave in x0 where the call is an undefined instruction. */
export const UNDEFINED = 0xdefn;

/** x0 as the table shows it: small numbers with their sign, versions in hexadecimal. */
export function showResult(x0: bigint): string {
  if (x0 === UNDEFINED) return 'UNDEF';
  const signed = BigInt.asIntN(64, x0);
  return signed > -100n && signed < 100n ? String(signed) : `0x${x0.toString(16)}`;
}

export const showVersion = (version: number): string => `${version >>> 16}.${version & 0xffff}`;
