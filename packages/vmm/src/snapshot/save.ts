/** Writes a machine as a snapshot. */
import { KVM_CAP_MP_STATE } from '@vkvm/uapi';
import { AbiMismatchError } from '../kvm/error.ts';
import type { BoardState } from '../machine/board.ts';
import { ConfigError } from '../machine/config.ts';
import type { MachineConfig } from '../machine/config.ts';
import type { Hardware } from '../machine/hardware.ts';
import { NR_IRQS, RAM_BASE } from '../machine/layout.ts';
import { deflate } from './deflate.ts';
import { SECTION } from './format.ts';
import type { SectionType } from './format.ts';
import { encodeGic, saveGic } from './gic.ts';
import type { GicContext } from './gic.ts';
import { saveMemory } from './memory.ts';
import { encodeVcpu, saveVcpu } from './vcpu.ts';
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

/**
 * Whether a machine can be saved at all.
 *
 * @throws {ConfigError} it has a secure runtime, whose memory has no section yet
 * @throws {AbiMismatchError} the kernel does not tell all of it
 */
export function checkSave({ config, hardware }: Pick<SavedMachine, 'config' | 'hardware'>): void {
  if (config.secureRuntime) {
    throw new ConfigError('a machine with a secure runtime cannot be saved; run it without --secure-runtime');
  }
  gicContext(hardware);
}

/** @throws as {@link checkSave} */
export async function saveMachine(
  { config, dtb, hardware, devices }: SavedMachine,
  sink: SnapshotSink,
): Promise<void> {
  checkSave({ config, hardware });
  const { vcpus, identity, psci } = hardware;
  const context = gicContext(hardware);
  for (const vcpu of vcpus) vcpu.settle();
  // All that the kernel holds is read before the first byte is handed on: the sink may take its time.
  const states = vcpus.map(saveVcpu);
  const gic = saveGic(context);

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
  });
  const files: readonly (readonly [SectionType, Uint8Array | undefined])[] = [
    [SECTION.kernel, config.kernel],
    [SECTION.initrd, config.initrd],
    [SECTION.userTree, config.dtb],
    [SECTION.tree, dtb],
  ];
  for (const [type, bytes] of files) {
    if (bytes) await writer.section(type, await deflate(bytes));
  }
  for (const state of states) await writer.json(SECTION.vcpu, encodeVcpu(state));
  await writer.json(SECTION.gic, encodeGic(gic));
  await writer.json(SECTION.devices, devices);
  await saveMemory({ ram: hardware.ram, range: { base: RAM_BASE, size: config.memory } }, writer);
  await writer.end();
}
