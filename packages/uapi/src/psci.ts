/** PSCI: versions, functions, return codes, power states. Source: Arm DEN 0022; include/uapi/linux/psci.h. */

/** PSCI 0.1: function ids are whatever the device tree says. Versions are `major << 16 | minor`. */
export const PSCI_0_1 = 0x0_0001;
/** PSCI 0.2. */
export const PSCI_0_2 = 0x0_0002;
/** PSCI 1.0. */
export const PSCI_1_0 = 0x1_0000;
/** PSCI 1.1. */
export const PSCI_1_1 = 0x1_0001;
/** PSCI 1.2. */
export const PSCI_1_2 = 0x1_0002;
/** PSCI 1.3. */
export const PSCI_1_3 = 0x1_0003;

/** Every version, from old to new. */
export const PSCI_VERSIONS = [PSCI_0_1, PSCI_0_2, PSCI_1_0, PSCI_1_1, PSCI_1_2, PSCI_1_3] as const;

/** A version of PSCI. */
export type PsciVersion = (typeof PSCI_VERSIONS)[number];

/** Done. */
export const PSCI_SUCCESS = 0;
/** No such function. */
export const PSCI_NOT_SUPPORTED = -1;
/** A parameter is wrong. */
export const PSCI_INVALID_PARAMETERS = -2;
/** Refused. */
export const PSCI_DENIED = -3;
/** The CPU is on. */
export const PSCI_ALREADY_ON = -4;
/** The CPU is being switched on. */
export const PSCI_ON_PENDING = -5;
/** It failed. */
export const PSCI_INTERNAL_FAILURE = -6;
/** No trusted OS needs it. */
export const PSCI_NOT_PRESENT = -7;
/** The CPU is disabled. */
export const PSCI_DISABLED = -8;
/** The entry point is not valid. */
export const PSCI_INVALID_ADDRESS = -9;

/** Result of AFFINITY_INFO: at least one CPU is on. */
export const PSCI_AFFINITY_ON = 0;
/** Result of AFFINITY_INFO: all CPUs are off. */
export const PSCI_AFFINITY_OFF = 1;
/** Result of AFFINITY_INFO: being switched on. */
export const PSCI_AFFINITY_ON_PENDING = 2;

/** Result of MIGRATE_INFO_TYPE: the trusted OS runs on one CPU and can migrate. */
export const PSCI_TOS_UP_MIGRATE = 0;
/** Result of MIGRATE_INFO_TYPE: the trusted OS runs on one CPU and cannot migrate. */
export const PSCI_TOS_UP_NO_MIGRATE = 1;
/** Result of MIGRATE_INFO_TYPE: nothing has to migrate. */
export const PSCI_TOS_MP = 2;

/** power_state of CPU_SUSPEND, original format: id, bits 15–0. */
export const PSCI_POWER_STATE_ID_MASK = 0xffff;
/** power_state, original format: power down instead of standby, bit 16. */
export const PSCI_POWER_STATE_TYPE_MASK = 0x1_0000;
/** power_state, original format: affinity level, bits 25–24. */
export const PSCI_POWER_STATE_AFFL_MASK = 0x300_0000;
/** power_state, extended format: id, bits 27–0. */
export const PSCI_EXT_POWER_STATE_ID_MASK = 0xfff_ffff;
/** power_state, extended format: power down instead of standby, bit 30. */
export const PSCI_EXT_POWER_STATE_TYPE_MASK = 0x4000_0000;

/** PSCI_FEATURES(CPU_SUSPEND): OS-initiated mode. */
export const PSCI_FEATURES_CPU_SUSPEND_OS_INITIATED = 0x1;
/** PSCI_FEATURES(CPU_SUSPEND): extended power_state. */
export const PSCI_FEATURES_CPU_SUSPEND_PF_EXT = 0x2;

/** SET_SUSPEND_MODE: platform-coordinated. */
export const PSCI_SUSPEND_MODE_PC = 0;
/** SET_SUSPEND_MODE: OS-initiated. */
export const PSCI_SUSPEND_MODE_OSI = 1;

/** reset_type of SYSTEM_RESET2: architectural warm reset. */
export const PSCI_RESET2_WARM = 0;
/** reset_type of SYSTEM_RESET2: the vendor's from here on; in between is reserved. */
export const PSCI_RESET2_VENDOR_START = 0x8000_0000;

/** off_type of SYSTEM_OFF2: hibernate; 0 means the same. Also the bit in PSCI_FEATURES(SYSTEM_OFF2). */
export const PSCI_OFF2_HIBERNATE = 0x1;

/** A PSCI function. */
export interface PsciFunctionRow<Name extends string = string> {
  readonly name: Name;
  /** The version of PSCI that brought it. */
  readonly since: PsciVersion;
  readonly smc32?: number;
  readonly smc64?: number;
  /**
   * What PSCI_FEATURES answers for either id where the function is served: flags, or `PSCI_NOT_SUPPORTED` for what KVM
   * never serves. SYSTEM_SUSPEND counts as served while `KVM_CAP_ARM_SYSTEM_SUSPEND` is on.
   */
  readonly features: number;
}

const rows = [
  { name: 'PSCI_VERSION', since: PSCI_0_2, smc32: 0x8400_0000, features: 0 },
  { name: 'CPU_SUSPEND', since: PSCI_0_2, smc32: 0x8400_0001, smc64: 0xc400_0001, features: 0 },
  { name: 'CPU_OFF', since: PSCI_0_2, smc32: 0x8400_0002, features: 0 },
  { name: 'CPU_ON', since: PSCI_0_2, smc32: 0x8400_0003, smc64: 0xc400_0003, features: 0 },
  { name: 'AFFINITY_INFO', since: PSCI_0_2, smc32: 0x8400_0004, smc64: 0xc400_0004, features: 0 },
  { name: 'MIGRATE', since: PSCI_0_2, smc32: 0x8400_0005, smc64: 0xc400_0005, features: PSCI_NOT_SUPPORTED },
  { name: 'MIGRATE_INFO_TYPE', since: PSCI_0_2, smc32: 0x8400_0006, features: 0 },
  {
    name: 'MIGRATE_INFO_UP_CPU',
    since: PSCI_0_2,
    smc32: 0x8400_0007,
    smc64: 0xc400_0007,
    features: PSCI_NOT_SUPPORTED,
  },
  { name: 'SYSTEM_OFF', since: PSCI_0_2, smc32: 0x8400_0008, features: 0 },
  { name: 'SYSTEM_RESET', since: PSCI_0_2, smc32: 0x8400_0009, features: 0 },
  { name: 'PSCI_FEATURES', since: PSCI_1_0, smc32: 0x8400_000a, features: 0 },
  { name: 'CPU_FREEZE', since: PSCI_1_0, smc32: 0x8400_000b, features: PSCI_NOT_SUPPORTED },
  {
    name: 'CPU_DEFAULT_SUSPEND',
    since: PSCI_1_0,
    smc32: 0x8400_000c,
    smc64: 0xc400_000c,
    features: PSCI_NOT_SUPPORTED,
  },
  {
    name: 'NODE_HW_STATE',
    since: PSCI_1_0,
    smc32: 0x8400_000d,
    smc64: 0xc400_000d,
    features: PSCI_NOT_SUPPORTED,
  },
  { name: 'SYSTEM_SUSPEND', since: PSCI_1_0, smc32: 0x8400_000e, smc64: 0xc400_000e, features: 0 },
  { name: 'SET_SUSPEND_MODE', since: PSCI_1_0, smc32: 0x8400_000f, features: PSCI_NOT_SUPPORTED },
  {
    name: 'STAT_RESIDENCY',
    since: PSCI_1_0,
    smc32: 0x8400_0010,
    smc64: 0xc400_0010,
    features: PSCI_NOT_SUPPORTED,
  },
  {
    name: 'STAT_COUNT',
    since: PSCI_1_0,
    smc32: 0x8400_0011,
    smc64: 0xc400_0011,
    features: PSCI_NOT_SUPPORTED,
  },
  { name: 'SYSTEM_RESET2', since: PSCI_1_1, smc32: 0x8400_0012, smc64: 0xc400_0012, features: 0 },
  { name: 'MEM_PROTECT', since: PSCI_1_1, smc32: 0x8400_0013, features: PSCI_NOT_SUPPORTED },
  {
    name: 'MEM_PROTECT_CHECK_RANGE',
    since: PSCI_1_1,
    smc32: 0x8400_0014,
    smc64: 0xc400_0014,
    features: PSCI_NOT_SUPPORTED,
  },
  {
    name: 'SYSTEM_OFF2',
    since: PSCI_1_3,
    smc32: 0x8400_0015,
    smc64: 0xc400_0015,
    features: PSCI_OFF2_HIBERNATE,
  },
  { name: 'CLEAN_INV_MEMREGION', since: PSCI_1_3, smc64: 0xc400_0016, features: PSCI_NOT_SUPPORTED },
  {
    name: 'CLEAN_INV_MEMREGION_ATTRIBUTES',
    since: PSCI_1_3,
    smc32: 0x8400_0017,
    features: PSCI_NOT_SUPPORTED,
  },
] as const satisfies readonly PsciFunctionRow[];

/** Name of a PSCI function. */
export type PsciFunctionName = (typeof rows)[number]['name'];

/** Every PSCI function with a fixed id. Rows are never edited or removed; a new version appends. */
export const PSCI_FUNCTIONS: readonly PsciFunctionRow<PsciFunctionName>[] = rows;

/** KVM's function ids for PSCI 0.1. They are not valid SMCCC ids. Source: asm/kvm.h. */
export const PSCI_0_1_FUNCTIONS = [
  { name: 'CPU_SUSPEND', id: 0x95c1_ba5e },
  { name: 'CPU_OFF', id: 0x95c1_ba5f },
  { name: 'CPU_ON', id: 0x95c1_ba60 },
  { name: 'MIGRATE', id: 0x95c1_ba61 },
] as const satisfies readonly { readonly name: PsciFunctionName; readonly id: number }[];
