/** What the kernel holds for a machine, and how it comes into being. */
import {
  ABI_REVISION,
  KVM_ARM_VCPU_PMU_V3,
  KVM_ARM_VCPU_PMU_V3_CTRL,
  KVM_ARM_VCPU_PMU_V3_INIT,
  KVM_ARM_VCPU_PMU_V3_IRQ,
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_CAP_ARM_PMU_V3,
  KVM_CAP_ARM_PSCI_0_2,
  KVM_CAP_ARM_SYSTEM_SUSPEND,
  KVM_CAP_IRQCHIP,
  KVM_CAP_ONE_REG,
  KVM_CAP_USER_MEMORY,
  KVM_REG_ARM_PSCI_VERSION,
  PSCI_0_1,
  PSCI_0_2,
  PSCI_VERSIONS,
  SYSREGS,
  VKVM_CAP_DETERMINISTIC,
  VKVM_CAP_SLICE,
  sysregId,
} from '@vkvm/uapi';
import type { Process, PsciVersion, Syscalls } from '@vkvm/uapi';
import { checkAbi } from '../kvm/abi-check.ts';
import type { KernelIdentity, Need } from '../kvm/abi-check.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import type { KvmError } from '../kvm/error.ts';
import { openKvm } from '../kvm/kvm.ts';
import type { Kvm } from '../kvm/kvm.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Vm } from '../kvm/vm.ts';
import { MIB } from '../loader/ram.ts';
import { ConfigError } from './config.ts';
import type { MachineConfig } from './config.ts';
import { DETERMINISTIC_EPOCH } from './deterministic-host.ts';
import { createGic } from './gic.ts';
import type { Gic } from './gic.ts';
import { PMU_PPI, RAM_BASE } from './layout.ts';
import { limitServices } from '../smccc/services.ts';
import { installPsci, psciSetup, removePsci } from './psci-owner.ts';
import type { PsciConfig } from './psci-owner.ts';
import { SecureRuntime } from './secure-runtime.ts';

/** Guest instructions in one `KVM_RUN` of a machine with one vCPU: a few milliseconds. More vCPUs share them. */
const SLICE = 1_000_000;
const SLICE_MIN = 50_000;

/** MPIDR_EL1: Aff2, Aff1, Aff0. Aff3 is zero for every vCPU that KVM creates. */
const MPIDR_AFFINITY = 0xff_ffffn;

/** What the kernel holds for a machine. */
export interface Hardware {
  /** Who the kernel is. */
  readonly identity: KernelIdentity;
  readonly vm: Vm;
  readonly vcpus: readonly Vcpu[];
  readonly gic: Gic;
  /** MPIDR_EL1 affinity of each vCPU. */
  readonly affinities: readonly number[];
  /** The version that the guest finds. */
  readonly psci: PsciVersion;
  /** Whether a vCPU can wait in the state SUSPENDED. */
  readonly canSuspend: boolean;
  readonly target: number;
  /** `KVM_ARM_VCPU_*` of every vCPU. */
  readonly features: readonly number[];
  /** Whether vCPUs have performance counters. */
  readonly pmu: boolean;
  readonly secureRuntime?: SecureRuntime;
  /** Guest RAM, as bytes of the process memory. */
  readonly ram: Uint8Array;
}

/** What it is made from. */
export interface HardwareParts {
  readonly syscalls: Syscalls;
  readonly process: Process;
  readonly config: HardwareConfig;
}

/** What of a machine the kernel is told. */
export type HardwareConfig = Pick<
  MachineConfig,
  'memory' | 'smp' | 'gicVersion' | 'psci' | 'services' | 'pmu' | 'secureRuntime' | 'deterministic'
> &
  PsciConfig;

/** Creates the VM in the order that every KVM takes: GIC, vCPUs, their initialisation, the GIC's. */
export function createHardware(
  { syscalls, process, config }: HardwareParts,
  resources: DisposableStack,
): Hardware {
  const kvm = resources.use(openKvm(syscalls, process));
  const identity = checkAbi(kvm, needsOf(config));
  const vm = resources.use(kvm.createVm());
  enableSlices(kvm, vm, config.smp);
  if (config.deterministic)
    vm.enableCap(VKVM_CAP_DETERMINISTIC, BigInt(DETERMINISTIC_EPOCH) * 1_000_000_000n);
  const canSuspend = enableSuspend(kvm, vm);

  const gic = resources.use(createGic(vm, config, identity));
  const vcpus = Array.from({ length: config.smp }, (_, id) =>
    fitting(config, () => resources.use(vm.createVcpu(id))),
  );
  const target = vm.preferredTarget();
  const features = featuresFor(kvm, gic, config);
  initVcpus(vcpus, { target, features });
  if (config.services) limitServices(vcpus[0] as Vcpu, config.services);
  const versions = negotiatePsci(vcpus[0] as Vcpu, config, features, identity);
  const psci =
    config.power === 'syscon' ? versions.kernel : installPsci(vm, psciSetup(vm, config, versions), identity);
  if (config.power === 'syscon') removePsci(vm);
  gic.init();
  const pmu = features.includes(KVM_ARM_VCPU_PMU_V3);
  if (pmu) vcpus.forEach(initPmu);

  const userAddress = fitting(config, () => kvm.mapMemory(config.memory));
  resources.defer(() => syscalls.munmap(userAddress, config.memory));
  vm.setMemslot({ slot: 0, base: RAM_BASE, size: config.memory, userAddress });
  const secureRuntime =
    config.secureRuntime &&
    resources.use(new SecureRuntime({ kvm, vm, target, identity, syscalls, process }, config.secureRuntime));
  const mpidr = sysregId(SYSREGS.MPIDR_EL1);
  return {
    identity,
    vm,
    vcpus,
    gic,
    affinities: vcpus.map((vcpu) => Number(vcpu.getReg(mpidr) & MPIDR_AFFINITY)),
    psci,
    canSuspend,
    target,
    features,
    pmu,
    ...(secureRuntime && { secureRuntime }),
    ram: new Uint8Array(process.memory.buffer, userAddress, config.memory),
  };
}

/** Runs `allocate`. @throws {ConfigError} the process memory is full: this kernel needs more of it than we thought */
function fitting<T>({ memory, smp }: HardwareConfig, allocate: () => T): T {
  try {
    return allocate();
  } catch (error) {
    if (!(error instanceof Error) || (error as KvmError).errno !== 'ENOMEM') throw error;
    throw new ConfigError(
      `${memory / MIB} MiB of memory and ${smp} vCPU${smp > 1 ? 's' : ''} do not fit into the address space that RAM ` +
        `shares with the kernel; use less --memory or fewer --smp`,
      { cause: error },
    );
  }
}

/** Whether this VMM answers every PSCI call itself. */
const ownsPsci = ({ psciOwner, psciRoutes = [] }: HardwareConfig): boolean =>
  psciOwner === 'user' && psciRoutes.every(({ to }) => to === 'user');

function needsOf(config: HardwareConfig): Need[] {
  const { psci = PSCI_0_1, smp } = config;
  const needs: Need[] = [
    { cap: KVM_CAP_USER_MEMORY, purpose: 'give the guest memory' },
    { cap: KVM_CAP_ONE_REG, purpose: 'set boot registers' },
    { cap: KVM_CAP_IRQCHIP, purpose: 'give the guest interrupts' },
  ];
  if (psci !== PSCI_0_1 && !ownsPsci(config)) {
    needs.push({ cap: KVM_CAP_ARM_PSCI_0_2, purpose: `offer PSCI ${formatPsci(psci)}` });
  }
  if (smp > 1) needs.push({ cap: VKVM_CAP_SLICE, purpose: 'run several vCPUs on one thread' });
  if (config.deterministic) {
    needs.push({ cap: VKVM_CAP_DETERMINISTIC, purpose: 'run the guest the same each time' });
  }
  return needs;
}

/** Makes `KVM_RUN` come back in time. A kernel without slices can still run one vCPU, without input meanwhile. */
function enableSlices(kvm: Kvm, vm: Vm, smp: number): void {
  if (kvm.checkExtension(VKVM_CAP_SLICE) === 0) return;
  vm.enableCap(VKVM_CAP_SLICE, BigInt(Math.max(SLICE_MIN, Math.floor(SLICE / smp))));
}

/** Lets the guest's SYSTEM_SUSPEND come out as an event. */
function enableSuspend(kvm: Kvm, vm: Vm): boolean {
  if (kvm.checkExtension(KVM_CAP_ARM_SYSTEM_SUSPEND) === 0) return false;
  vm.enableCap(KVM_CAP_ARM_SYSTEM_SUSPEND);
  return true;
}

/**
 * What vCPUs get of what the kernel has. One without KVM_ARM_VCPU_PSCI_0_2 has PSCI 0.1; a PMU interrupts by a GIC that
 * works when it is told to.
 */
const featuresFor = (kvm: Kvm, { device }: Gic, { psci, pmu = true }: HardwareConfig): number[] => [
  ...(psci === PSCI_0_1 || kvm.checkExtension(KVM_CAP_ARM_PSCI_0_2) === 0 ? [] : [KVM_ARM_VCPU_PSCI_0_2]),
  ...(pmu && device && kvm.checkExtension(KVM_CAP_ARM_PMU_V3) !== 0 ? [KVM_ARM_VCPU_PMU_V3] : []),
];

/** INTID of the first PPI. */
const FIRST_PPI = 16;

/** Gives a vCPU's PMU its interrupt and makes it work; the GIC works already. */
function initPmu(vcpu: Vcpu): void {
  const group = KVM_ARM_VCPU_PMU_V3_CTRL;
  vcpu.setAttr({ group, attr: KVM_ARM_VCPU_PMU_V3_IRQ, size: 4 }, BigInt(FIRST_PPI + PMU_PPI));
  vcpu.setAttr({ group, attr: KVM_ARM_VCPU_PMU_V3_INIT, size: 0 });
}

/** Resets a vCPU: the first one is on then, the others are off until PSCI CPU_ON. */
export function initVcpu(vcpu: Vcpu, { target, features }: Pick<Hardware, 'target' | 'features'>): void {
  // The same features each time: older kernels refuse another KVM_ARM_VCPU_POWER_OFF than the first.
  vcpu.init(target, vcpu.id === 0 ? features : [...features, KVM_ARM_VCPU_POWER_OFF]);
}

export function initVcpus(vcpus: readonly Vcpu[], kind: Pick<Hardware, 'target' | 'features'>): void {
  for (const vcpu of vcpus) initVcpu(vcpu, kind);
}

/**
 * Sets the version that was asked for, and finds out which one each side will answer with.
 *
 * @throws {AbiMismatchError} the kernel lacks it, and would have to answer
 */
function negotiatePsci(
  vcpu: Vcpu,
  config: HardwareConfig,
  features: readonly number[],
  identity: KernelIdentity,
): { readonly kernel: PsciVersion; readonly user: PsciVersion } {
  const { psci: wanted } = config;
  try {
    if (wanted !== undefined && wanted !== PSCI_0_1) vcpu.setReg(KVM_REG_ARM_PSCI_VERSION, BigInt(wanted));
    const kernel = versionOf(vcpu);
    return { kernel, user: wanted ?? kernel };
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'KvmError') throw error;
    const { errno } = error as KvmError;
    // Before Linux 4.17 there was no such register, and a vCPU had 0.2 or 0.1 by its feature bit alone.
    const fixed = features.includes(KVM_ARM_VCPU_PSCI_0_2) ? PSCI_0_2 : PSCI_0_1;
    if (errno === 'ENOENT' && (wanted ?? fixed) === fixed) return { kernel: fixed, user: fixed };
    const kernel = errno === 'ENOENT' ? fixed : versionOf(vcpu);
    // What the kernel cannot answer this VMM can, if it answers all.
    if (wanted !== undefined && ownsPsci(config)) return { kernel, user: wanted };
    throw new AbiMismatchError(
      `${identity.name} does not take KVM_REG_ARM_PSCI_VERSION = ${formatPsci(wanted ?? fixed)} (${errno}), which this ` +
        `VMM (ABI revision ${ABI_REVISION}) was asked for; use a newer kernel, PSCI ${formatPsci(kernel)} as this one has ` +
        `(--psci), or let this VMM answer all calls (--psci-owner user)`,
      { cause: error },
    );
  }
}

/** The version the kernel answers with. One it has and we do not know is the one before. */
function versionOf(vcpu: Vcpu): PsciVersion {
  const found = Number(vcpu.getReg(KVM_REG_ARM_PSCI_VERSION));
  return PSCI_VERSIONS.findLast((version) => version <= found) ?? PSCI_0_1;
}

/** `1.1` for 0x10001. */
export const formatPsci = (version: number): string => `${version >>> 16}.${version & 0xffff}`;
