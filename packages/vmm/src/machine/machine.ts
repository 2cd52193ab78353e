/** A whole machine over a `Syscalls`: built once, run until it stops, reset when the guest asks. */
import {
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_CAP_ARM_PSCI_0_2,
  KVM_CAP_DEVICE_CTRL,
  KVM_CAP_ONE_REG,
  KVM_CAP_USER_MEMORY,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_PC,
  PSCI_0_1,
  PSCI_0_2,
  PSCI_VERSIONS,
  SYSREGS,
  VKVM_CAP_SLICE,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import type { Process, PsciVersion, Syscalls } from '@vkvm/uapi';
import type { PowerRequest } from '../devices/power-control.ts';
import type { MachineStop } from '../exits/stop.ts';
import { handleExit } from '../exits/table.ts';
import { hasPowerControl } from '../fdt/machine-tree.ts';
import { checkAbi } from '../kvm/abi-check.ts';
import type { Need } from '../kvm/abi-check.ts';
import type { KvmError } from '../kvm/error.ts';
import { openKvm } from '../kvm/kvm.ts';
import type { Kvm } from '../kvm/kvm.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Vm } from '../kvm/vm.ts';
import { MIB } from '../loader/ram.ts';
import type { Segment } from '../loader/ram.ts';
import { createRunStats, runCooperatively } from '../threads/cooperative.ts';
import type { RunStats } from '../threads/cooperative.ts';
import { Board } from './board.ts';
import { bootSegments, createBootTree, planBoot } from './boot.ts';
import type { BootPlan } from './boot.ts';
import { ConfigError, checkConfig } from './config.ts';
import type { MachineConfig } from './config.ts';
import { Gic } from './gic.ts';
import { createMachineHost } from './host.ts';
import type { MachineHost } from './host.ts';
import { RAM_BASE } from './layout.ts';

/** Guest instructions in one `KVM_RUN` of a machine with one vCPU: a few milliseconds. More vCPUs share them. */
const SLICE = 1_000_000;
const SLICE_MIN = 50_000;

/** MPIDR_EL1: Aff2, Aff1, Aff0. Aff3 is zero for every vCPU that KVM creates. */
const MPIDR_AFFINITY = 0xff_ffffn;

const THREAD_REGISTERS = [SYSREGS.TPIDR_EL0, SYSREGS.TPIDRRO_EL0, SYSREGS.TPIDR_EL1];

/** Everything a machine is built from. */
export interface MachineParts {
  /** The kernel's side of the boundary, made for `process`. */
  readonly syscalls: Syscalls;
  readonly process: Process;
  readonly config: MachineConfig;
  /** Default: what every JavaScript platform has. */
  readonly host?: MachineHost;
}

/**
 * Builds a machine with a kernel in its memory, ready to run.
 *
 * @example
 * ```ts
 * const config = { kernel, memory: 512 * 1024 * 1024, smp: 1, output: (bytes) => void stdout.write(bytes) };
 * const process = createProcess({ size: processSize(config), shared: false });
 * const syscalls = createKernel().attach(process);
 * using machine = await createMachine({ syscalls, process, config });
 * const { kind } = await machine.run(); // 'shutdown' when the guest has powered off
 * ```
 *
 * @throws {ConfigError} memory, vCPUs or PSCI version out of bounds
 * @throws {LoadError} kernel, initrd or device tree cannot be used
 * @throws {AbiMismatchError} the kernel behind `syscalls` lacks something
 * @throws {KvmError} the kernel refused a request
 */
export async function createMachine({
  host = createMachineHost(),
  ...parts
}: MachineParts): Promise<Machine> {
  const { config } = parts;
  checkConfig(config);
  const plan = await planBoot(config, { base: RAM_BASE, size: config.memory });
  using resources = new DisposableStack();
  const hardware = createHardware({ ...parts, host }, resources);
  return new Machine({ config, host, plan, hardware, resources: resources.move() });
}

/** What the kernel holds for a machine. */
interface Hardware {
  readonly vm: Vm;
  readonly vcpus: readonly Vcpu[];
  readonly gic: Gic;
  /** MPIDR_EL1 affinity of each vCPU. */
  readonly affinities: readonly number[];
  readonly psci: PsciVersion;
  readonly target: number;
  /** Guest RAM, as bytes of the process memory. */
  readonly ram: Uint8Array;
}

/** Creates the VM in the order that KVM wants: vCPUs, GIC, their initialisation, the GIC's. */
function createHardware(
  { syscalls, process, config }: Required<MachineParts>,
  resources: DisposableStack,
): Hardware {
  const kvm = resources.use(openKvm(syscalls, process));
  checkAbi(kvm, needsOf(config));
  const vm = resources.use(kvm.createVm());
  enableSlices(kvm, vm, config.smp);

  const vcpus = Array.from({ length: config.smp }, (_, id) =>
    fitting(config, () => resources.use(vm.createVcpu(id))),
  );
  const gic = resources.use(new Gic(vm, config.gicVersion ?? 3));
  const target = vm.preferredTarget();
  initVcpus(vcpus, target, config.psci);
  const psci = negotiatePsci(vcpus[0] as Vcpu, config.psci);
  gic.init();

  const userAddress = fitting(config, () => kvm.mapMemory(config.memory));
  resources.defer(() => syscalls.munmap(userAddress, config.memory));
  vm.setMemslot({ slot: 0, base: RAM_BASE, size: config.memory, userAddress });
  const mpidr = sysregId(SYSREGS.MPIDR_EL1);
  return {
    vm,
    vcpus,
    gic,
    affinities: vcpus.map((vcpu) => Number(vcpu.getReg(mpidr) & MPIDR_AFFINITY)),
    psci,
    target,
    ram: new Uint8Array(process.memory.buffer, userAddress, config.memory),
  };
}

/** Runs `allocate`. @throws {ConfigError} the process memory is full: this kernel needs more of it than we thought */
function fitting<T>({ memory, smp }: MachineConfig, allocate: () => T): T {
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

function needsOf({ psci, smp }: MachineConfig): Need[] {
  const needs: Need[] = [
    { cap: KVM_CAP_USER_MEMORY, purpose: 'give the guest memory' },
    { cap: KVM_CAP_ONE_REG, purpose: 'set boot registers' },
    { cap: KVM_CAP_DEVICE_CTRL, purpose: 'create the interrupt controller' },
  ];
  if (psci !== PSCI_0_1) needs.push({ cap: KVM_CAP_ARM_PSCI_0_2, purpose: 'offer PSCI 0.2 or newer' });
  if (smp > 1) needs.push({ cap: VKVM_CAP_SLICE, purpose: 'run several vCPUs on one thread' });
  return needs;
}

/** Makes `KVM_RUN` come back in time. A kernel without slices can still run one vCPU, without input meanwhile. */
function enableSlices(kvm: Kvm, vm: Vm, smp: number): void {
  if (kvm.checkExtension(VKVM_CAP_SLICE) === 0) return;
  vm.enableCap(VKVM_CAP_SLICE, BigInt(Math.max(SLICE_MIN, Math.floor(SLICE / smp))));
}

/** Resets all vCPUs: the first one on, the others off until PSCI CPU_ON. */
function initVcpus(vcpus: readonly Vcpu[], target: number, psci: PsciVersion | undefined): void {
  const features = psci === PSCI_0_1 ? [] : [KVM_ARM_VCPU_PSCI_0_2];
  for (const vcpu of vcpus)
    vcpu.init(target, vcpu.id === 0 ? features : [...features, KVM_ARM_VCPU_POWER_OFF]);
}

/** Sets the version that was asked for, and finds out which one the guest will see. */
function negotiatePsci(vcpu: Vcpu, wanted: PsciVersion | undefined): PsciVersion {
  try {
    if (wanted !== undefined && wanted !== PSCI_0_1) vcpu.setReg(KVM_REG_ARM_PSCI_VERSION, BigInt(wanted));
    const found = Number(vcpu.getReg(KVM_REG_ARM_PSCI_VERSION));
    return PSCI_VERSIONS.findLast((version) => version <= found) ?? PSCI_0_1;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'KvmError') throw error;
    const { errno } = error as KvmError;
    // Before Linux 4.17 there was no such register, and a vCPU had 0.2 or 0.1 by its feature bit alone.
    const fixed = wanted === PSCI_0_1 ? PSCI_0_1 : PSCI_0_2;
    if (errno === 'ENOENT' && (wanted ?? fixed) === fixed) return fixed;
    throw new ConfigError(
      `this kernel does not offer PSCI ${formatPsci(wanted ?? fixed)} (${errno}); leave --psci away`,
      {
        cause: error,
      },
    );
  }
}

/** `1.1` for 0x10001. */
export const formatPsci = (version: number): string => `${version >>> 16}.${version & 0xffff}`;

interface MachineState {
  readonly config: MachineConfig;
  readonly host: MachineHost;
  readonly plan: BootPlan;
  readonly hardware: Hardware;
  readonly resources: DisposableStack;
}

/** Made by {@link createMachine}. */
export class Machine implements Disposable {
  /** The device tree that the guest gets. */
  readonly dtb: Uint8Array;
  /** The PSCI version that the guest finds. */
  readonly psci: PsciVersion;
  readonly stats: RunStats = createRunStats();
  readonly #state: MachineState;
  readonly #board: Board;
  readonly #segments: readonly Segment[];
  #inputEnded = false;
  #stop: MachineStop | undefined;

  /** For {@link createMachine} only. */
  constructor(state: MachineState) {
    const { config, host, plan, hardware } = state;
    const { vm, affinities, psci } = hardware;
    const ram = { base: RAM_BASE, size: config.memory };
    this.#state = state;
    this.psci = psci;
    this.dtb = createBootTree(config, plan, { ram, affinities, psci, random: host.random });
    this.#segments = bootSegments(config, plan, this.dtb);
    const { output, unmapped } = config;
    const power = hasPowerControl(psci) && { power: (kind: PowerRequest) => void (this.#stop = { kind }) };
    this.#board = new Board({ vm, host, output, unmapped, ...power });
    this.#load();
  }

  /**
   * Runs the guest until it powers off, asks for a reset, crashes, or {@link stop} is called. After a reset the
   * machine can be run again once {@link reset} has been called.
   */
  async run(): Promise<MachineStop> {
    const { hardware, host } = this.#state;
    const board = this.#board;
    try {
      return await runCooperatively({
        vcpus: hardware.vcpus,
        host,
        handle: (exit, vcpu) => handleExit(exit, board, vcpu),
        tick: () => board.tick(),
        nextTick: () => board.nextTick(),
        canBeWoken: () => !this.#inputEnded || board.hasAlarm,
        stopped: () => this.#stop,
        stats: this.stats,
      });
    } finally {
      board.flush();
    }
  }

  /** Puts the machine back to where it was when it was built; RAM keeps what the boot files do not cover. */
  reset(): void {
    const { hardware, config } = this.#state;
    this.#stop = undefined;
    initVcpus(hardware.vcpus, hardware.target, config.psci);
    hardware.gic.reset(hardware.affinities);
    this.#board.reset();
    this.#load();
  }

  /** Types on the guest's console. */
  receive(bytes: Uint8Array): void {
    this.#board.receive(bytes);
    this.#state.host.wake();
  }

  /** Bytes of input that the guest has not taken yet. */
  get pendingInput(): number {
    return this.#board.pendingInput;
  }

  /** Says that no more input will come: a guest that waits for nothing else has then halted. */
  endInput(): void {
    this.#inputEnded = true;
    this.#state.host.wake();
  }

  /** Ends {@link run} soon, with `stopped`. */
  stop(): void {
    this.#stop = { kind: 'stopped' };
    this.#state.host.wake();
  }

  /**
   * Fills memory and sets the registers that the boot protocol names: pc, and the device tree's address in x0. The
   * thread registers are cleared, as firmware and QEMU leave them: KVM resets them to a marker.
   */
  #load(): void {
    const { hardware, plan } = this.#state;
    for (const { address, bytes, clear } of this.#segments) {
      const at = address - RAM_BASE;
      hardware.ram.set(bytes, at);
      hardware.ram.fill(0, at + bytes.length, at + bytes.length + clear);
    }
    const boot = hardware.vcpus[0] as Vcpu;
    boot.setReg(KVM_REG_PC, BigInt(plan.kernel.entry));
    boot.setReg(xRegId(0), BigInt(plan.dtb));
    for (const register of THREAD_REGISTERS) boot.setReg(sysregId(register), 0n);
  }

  /** Closes the VM and gives its memory back. */
  [Symbol.dispose](): void {
    this.#state.resources.dispose();
  }
}
