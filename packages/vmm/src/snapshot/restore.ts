/** Makes a machine of a snapshot. */
import { KVM_REG_ARM_PSCI_VERSION, PSCI_0_1 } from '@vkvm/uapi';
import type { Process, RegId, Syscalls } from '@vkvm/uapi';
import { SpiLine } from '../bus/irq-line.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import type { KernelIdentity } from '../kvm/abi-check.ts';
import { MIB } from '../loader/ram.ts';
import { Board } from '../machine/board.ts';
import type { BoardState } from '../machine/board.ts';
import { planBoot } from '../machine/boot.ts';
import { checkConfig } from '../machine/config.ts';
import type { MachineConfig } from '../machine/config.ts';
import { hostOf } from '../machine/deterministic-host.ts';
import { createHardware } from '../machine/hardware.ts';
import type { Hardware } from '../machine/hardware.ts';
import type { MachineHost } from '../machine/host.ts';
import { PL011, PL031, PL061 } from '../machine/layout.ts';
import { Machine, ramOf } from '../machine/machine.ts';
import type { SecureRuntime } from '../machine/secure-runtime.ts';
import type { Registers } from './droppable.ts';
import { SnapshotError } from './error.ts';
import { describeMisfit, distinct, gicMisfits, registerMisfits } from './fit.ts';
import type { Misfit } from './fit.ts';
import { SECTION } from './format.ts';
import { decodeGic, restoreGic } from './gic.ts';
import type { GicState } from './gic.ts';
import { Json } from './json.ts';
import { restoreMemory } from './memory.ts';
import { gicContext } from './save.ts';
import type { SecureState, Snapshot, SnapshotConfig } from './snapshot.ts';
import { attempt, decodeRegisters, decodeVcpu, restoreCounters, restoreRegisters } from './vcpu.ts';
import type { VcpuState } from './vcpu.ts';

/** What a machine is made from, if not from a kernel. */
export interface RestoreParts {
  /** The kernel's side of the boundary, made for `process`. */
  readonly syscalls: Syscalls;
  /** Of at least `processSize(snapshot.config)` bytes. */
  readonly process: Process;
  /** It is used up. */
  readonly snapshot: Snapshot;
  /** What the machine has to be like; absent: as it was saved. */
  readonly wanted?: Partial<Pick<MachineConfig, 'memory' | 'smp'>>;
  readonly output: MachineConfig['output'];
  readonly unmapped?: MachineConfig['unmapped'];
  /** Default: what every JavaScript platform has. */
  readonly host?: MachineHost;
  /** As of a new machine; how the guest was saved does not matter. */
  readonly deterministic?: boolean;
  /**
   * What to do with registers that this kernel does not take, and that the guest can do without: leave them out, or
   * refuse as with all others. Default: refuse.
   */
  readonly dropSafe?: boolean;
  /** Told what was left out, in one line each. */
  readonly report?: (line: string) => void;
}

/**
 * Builds a machine that goes on where the saved one was.
 *
 * @example
 * ```ts
 * await using snapshot = await openSnapshot(createReadStream('guest.vkvm'));
 * const process = createProcess({ size: processSize(snapshot.config), shared: false });
 * const syscalls = createKernel().attach(process);
 * using machine = await restoreMachine({ syscalls, process, snapshot, output });
 * await machine.run();
 * ```
 *
 * When it fails, the VM is gone and nothing of the guest has run.
 *
 * @throws {SnapshotError} the snapshot is damaged, incomplete, or not of a machine as wanted
 * @throws {AbiMismatchError} this kernel cannot hold the guest: names what it does not take, and what can be left out
 * @throws {KvmError} the kernel refused a request
 */
export async function restoreMachine(parts: RestoreParts): Promise<Machine> {
  const { syscalls, process, snapshot, output, unmapped, deterministic = false } = parts;
  const { config: saved } = snapshot;
  checkWanted(saved, parts.wanted ?? {});
  checkConfig(saved);
  const state = await snapshot.readState();
  const file = (type: (typeof SECTION)['kernel' | 'initrd' | 'userTree']) => state.files.get(type);
  const [initrd, dtb] = [file(SECTION.initrd), file(SECTION.userTree)];
  const { secureRuntime: given, ...rest } = saved;
  const { secure } = state;
  const secureRuntime = given && secure && { ...given, code: secure.code };
  const config: MachineConfig = {
    ...rest,
    ...(secureRuntime && { secureRuntime }),
    kernel: file(SECTION.kernel) as Uint8Array,
    ...(initrd && { initrd }),
    ...(dtb && { dtb }),
    output,
    ...(unmapped && { unmapped }),
    deterministic,
  };
  const plan = await planBoot(config, ramOf(config));

  using resources = new DisposableStack();
  // The version is a register like others: it comes with them, and is refused with them. If this VMM answers all calls,
  // it is the VMM's alone.
  const { psci, ...unversioned } = { ...rest, ...(secureRuntime && { secureRuntime }) };
  const isOurs = saved.psciOwner === 'user' && saved.psciRoutes.every(({ to }) => to === 'user');
  const fresh = isOurs || psci === PSCI_0_1 ? { ...unversioned, psci } : unversioned;
  const made = createHardware({ syscalls, process, config: { ...fresh, deterministic } }, resources);
  const hardware = { ...made, psci };
  const host = hostOf(config, hardware.vm, parts.host);
  const vcpus = state.vcpus
    .map(decodeVcpu)
    .map((vcpu) => (isOurs ? withoutRegister(vcpu, KVM_REG_ARM_PSCI_VERSION) : vcpu));
  if (vcpus.some(({ id }, index) => id !== index)) {
    throw new SnapshotError(
      'damaged',
      'the snapshot contradicts itself: its vCPUs are in disorder; save the guest again',
    );
  }
  const gic = decodeGic(state.gic, gicContext(hardware));
  const sample = new Board({ vm: hardware.vm, host, output }).save();
  const devices = Json.parse(state.devices, 'the devices').like(sample);

  const registers = secure && decodeRegisters(Json.parse(secure.vcpu, 'the secure runtime').get('registers'));
  const misfits = restoreHardware(hardware, vcpus, gic, registers);
  judge(misfits, saved, hardware.identity, parts);
  if (hardware.gic.version === 2) raiseLines(hardware, devices);
  const memory = { ram: hardware.ram, range: ramOf(config) };
  if (secure && hardware.secureRuntime) await restoreSecureMemory(hardware.secureRuntime, secure);
  for await (const piece of snapshot.memory()) await restoreMemory(memory, piece);
  restoreTime(hardware, vcpus, registers);
  return new Machine({
    config,
    host,
    plan,
    hardware,
    dtb: state.files.get(SECTION.tree) as Uint8Array,
    devices,
    resources: resources.move(),
  });
}

const withoutRegister = (state: VcpuState, id: RegId): VcpuState => ({
  ...state,
  registers: new Map(Array.from(state.registers).filter(([each]) => each !== id)),
});

/** @throws {SnapshotError} somebody counts on a machine that is not the saved one */
function checkWanted(saved: SnapshotConfig, { memory, smp }: NonNullable<RestoreParts['wanted']>): void {
  const refuse = (what: string): never => {
    throw new SnapshotError(
      'does not fit',
      `${what}; a saved guest keeps what it was given, so leave the option away`,
    );
  };
  if (memory !== undefined && memory !== saved.memory) {
    refuse(`the guest was saved with ${saved.memory / MIB} MiB of memory, not ${memory / MIB} MiB`);
  }
  if (smp !== undefined && smp !== saved.smp)
    refuse(`the guest was saved with ${saved.smp} vCPU${saved.smp > 1 ? 's' : ''}, not ${smp}`);
}

/** Sets everything that the kernel holds but memory and time. @returns what it did not take */
export function restoreHardware(
  hardware: Hardware,
  vcpus: readonly VcpuState[],
  gic: GicState,
  secure?: Registers,
): Misfit[] {
  const misfits = vcpus.flatMap((state, index) => {
    const vcpu = hardware.vcpus[index];
    if (!vcpu) return [];
    const refusals = restoreRegisters(vcpu, state.registers);
    const counters = index === 0 ? restoreCounters(vcpu, state.registers) : [];
    return registerMisfits([...refusals, ...counters], state.registers);
  });
  misfits.push(...gicMisfits(restoreGic(gicContext(hardware), gic)));
  vcpus.forEach((state, index) => {
    const vcpu = hardware.vcpus[index];
    if (!vcpu) return;
    const { mpState, serror } = state;
    const refused = attempt(() => (vcpu.mpState = mpState));
    if (refused !== undefined) misfits.push({ name: 'MP_STATE', value: BigInt(mpState), how: refused });
    const lost = serror && attempt(() => vcpu.injectSerror(serror));
    if (lost !== undefined) misfits.push({ name: 'SError', value: serror?.syndrome ?? 0n, how: lost });
  });
  if (secure && hardware.secureRuntime) {
    const { registers } = hardware.secureRuntime;
    const refusals = [...restoreRegisters(registers, secure), ...restoreCounters(registers, secure)];
    misfits.push(...registerMisfits(refusals, secure));
  }
  return distinct(misfits);
}

/** The code was loaded there: what is zero now is in no piece. */
async function restoreSecureMemory(runtime: SecureRuntime, { memory }: SecureState): Promise<void> {
  runtime.ram.fill(0);
  for (const piece of memory) await restoreMemory(runtime, piece);
}

/** @throws {AbiMismatchError} the guest cannot do without something that was refused, or may not */
function judge(
  misfits: readonly Misfit[],
  saved: SnapshotConfig,
  kernel: KernelIdentity,
  { dropSafe = false, report = () => {} }: RestoreParts,
): void {
  const needed = misfits.filter(({ droppable }) => droppable === undefined);
  const spare = misfits.filter(({ droppable }) => droppable !== undefined);
  const list = (rows: readonly Misfit[]): string => rows.map(describeMisfit).join(', ');
  const between = `the guest was saved on ${saved.kernel}, and ${kernel.name} does not take`;
  if (needed.length > 0) {
    const rest = spare.length === 0 ? '' : `; it could do without ${list(spare)}`;
    throw new AbiMismatchError(
      `${between} ${list(needed)}, which the guest cannot do without${rest}; ` +
        `restore it on the kernel it was saved on, or start it there with what both kernels have (--psci, --services, --no-pmu; vkvm skew tells)`,
    );
  }
  if (spare.length > 0 && !dropSafe) {
    throw new AbiMismatchError(
      `${between} ${list(spare)}; the guest can do without: restore it with --drop-safe (dropSafe: true)`,
    );
  }
  for (const misfit of spare) report(`left out ${describeMisfit(misfit)}: ${misfit.droppable}`);
}

/** A GICv2 is saved without its lines: devices state theirs anew, and the kernel the timers'. */
function raiseLines({ vm }: Hardware, { lines }: BoardState): void {
  new SpiLine(vm, PL011.spi).drive(lines.pl011);
  new SpiLine(vm, PL031.spi).drive(lines.pl031);
  new SpiLine(vm, PL061.spi).drive(lines.pl061);
}

/** Counters of all vCPUs, and of the secure runtime, go on from where they were, now. */
function restoreTime(
  { vcpus: [first], secureRuntime }: Hardware,
  [state]: readonly VcpuState[],
  secure: Registers | undefined,
): void {
  if (first && state) restoreCounters(first, state.registers);
  if (secureRuntime && secure) restoreCounters(secureRuntime.registers, secure);
}
