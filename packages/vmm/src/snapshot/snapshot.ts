/** A snapshot that has been opened: what machine it is of is known, the rest is still to be read. */
import { PSCI_VERSIONS } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import type { PowerMeans } from '../fdt/machine-tree.ts';
import type { FunctionRange } from '../kvm/vm.ts';
import { GIB } from '../loader/ram.ts';
import type { SecureRuntimeConfig } from '../machine/config.ts';
import { PSCI_OWNERS } from '../smccc/ownership.ts';
import type { PsciOwner, PsciRoute, SmcccFilter } from '../smccc/ownership.ts';
import { inflate } from './deflate.ts';
import { SnapshotError } from './error.ts';
import { PAYLOAD_MAX, SECTION } from './format.ts';
import type { SectionType } from './format.ts';
import { Json } from './json.ts';
import { SnapshotReader } from './reader.ts';
import type { SnapshotSource } from './reader.ts';

/** The machine that was saved. */
export interface SnapshotConfig {
  /** Kernel and ABI revision it was saved on, as people say them. */
  readonly kernel: string;
  /** Bytes of RAM. */
  readonly memory: number;
  readonly smp: number;
  readonly gicVersion: 2 | 3;
  readonly pmu: boolean;
  /** What the guest found. */
  readonly psci: PsciVersion;
  readonly bootargs: string;
  readonly power: PowerMeans;
  readonly psciOwner: PsciOwner;
  readonly psciRoutes: readonly PsciRoute[];
  readonly smcccFilters: readonly SmcccFilter[];
  /** Of the secure runtime, if there was one. */
  readonly secureRuntime?: SecureConfig;
}

/** What a secure runtime was given, besides its code. */
type SecureConfig = Omit<SecureRuntimeConfig, 'code'>;

export const encodeSecureConfig = ({ budget, grants = [] }: SecureRuntimeConfig): unknown => ({
  ...(budget !== undefined && { budget }),
  grants,
});

function decodeSecureConfig(json: Json): SecureConfig {
  const budget = json.get('budget');
  const grants = json
    .get('grants')
    .items()
    .map((grant) => ({
      base: grant.get('base').integer(),
      size: grant.get('size').integer(),
      writable: grant.get('writable').boolean(),
    }));
  return { grants, ...(!budget.isAbsent && { budget: budget.integer() }) };
}

/** What lies before the memory. */
export interface SnapshotState {
  readonly files: ReadonlyMap<SectionType, Uint8Array>;
  /** JSON of each vCPU. */
  readonly vcpus: readonly Uint8Array[];
  readonly gic: Uint8Array;
  readonly devices: Uint8Array;
  readonly secure?: SecureState;
}

/** A secure runtime. */
export interface SecureState {
  readonly code: Uint8Array;
  /** JSON. */
  readonly vcpu: Uint8Array;
  /** Pieces of its memory. */
  readonly memory: readonly Uint8Array[];
}

const incomplete = (what: string): SnapshotError =>
  new SnapshotError('damaged', `the snapshot contradicts itself: ${what}; save the guest again`);

const FILES: ReadonlySet<SectionType> = new Set([
  SECTION.kernel,
  SECTION.initrd,
  SECTION.userTree,
  SECTION.tree,
  SECTION.secureCode,
]);

/** One snapshot, read once. Made by {@link openSnapshot}; `restoreMachine` uses it up. */
export class Snapshot implements AsyncDisposable {
  readonly config: SnapshotConfig;
  readonly #reader: SnapshotReader;
  #piece: Uint8Array | undefined;

  constructor(config: SnapshotConfig, reader: SnapshotReader) {
    this.config = config;
    this.#reader = reader;
  }

  /** Reads everything but the memory. @throws {SnapshotError} something is damaged or missing */
  async readState(): Promise<SnapshotState> {
    const files = new Map<SectionType, Uint8Array>();
    const vcpus: Uint8Array[] = [];
    const secureMemory: Uint8Array[] = [];
    const single = new Map<SectionType, Uint8Array>();
    for (;;) {
      const section = await this.#reader.next();
      if (section === undefined || section.type === SECTION.memory) {
        this.#piece = section?.payload;
        break;
      }
      const { type, payload } = section;
      const repeated = { [SECTION.vcpu]: vcpus, [SECTION.secureMemory]: secureMemory }[type as string];
      if (repeated) {
        repeated.push(payload);
        continue;
      }
      if (files.has(type) || single.has(type) || type === SECTION.configuration) {
        throw incomplete(`section ${type} is there twice`);
      }
      if (FILES.has(type)) files.set(type, await inflate(payload, PAYLOAD_MAX));
      else single.set(type, payload);
    }
    const gic = single.get(SECTION.gic);
    const devices = single.get(SECTION.devices);
    if (!gic || !devices || !files.has(SECTION.kernel) || !files.has(SECTION.tree)) {
      throw incomplete('a part of the machine is missing');
    }
    if (vcpus.length !== this.config.smp) {
      throw incomplete(`it has ${vcpus.length} of ${this.config.smp} vCPUs`);
    }
    const code = files.get(SECTION.secureCode);
    const vcpu = single.get(SECTION.secureVcpu);
    const secure = code && vcpu && { code, vcpu, memory: secureMemory };
    if ((this.config.secureRuntime === undefined) !== (secure === undefined)) {
      throw incomplete('a part of the secure runtime is missing');
    }
    return { files, vcpus, gic, devices, ...(secure && { secure }) };
  }

  /** The pieces of guest memory; after the last one the whole file has been checked. */
  async *memory(): AsyncGenerator<Uint8Array> {
    let piece = this.#piece;
    while (piece) {
      yield piece;
      const section = await this.#reader.next();
      if (section && section.type !== SECTION.memory)
        throw incomplete(`section ${section.type} follows the memory`);
      piece = section?.payload;
    }
  }

  /** Lets go of the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

/**
 * Reads the start of a snapshot: the version, then what machine it is of.
 *
 * @throws {SnapshotError} it is not a snapshot, damaged, or newer than this code
 */
export async function openSnapshot(source: SnapshotSource): Promise<Snapshot> {
  const reader = await SnapshotReader.open(source);
  try {
    const section = await reader.next();
    if (section?.type !== SECTION.configuration) throw incomplete('it does not say what machine it is of');
    return new Snapshot(decodeConfig(section.payload), reader);
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw error;
  }
}

const SMP_MAX = 512;

function decodeConfig(payload: Uint8Array): SnapshotConfig {
  const json = Json.parse(payload, 'the configuration');
  const secureRuntime = json.get('secureRuntime');
  const found = json.get('psci').integer();
  const psci = PSCI_VERSIONS.find((version) => version === found);
  const gicVersion = json.get('gicVersion').integer(3);
  // Before there were PMUs, nothing was said of them.
  const pmu = json.get('pmu');
  if (psci === undefined || (gicVersion !== 2 && gicVersion !== 3)) {
    throw incomplete('its PSCI or GIC has a version that does not exist');
  }
  return {
    kernel: json.get('kernel').text(),
    memory: json.get('memory').integer(4 * GIB),
    smp: json.get('smp').integer(SMP_MAX),
    gicVersion,
    pmu: !pmu.isAbsent && pmu.boolean(),
    psci,
    bootargs: json.get('bootargs').text(),
    power: json.get('power').oneOf(['psci', 'syscon']),
    psciOwner: json.get('psciOwner').oneOf(PSCI_OWNERS),
    psciRoutes: json
      .get('psciRoutes')
      .items()
      .map((route) => ({ ...range(route), to: route.get('to').oneOf(['kernel', 'user']) })),
    smcccFilters: json
      .get('smcccFilters')
      .items()
      .map((filter) => ({ ...range(filter), action: filter.get('action').oneOf(['deny', 'forward']) })),
    ...(!secureRuntime.isAbsent && { secureRuntime: decodeSecureConfig(secureRuntime) }),
  };
}

const FUNCTION_ID_MAX = 0xffff_ffff;

const range = (json: Json): FunctionRange => ({
  base: json.get('base').integer(FUNCTION_ID_MAX),
  count: json.get('count').integer(FUNCTION_ID_MAX),
});
