/** A whole machine over a `Syscalls`: built once, run until it stops, reset when the guest asks. */
import { KVM_CAP_ARM_PSCI_0_2, KVM_CAP_MP_STATE, KVM_REG_PC, SYSREGS, sysregId, xRegId } from '@vkvm/uapi';
import type { Process, PsciVersion, Syscalls } from '@vkvm/uapi';
import type { PowerRequest } from '../devices/power-control.ts';
import type { MachineStop } from '../exits/stop.ts';
import { handleExit } from '../exits/table.ts';
import { decodeFdt } from '../fdt/reader.ts';
import { hasPowerControl } from '../fdt/machine-tree.ts';
import type { EngineStats, Vcpu } from '../kvm/vcpu.ts';
import type { Vm } from '../kvm/vm.ts';
import type { RamRange, Segment } from '../loader/ram.ts';
import { CpuPower } from '../smccc/cpu-power.ts';
import { checkPsciTree } from '../smccc/psci-tree.ts';
import { UserPsci } from '../smccc/user-psci.ts';
import { createRunStats, runCooperatively } from '../threads/cooperative.ts';
import type { RunStats } from '../threads/cooperative.ts';
import { SnapshotError } from '../snapshot/error.ts';
import { checkSave, saveMachine } from '../snapshot/save.ts';
import type { SnapshotSink } from '../snapshot/writer.ts';
import { Board } from './board.ts';
import type { BoardState } from './board.ts';
import { bootSegments, createBootTree, planBoot } from './boot.ts';
import type { BootPlan } from './boot.ts';
import { checkConfig } from './config.ts';
import type { MachineConfig } from './config.ts';
import { hostOf } from './deterministic-host.ts';
import { createHardware, initVcpu, initVcpus } from './hardware.ts';
import type { Hardware } from './hardware.ts';
import type { MachineHost } from './host.ts';
import { RAM_BASE } from './layout.ts';

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
 * @throws {ConfigError} memory or vCPUs out of bounds
 * @throws {LoadError} kernel, initrd or device tree cannot be used
 * @throws {AbiMismatchError} the kernel behind `syscalls` lacks something, such as the PSCI version, a PSCI function has two owners or none, or the
 *   device tree announces what PSCI does not answer
 * @throws {KvmError} the kernel refused a request
 */
export async function createMachine(parts: MachineParts): Promise<Machine> {
  const { config } = parts;
  checkConfig(config);
  const plan = await planBoot(config, { base: RAM_BASE, size: config.memory });
  using resources = new DisposableStack();
  const hardware = createHardware(parts, resources);
  const { affinities, psci } = hardware;
  const host = hostOf(config, hardware.vm, parts.host);
  const dtb = createBootTree(config, plan, {
    ram: ramOf(config),
    affinities,
    psci,
    gicVersion: hardware.gic.version,
    pmu: hardware.pmu,
    random: host.random,
  });
  checkPsciTree(decodeFdt(dtb).root, { version: psci, smc: servesSmc(hardware.vm) });
  return new Machine({ config, host, plan, hardware, dtb, resources: resources.move() });
}

/** Whether calls by SMC are served: before Linux 3.16, and since 6.4. */
const servesSmc = (vm: Vm): boolean => vm.checkExtension(KVM_CAP_ARM_PSCI_0_2) === 0 || vm.hasSmcccFilter;

/** Where guest RAM lies. */
export const ramOf = ({ memory }: Pick<MachineConfig, 'memory'>): RamRange => ({
  base: RAM_BASE,
  size: memory,
});

/** Everything that a machine is. */
export interface MachineState {
  readonly config: MachineConfig;
  readonly host: MachineHost;
  readonly plan: BootPlan;
  readonly hardware: Hardware;
  /** The device tree that the guest gets. */
  readonly dtb: Uint8Array;
  /** What the devices were when the machine was saved; absent: it starts from power-on, and is loaded. */
  readonly devices?: BoardState;
  readonly resources: DisposableStack;
}

/** What serves the PSCI calls of a machine that are not the kernel's. */
function createUserPsci(hardware: Hardware): UserPsci {
  const { vm, vcpus, affinities, psci, canSuspend } = hardware;
  const hasMpState = vm.checkExtension(KVM_CAP_MP_STATE) !== 0;
  const reset = (vcpu: Vcpu): void => initVcpu(vcpu, hardware);
  const power = new CpuPower({ vcpus, affinities, hasMpState, reset });
  return new UserPsci({ version: psci, power, canSuspend });
}

/** Made by {@link createMachine}, or by `restoreMachine`. */
export class Machine implements Disposable {
  /** The device tree that the guest gets. */
  readonly dtb: Uint8Array;
  /** The PSCI version that the guest finds. */
  readonly psci: PsciVersion;
  readonly stats: RunStats = createRunStats();
  readonly #state: MachineState;
  readonly #board: Board;
  readonly #psci: UserPsci;
  readonly #segments: readonly Segment[];
  #inputEnded = false;
  #stop: MachineStop | undefined;
  #activity: 'running' | 'saving' | undefined;
  #pauseRequested = false;

  /** For those that build machines only. */
  constructor(state: MachineState) {
    const { config, host, plan, hardware, dtb, devices } = state;
    const { vm, psci } = hardware;
    this.#state = state;
    this.psci = psci;
    this.dtb = dtb;
    this.#segments = bootSegments(config, plan, this.dtb);
    const { output, unmapped } = config;
    const power = hasPowerControl(config.power ?? 'psci', psci) && {
      power: (kind: PowerRequest) => void (this.#stop = { kind }),
    };
    this.#board = new Board({ vm, host, output, unmapped, state: devices, ...power });
    this.#psci = createUserPsci(hardware);
    if (devices === undefined) this.#load();
  }

  /**
   * Runs the guest until it powers off, asks for a reset, crashes, or {@link stop} or {@link pause} is called. After a
   * reset the machine can be run again once {@link reset} has been called, after a pause at once.
   *
   * @throws {SnapshotError} the machine is being saved
   */
  async run(): Promise<MachineStop> {
    const { hardware, host } = this.#state;
    const board = this.#board;
    const devices = { bus: board.bus, psci: this.#psci };
    this.#begin('running');
    try {
      return await runCooperatively({
        vcpus: hardware.vcpus,
        host,
        handle: (exit, vcpu) => handleExit(exit, devices, vcpu),
        tick: () => board.tick(),
        nextTick: () => board.nextTick(),
        canBeWoken: () => !this.#inputEnded || board.hasAlarm,
        stopped: () => this.#stop ?? (this.#pauseRequested ? { kind: 'paused' } : undefined),
        stats: this.stats,
      });
    } finally {
      board.flush();
      this.#pauseRequested = false;
      this.#activity = undefined;
    }
  }

  /** Ends {@link run} soon, with `paused`. It may be called again, and the guest goes on as if nothing had been. */
  pause(): void {
    this.#pauseRequested = true;
    this.#state.host.wake();
  }

  /**
   * Tells beforehand that {@link save} would never do.
   *
   * @throws {AbiMismatchError} the kernel does not tell all that a snapshot holds
   */
  checkSave(): void {
    checkSave(this.#state);
  }

  /**
   * Writes the whole machine as a snapshot. It can be run on afterwards.
   *
   * @param sink - takes the bytes in order; what it throws ends the save
   * @throws {SnapshotError} the machine is running: {@link pause} it first
   */
  async save(sink: SnapshotSink): Promise<void> {
    this.#begin('saving');
    try {
      await saveMachine({ ...this.#state, devices: this.#board.save() }, sink);
    } finally {
      this.#activity = undefined;
    }
  }

  /** What the engine of each vCPU did; undefined where the kernel does not tell. */
  get engineStats(): readonly (EngineStats | undefined)[] {
    return this.#state.hardware.vcpus.map((vcpu) => vcpu.engineStats);
  }

  #begin(activity: 'running' | 'saving'): void {
    if (this.#activity !== undefined) {
      const remedy =
        this.#activity === 'running' ? 'pause it and wait for run() to end' : 'wait for save() to end';
      throw new SnapshotError('not now', `the machine is ${this.#activity}; ${remedy}`);
    }
    this.#activity = activity;
  }

  /** Puts the machine back to where it was when it was built; RAM keeps what the boot files do not cover. */
  reset(): void {
    const { hardware } = this.#state;
    this.#stop = undefined;
    initVcpus(hardware.vcpus, hardware);
    hardware.gic.reset(hardware.affinities);
    hardware.secureRuntime?.reset();
    this.#board.reset();
    this.#load();
  }

  /** Types on the guest's console. */
  receive(bytes: Uint8Array): void {
    this.#board.receive(bytes);
    this.#state.host.wake();
  }

  /** Presses the power key: a guest that watches it shuts down. */
  pressPowerKey(): void {
    this.#board.pressPowerKey();
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
