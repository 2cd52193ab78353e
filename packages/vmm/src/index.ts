/** User space of a KVM for arm64: typed descriptors over the ioctls, devices, loaders, and whole machines. */
export { openKvm } from './kvm/kvm.ts';
export type { Kvm } from './kvm/kvm.ts';
export type { FunctionRange, Memslot, SecureGrant, SecureLoad, Vm } from './kvm/vm.ts';
export type { RegisterFile } from './kvm/register-file.ts';
export type { EngineStats, Vcpu } from './kvm/vcpu.ts';
export type { Attribute, AttributeFile } from './kvm/attributes.ts';
export type { KvmDevice } from './kvm/device.ts';
export { createProcess } from './kvm/process.ts';
export type { ProcessOptions } from './kvm/process.ts';
export { AbiMismatchError, KvmError, ProcessError } from './kvm/error.ts';
export { checkAbi, identifyKernel } from './kvm/abi-check.ts';
export type { KernelIdentity, Need } from './kvm/abi-check.ts';
export type {
  ArmNisvExit,
  DebugExit,
  FailEntryExit,
  HypercallExit,
  IdleExit,
  InternalErrorExit,
  IntrExit,
  MemoryFaultExit,
  MmioExit,
  PsciExit,
  SystemEventExit,
  UnsupportedExit,
  VcpuExit,
} from './kvm/exit.ts';

export type { PsciOwner, PsciRoute, SmcccFilter } from './smccc/ownership.ts';
export type { GuestService } from './smccc/services.ts';
export type { PsciConduit } from './smccc/psci-tree.ts';

export { createMachine } from './machine/machine.ts';
export type { Machine, MachineParts } from './machine/machine.ts';
export { ConfigError, memoryMax, processSize } from './machine/config.ts';
export type { MachineConfig, SecureRuntimeConfig } from './machine/config.ts';
export { restoreMachine } from './snapshot/restore.ts';
export type { RestoreParts } from './snapshot/restore.ts';
export { openSnapshot } from './snapshot/snapshot.ts';
export type { Snapshot, SnapshotConfig } from './snapshot/snapshot.ts';
export { SnapshotError } from './snapshot/error.ts';
export type { SnapshotFault } from './snapshot/error.ts';
export type { SnapshotSource } from './snapshot/reader.ts';
export type { SnapshotSink } from './snapshot/writer.ts';
export { compareKernels } from './skew/skew.ts';
export type { Difference, Skew } from './skew/skew.ts';
export type { FreshKernel, KernelFacts } from './skew/kernel.ts';
export type { MoveVerdict } from './skew/verdict.ts';
export type { Misfit } from './snapshot/fit.ts';
export { createMachineHost } from './machine/host.ts';
export type { MachineHost } from './machine/host.ts';
export type { CrashStop, MachineStop } from './exits/stop.ts';
export type { RunStats } from './threads/cooperative.ts';

export { MmioBus } from './bus/mmio-bus.ts';
export type { MmioRange, UnmappedAccess } from './bus/mmio-bus.ts';
export { createSpiLine } from './bus/irq-line.ts';
export type { AccessWidth, IrqLine, MmioDevice } from './bus/device.ts';
export { Pl011 } from './devices/pl011.ts';
export type { Pl011Options, Pl011State } from './devices/pl011.ts';
export { Pl031 } from './devices/pl031.ts';
export type { Pl031Options, Pl031State } from './devices/pl031.ts';

export { encodeFdt } from './fdt/writer.ts';
export type { FdtOptions } from './fdt/writer.ts';
export { decodeFdt } from './fdt/reader.ts';
export type { Fdt } from './fdt/reader.ts';
export { FdtError } from './fdt/format.ts';
export { cells, cells64, flag, node, text } from './fdt/tree.ts';
export type { FdtNode, FdtReservation } from './fdt/tree.ts';
export { LoadError } from './loader/error.ts';

export { builtinGuest } from './guest/builtin.ts';
export { USER_SPACE_LINE, encodeScript } from './guest/init-script.ts';
export { buildInitramfs } from './guest/initramfs.ts';
export { GuestError } from './guest/error.ts';

export { replay } from './replay/replay.ts';
export type { KernelFactory, Verdict } from './replay/replay.ts';
export { parseScenario } from './replay/scenario.ts';
export type { Scenario } from './replay/scenario.ts';
export { parseTrace } from './replay/trace.ts';
export type { Trace } from './replay/trace.ts';
export { formatResult } from './replay/report.ts';
export type { ReplayResult } from './replay/report.ts';
export { FormatError } from './replay/json.ts';
