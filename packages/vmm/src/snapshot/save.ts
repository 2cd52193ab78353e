/** Writes a machine as a snapshot. */
import { KVM_CAP_MP_STATE } from '@vkvm/uapi';
import { AbiMismatchError } from '../kvm/error.ts';
import type { BoardState } from '../machine/board.ts';
import type { MachineConfig } from '../machine/config.ts';
import type { Hardware } from '../machine/hardware.ts';
import { NR_IRQS, RAM_BASE } from '../machine/layout.ts';
import { deflate } from './deflate.ts';
import { SECTION } from './format.ts';
import type { SectionType } from './format.ts';
import { encodeGic, saveGic } from './gic.ts';
import type { GicContext } from './gic.ts';
import { saveMemory } from './memory.ts';
import { encodeSecureConfig } from './snapshot.ts';
import { encodeRegisters, encodeVcpu, saveRegisters, saveVcpu } from './vcpu.ts';
import { SnapshotWriter } from './writer.ts';
import type { SnapshotSink } from './writer.ts';

/** A machine that does not run. */
export interface SavedMachine {
  readonly config: MachineConfig;
  readonly dtb: Uint8Array;
  readonly hardware: Hardware;
  readonly devices: BoardState;
}

/**
 * The GIC of a machine, as its attributes see it.
 *
 * @throws {AbiMismatchError} it has none, or its vCPUs no power state that could be read
 */
export function gicContext({ identity, vm, gic, vcpus, affinities }: Hardware): GicContext {
  const { device, version } = gic;
  const missing = !device
    ? 'KVM_CAP_DEVICE_CTRL'
    : vm.checkExtension(KVM_CAP_MP_STATE) === 0 && 'KVM_CAP_MP_STATE';
  if (!device || missing) {
    throw new AbiMismatchError(
      `${identity.name} lacks ${missing}, which this VMM needs to save and restore a guest; use a newer kernel for it`,
    );
  }
  return {
    device,
    version,
    interrupts: NR_IRQS,
    vcpus: version === 3 ? affinities : vcpus.map(({ id }) => id),
  };
}

/** @throws {AbiMismatchError} the kernel does not tell all of the machine */
export function checkSave({ hardware }: Pick<SavedMachine, 'hardware'>): void {
  gicContext(hardware);
}

/** Hands the parts of a snapshot to `sink`. @throws as {@link checkSave} */
export async function saveMachine(
  { config, dtb, hardware, devices }: SavedMachine,
  sink: SnapshotSink,
): Promise<void> {
  const { vcpus, identity, psci, secureRuntime } = hardware;
  const context = gicContext(hardware);
  for (const vcpu of vcpus) vcpu.settle();
  // All that the kernel holds is read before the first byte is handed on: the sink may take its time.
  const states = vcpus.map(saveVcpu);
  const gic = saveGic(context);
  const secure = secureRuntime && saveRegisters(secureRuntime.registers);

  const writer = new SnapshotWriter(sink);
  await writer.start();
  await writer.json(SECTION.configuration, {
    kernel: identity.name,
    memory: config.memory,
    smp: config.smp,
    gicVersion: hardware.gic.version,
    pmu: hardware.pmu,
    psci,
    bootargs: config.bootargs ?? '',
    power: config.power ?? 'psci',
    psciOwner: config.psciOwner ?? 'kernel',
    psciRoutes: config.psciRoutes ?? [],
    smcccFilters: config.smcccFilters ?? [],
    ...(config.secureRuntime && { secureRuntime: encodeSecureConfig(config.secureRuntime) }),
  });
  const files: readonly (readonly [SectionType, Uint8Array | undefined])[] = [
    [SECTION.kernel, config.kernel],
    [SECTION.initrd, config.initrd],
    [SECTION.userTree, config.dtb],
    [SECTION.tree, dtb],
    [SECTION.secureCode, config.secureRuntime?.code],
  ];
  for (const [type, bytes] of files) {
    if (bytes) await writer.section(type, await deflate(bytes));
  }
  for (const state of states) await writer.json(SECTION.vcpu, encodeVcpu(state));
  await writer.json(SECTION.gic, encodeGic(gic));
  await writer.json(SECTION.devices, devices);
  if (secure) await writer.json(SECTION.secureVcpu, { registers: encodeRegisters(secure) });
  if (secureRuntime) await saveMemory(secureRuntime, writer, SECTION.secureMemory);
  await saveMemory({ ram: hardware.ram, range: { base: RAM_BASE, size: config.memory } }, writer);
  await writer.end();
}
