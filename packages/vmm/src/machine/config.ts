/** What a machine is made of, and what bounds it. */
import type { PsciVersion } from '@vkvm/uapi';
import { PROCESS_MAX_SIZE } from '../kvm/process.ts';
import type { SecureGrant } from '../kvm/vm.ts';
import { MIB } from '../loader/ram.ts';
import type { PowerMeans } from '../fdt/machine-tree.ts';
import type { PsciOwner, PsciRoute, SmcccFilter } from '../smccc/ownership.ts';
import type { GuestService } from '../smccc/services.ts';
import type { PsciConduit } from '../smccc/psci-tree.ts';
import { GICR_MAX_VCPUS, GICV2_MAX_VCPUS } from './layout.ts';

/** A machine to be built. */
export interface MachineConfig {
  /** An arm64 Image, plain or compressed, or an ELF program. */
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  /** A device tree to use instead of ours; memory and chosen are filled in. */
  readonly dtb?: Uint8Array;
  /** Kernel command line. */
  readonly bootargs?: string;
  /** Bytes of RAM, a multiple of 2 MiB. */
  readonly memory: number;
  /** Number of vCPUs. */
  readonly smp: number;
  /** Default: the newest that the kernel has. */
  readonly gicVersion?: 2 | 3;
  /** Default: what the kernel gives a new VM. */
  readonly psci?: PsciVersion;
  /** Who serves it. Default: `kernel`. */
  readonly psciOwner?: PsciOwner;
  /** PSCI functions that are another's than {@link psciOwner} says. */
  readonly psciRoutes?: readonly PsciRoute[];
  /** Calls that the kernel shall deny, or forward to this VMM whoever owns PSCI. */
  readonly smcccFilters?: readonly SmcccFilter[];
  /** Services beside PSCI that the guest may have, at most. Default: all that the kernel has. */
  readonly services?: readonly GuestService[];
  /** Performance counters. Default: if the kernel has them. */
  readonly pmu?: boolean;
  /** What turns the machine off. Default: `psci`; with `syscon` there is no PSCI at all, and one vCPU. */
  readonly power?: PowerMeans;
  /** How our device tree tells the guest to call PSCI. Default: `hvc`. */
  readonly psciConduit?: PsciConduit;
  /** Serves the guest's SiP calls, apart from the guest. */
  readonly secureRuntime?: SecureRuntimeConfig;
  /**
   * Whether the guest finds the same each time: time passes by its instructions, and by nothing while it waits; seeds and
   * random numbers are fixed. Input is the caller's matter. Default: false.
   */
  readonly deterministic?: boolean;
  /** Takes what the guest writes to its console. The bytes are valid during the call only. */
  readonly output: (bytes: Uint8Array) => void;
  /** Told of accesses to addresses where nothing is. They read as zero. */
  readonly unmapped?: (address: number, width: number, isWrite: boolean) => void;
}

/** A secure runtime to be loaded. */
export interface SecureRuntimeConfig {
  /** AArch64 code for `0x0E000000`, position-independent or linked there; calls begin at its start. */
  readonly code: Uint8Array;
  /** Instructions after which a call has failed. Default: a million. */
  readonly budget?: number;
  /** RAM that it may reach. Default: none. */
  readonly grants?: readonly SecureGrant[];
}

/** A configuration that cannot be. The message says what would be possible. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Least RAM: room for a device tree and a small program. */
export const MEMORY_MIN = 8 * MIB;

/**
 * Bytes of the process memory that are not RAM, with room to spare: what the kernel keeps for a VM and for each vCPU
 * (state, TLBs, decoded code; the first four get more room for code), and the VMM's own mappings.
 */
const overhead = (smp: number): number => (40 + Math.min(smp, 4) * 70 + Math.max(smp - 4, 0) * 46) * MIB;

/** Most RAM a machine with `smp` vCPUs can have. */
export const memoryMax = (smp: number): number =>
  Math.floor((PROCESS_MAX_SIZE - overhead(smp)) / (2 * MIB)) * (2 * MIB);

/** Size of the process memory that a machine needs. */
export const processSize = ({
  memory,
  smp,
  secureRuntime,
}: Pick<MachineConfig, 'memory' | 'smp'> & { readonly secureRuntime?: object }): number => {
  const runtime = secureRuntime ? overhead(1) : 0; // a VM of its own
  return Math.min(PROCESS_MAX_SIZE, memory + overhead(smp) + runtime + 64 * MIB);
};

/** @throws {ConfigError} naming the limit that is exceeded */
export function checkConfig({
  memory,
  smp,
  gicVersion,
  power,
  psciOwner = 'kernel',
}: Pick<MachineConfig, 'memory' | 'smp' | 'gicVersion' | 'power' | 'psciOwner'>): void {
  const most = gicVersion === 2 ? GICV2_MAX_VCPUS : GICR_MAX_VCPUS;
  if (!Number.isInteger(smp) || smp < 1 || smp > most) {
    throw new ConfigError(`a machine has 1 to ${most} vCPUs, not ${smp}`);
  }
  if (power === 'syscon' && psciOwner !== 'kernel') {
    throw new ConfigError(
      `a machine without PSCI (power: 'syscon') has nobody to serve it; leave psciOwner: '${psciOwner}' away`,
    );
  }
  if (power === 'syscon' && smp > 1) {
    throw new ConfigError(
      `without PSCI a machine has one vCPU, not ${smp}: nothing could turn on the others; use --smp 1, or a PSCI version`,
    );
  }
  const limit = memoryMax(smp);
  if (limit < MEMORY_MIN) {
    throw new ConfigError(
      `${smp} vCPUs leave no room for RAM in the 4 GiB that vkvm can address; use fewer --smp`,
    );
  }
  if (memory < MEMORY_MIN || memory > limit) {
    throw new ConfigError(
      `${memory / MIB} MiB of memory: a machine with ${smp} vCPU${smp > 1 ? 's' : ''} has ` +
        `${MEMORY_MIN / MIB} to ${Math.floor(limit / MIB)} MiB, because RAM and vkvm share 4 GiB of addresses`,
    );
  }
  if (memory % (2 * MIB) !== 0)
    throw new ConfigError(`memory must be a multiple of 2 MiB, not ${memory / MIB} MiB`);
}
